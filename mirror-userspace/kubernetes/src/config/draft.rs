//! What the routes of one document say, and the rules that follow from it.
//!
//! A rule has one source, so a route with several destinations becomes several rules; routes with
//! the same source and the same targets become one.
//!
//! What cannot be told is not mirrored: where a match asks for something that a request does not
//! show (the labels of its sender, say), requests that meet the rest of it are left to nobody.
//!
//! Copies must not come back: a mirror that leads to pods whose requests it copies would double
//! their load, so it is refused where the names show it. Where they don't (two services, the same
//! pods), the mark in each copy ends it after one round (`policy::filter`).

use std::{collections::BTreeSet, sync::Arc};

use mirror_common::settings::MAX_PORTS;
use mirror_core::{
    destination::{Destination, Labels, ServiceRef, TargetSpec},
    policy::{
        FilterConfig, FullRegex, HostPattern, PolicyConfig, RequestMatch, RouteStep, RouteTable,
        Verdict,
    },
    value::Rate,
};

use super::{
    authority::Checked,
    error::BadField,
    node::Node,
    object::Object,
    patterns::{NoPattern, Patterns},
    refusal::Reason,
};
use crate::plan::{Compare, Rule};

/// The most matches in a document.
const MAX_MATCHES: usize = 1_000;
/// The most regular expressions in a document: each has memory of its own.
const MAX_REGEXES: usize = 64;

/// The routes of a document and the matches that lead to them.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// The document's kind, namespace and name: `VirtualService default/web`.
    title: &'a str,
    namespace: &'a str,
    patterns: &'a Patterns,
    /// The hosts that they are for; none: any.
    pub(super) hosts: Vec<HostPattern>,
    routes: Vec<Route<'a>>,
    candidates: Vec<Candidate>,
    regexes: usize,
}

/// One route of a document, while it is being read.
#[derive(Debug, Default)]
pub(super) struct Route<'a> {
    /// How messages name the route: `http[0]`.
    pub(super) name: String,
    pub(super) sources: Vec<Checked<Backend>>,
    pub(super) mirrors: Vec<MirrorDraft<'a>>,
}

/// Pods that a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) service: ServiceRef,
    pub(super) port: Option<u16>,
    pub(super) subset: Labels,
}

/// A destination of copies, while its document is being read.
#[derive(Debug)]
pub(super) struct MirrorDraft<'a> {
    pub(super) to: Checked<Destination>,
    /// Its own sampling rate.
    pub(super) sample: Option<Rate>,
    /// Only requests to this one of the route's sources, if one is named.
    pub(super) only: Option<usize>,
    /// The field that says so.
    pub(super) node: Node<'a>,
}

/// A match, and the route that it leads to.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidate {
    pub(super) requests: Arc<RequestMatch>,
    /// The service's port that requests were sent to, if it matters.
    pub(super) port: Option<u16>,
    pub(super) certainty: Certainty,
    pub(super) route: usize,
}

/// Whether a request shows all that a match asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Certainty {
    #[default]
    Certain,
    /// It asks for more than a request shows.
    Unknown,
}

impl<'a> Draft<'a> {
    pub(super) fn new(object: &'a Object<'_>, patterns: &'a Patterns) -> Self {
        Self {
            title: &object.title,
            namespace: &object.namespace,
            patterns,
            hosts: Vec::new(),
            routes: Vec::new(),
            candidates: Vec::new(),
            regexes: 0,
        }
    }

    /// Compiles a regular expression, if the document has not had too many.
    pub(super) fn regex(&mut self, node: &Node<'_>) -> Result<FullRegex, BadField> {
        self.regex_of(node.str()?, node)
    }

    /// The same for an expression that is made of what the field says.
    pub(super) fn regex_of(&mut self, text: &str, node: &Node<'_>) -> Result<FullRegex, BadField> {
        self.regexes += 1;
        if self.regexes > MAX_REGEXES {
            return Err(node.bad(format!("is beyond {MAX_REGEXES} regular expressions")));
        }
        let made = self.patterns.compile(self.namespace, text);
        made.map_err(|problem| match problem {
            NoPattern::Bad(problem) => node.bad(problem),
            NoPattern::BeyondShare(share) => BadField {
                reason: Reason::Quota,
                ..node.bad(format!(
                    "is beyond its namespace's {share} bytes of compiled regular expressions"
                ))
            },
        })
    }

    /// The number that the next route will have.
    pub(super) const fn next_route(&self) -> usize {
        self.routes.len()
    }

    pub(super) fn add_route(&mut self, route: Route<'a>) {
        self.routes.push(route);
    }

    /// Adds a match after those that are tried before it.
    pub(super) fn add_match(
        &mut self,
        candidate: Candidate,
        node: &Node<'_>,
    ) -> Result<(), BadField> {
        if self.candidates.len() >= MAX_MATCHES {
            return Err(node.bad(format!("is beyond {MAX_MATCHES} matches")));
        }
        self.candidates.push(candidate);
        Ok(())
    }

    /// The rules, at least one for each source that is mirrored.
    ///
    /// # Errors
    /// They would have more than so many targets, all together.
    pub(super) fn into_rules(self, most: usize) -> Result<Vec<Rule>, TooMany> {
        let mut groups: Vec<Group> = Vec::new();
        let mut left = most;
        for (number, route) in self.routes.iter().enumerate() {
            let sources = route.sources.iter().enumerate();
            let sources: Vec<_> = sources
                .flat_map(|(index, source)| {
                    let ports = self.at_ports(number, source).into_iter();
                    ports.map(move |source| (index, source))
                })
                .collect();
            let only = sources.len() == 1;
            for (index, source) in sources {
                let targets = route.targets(index, &source);
                if targets.is_empty() {
                    continue;
                }
                let name = if only {
                    route.name.clone()
                } else {
                    format!("{} to {}", route.name, source.name())
                };
                match groups
                    .iter_mut()
                    .find(|group| group.source == source && group.targets == targets)
                {
                    Some(group) if group.routes.contains(&number) => {}
                    Some(group) => {
                        group.routes.push(number);
                        group.names.push(name);
                    }
                    None => {
                        // Before each gets a table of its own.
                        left = left.checked_sub(targets.len()).ok_or(TooMany)?;
                        groups.push(Group {
                            source,
                            targets,
                            routes: vec![number],
                            names: vec![name],
                        });
                    }
                }
            }
        }
        let rules = groups.into_iter();
        Ok(rules.filter_map(|group| self.rule(group)).collect())
    }

    /// A source without a port is one for each that its matches name, if they all name one.
    fn at_ports(&self, route: usize, source: &Checked<Backend>) -> Vec<Checked<Backend>> {
        let own = self.candidates.iter().filter(|it| it.route == route);
        let named: Option<BTreeSet<u16>> = own.map(|candidate| candidate.port).collect();
        match named {
            Some(ports) if source.port.is_none() && (1..=MAX_PORTS).contains(&ports.len()) => ports
                .into_iter()
                .map(|port| source.at_port(Some(port)))
                .collect(),
            _ => vec![source.clone()],
        }
    }

    /// Says of a group's mirrors that some of their routes' matches can't be told by their port.
    fn tell_unknown_ports(&self, group: &Group) {
        let unknown = |number: &&usize| {
            let mut own = self.candidates.iter().filter(|it| it.route == **number);
            own.any(|candidate| candidate.port.is_some())
        };
        if group.source.port.is_some() {
            return;
        }
        let numbers = group.routes.iter().filter(unknown);
        for route in numbers.filter_map(|number| self.routes.get(*number)) {
            for mirror in &route.mirrors {
                mirror.node.ignore(
                    "requests that a match tells by their port are not mirrored: only where every match of the \
                     route names a port is it known which requests came to it",
                );
            }
        }
    }

    /// The rule of a group, unless none of its requests is left for it.
    fn rule(&self, group: Group) -> Option<Rule> {
        self.tell_unknown_ports(&group);
        let table = RouteTable::new(self.hosts.clone(), self.steps(&group));
        if table.steps().is_empty() {
            let routes = group
                .routes
                .iter()
                .filter_map(|route| self.routes.get(*route));
            for mirror in routes.flat_map(|route| &route.mirrors) {
                mirror
                    .node
                    .ignore("no request is left for it, or none that can be told");
            }
            return None;
        }
        Some(Rule {
            name: format!("{} {}", self.title, group.names.join(", ")),
            tenant: Some(self.namespace.to_owned()),
            source: group.source.into_source(),
            policy: PolicyConfig {
                filter: FilterConfig {
                    route: (!table.mirrors_all()).then_some(table),
                    ..FilterConfig::default()
                },
                ..PolicyConfig::default()
            },
            sample_by: None,
            max_rps: None,
            back_off: None,
            targets: group.targets,
            compare: Compare::default(),
        })
    }

    /// The matches as a group's routes see them.
    fn steps(&self, group: &Group) -> Vec<RouteStep> {
        let steps = self.candidates.iter().filter_map(|candidate| {
            let certainty = match (candidate.port, group.source.port) {
                (Some(asked), Some(served)) if asked != served => return None,
                (Some(_), None) => Certainty::Unknown,
                _ => candidate.certainty,
            };
            let mirror = certainty == Certainty::Certain && group.routes.contains(&candidate.route);
            Some(RouteStep {
                requests: Arc::clone(&candidate.requests),
                verdict: if mirror {
                    Verdict::Mirror
                } else {
                    Verdict::Leave
                },
            })
        });
        steps.collect()
    }
}

/// There are more mirrors than there may be.
#[derive(Debug)]
pub(super) struct TooMany;

/// Routes that become one rule.
struct Group {
    source: Checked<Backend>,
    targets: Vec<TargetSpec>,
    routes: Vec<usize>,
    names: Vec<String>,
}

impl Route<'_> {
    /// The targets of one of its sources, without those that lead back to it.
    fn targets(&self, index: usize, source: &Backend) -> Vec<TargetSpec> {
        let mut targets: Vec<TargetSpec> = Vec::new();
        for mirror in &self.mirrors {
            if mirror.only.is_some_and(|only| only != index) {
                continue;
            }
            if source.is_within(&mirror.to) {
                mirror.node.ignore(&format!(
                    "leads back to the pods whose requests are mirrored, {}",
                    source.name()
                ));
                continue;
            }
            let target = mirror.to.to_spec(mirror.sample);
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        targets
    }
}

impl Backend {
    /// Whether all of these pods are among those that copies go to.
    fn is_within(&self, destination: &Destination) -> bool {
        match destination {
            Destination::Service {
                service, subset, ..
            } => {
                let within = |(key, value)| self.subset.get(key) == Some(value);
                *service == self.service && subset.iter().all(within)
            }
            Destination::Url(_) | Destination::Pods { .. } => false,
        }
    }

    /// For people: `default/web version=v1 port 80`.
    fn name(&self) -> String {
        let mut name = self.service.to_string();
        for (key, value) in &self.subset {
            name += &format!(" {key}={value}");
        }
        if let Some(port) = self.port {
            name += &format!(" port {port}");
        }
        name
    }
}

impl From<Backend> for Destination {
    fn from(backend: Backend) -> Self {
        Self::Service {
            service: backend.service,
            port: backend.port,
            subset: backend.subset,
        }
    }
}
