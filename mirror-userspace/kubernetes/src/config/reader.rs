//! Reads documents of many hands: one that is refused does not keep the others from being acted on.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    At, ConfigError, Document, Ignored, MAX_RULES, Plan, Reason, Refusal, Terms,
    authority::{Authority, Grants},
    draft::{Draft, TooMany},
    error::BadField,
    gateway, istio,
    node::Remarks,
    object::{Identity, Kind, Object, identify},
    overlap::{self, Services},
    patterns::Patterns,
    traffic_mirror,
};
use crate::plan::Rule;

/// Reads documents again and again, as a watch finds them. What has not changed stays compiled.
#[derive(Debug, Default)]
pub struct Reader {
    terms: Terms,
    patterns: Patterns,
}

impl Reader {
    /// One that holds documents to these terms.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            patterns: Patterns::default(),
        }
    }

    /// How many regular expressions were compiled so far.
    #[cfg(test)]
    pub(super) fn compiled(&self) -> u64 {
        self.patterns.compiled()
    }

    /// Reads all documents that there are now, and says which of them make no sense.
    #[must_use]
    pub fn read_each(&mut self, documents: &[Document]) -> (Plan, Vec<ConfigError>) {
        let mut reading = Reading::default();
        let objects = reading.objects(documents);
        let mut subsets = istio::Subsets::default();
        let mut grants = Grants::default();
        for object in &objects {
            match object.kind {
                Kind::DestinationRule => {
                    reading.document(object, |remarks| subsets.add(object, remarks));
                }
                Kind::ReferenceGrant => {
                    reading.document(object, |remarks| grants.add(object, remarks));
                }
                _ => {}
            }
        }
        let routes = objects.iter().filter(|object| object.kind.is_route());
        let namespaces: BTreeSet<&str> = routes.map(|object| &*object.namespace).collect();
        let quotas = &self.terms.quotas;
        self.patterns
            .begin(quotas.patterns_of_each(namespaces.len()));
        let mut asked = Asked::default();
        for object in objects.iter().filter(|object| object.kind.is_route()) {
            let authority = Authority::of(object, &grants, &self.terms.consent);
            let has = asked.of(object);
            let rules = reading.document(object, |remarks| {
                let patterns = &self.patterns;
                let draft = Draft::new(object, patterns);
                let most = quotas.mirrors.saturating_sub(has);
                let draft = match object.kind {
                    Kind::TrafficMirror => {
                        return traffic_mirror::read(object, authority, draft, remarks, most);
                    }
                    Kind::VirtualService => {
                        istio::read_virtual_service(object, &subsets, authority, draft, remarks)?
                    }
                    _ => gateway::read_route(object, authority, draft, remarks)?,
                };
                Ok(draft.into_rules(most))
            });
            match rules {
                Some(Ok(rules)) if !rules.is_empty() => asked.add(object, rules),
                Some(Err(TooMany)) => {
                    let most = quotas.mirrors;
                    reading.beyond(
                        object,
                        format!("is beyond the {most} mirrors of a namespace"),
                    );
                }
                _ => {}
            }
        }
        self.patterns.end();
        let shares = quotas.mirrors_of_each(&asked.mirrors);
        for (namespace, mut left) in shares {
            for (object, rules) in asked.documents.remove(namespace).into_iter().flatten() {
                match left.checked_sub(mirrors(&rules)) {
                    Some(rest) => {
                        left = rest;
                        reading.accepted.insert(object.title.as_str(), rules);
                    }
                    None => reading.beyond(
                        object,
                        format!(
                            "is beyond its namespace's share of the {MAX_RULES} mirrors of all \
                             documents"
                        ),
                    ),
                }
            }
        }
        reading.finish(&objects)
    }
}

/// The rules that documents ask for, by namespace.
#[derive(Default)]
struct Asked<'a> {
    documents: BTreeMap<&'a str, Vec<(&'a Object<'a>, Vec<Rule>)>>,
    mirrors: BTreeMap<&'a str, usize>,
}

impl<'a> Asked<'a> {
    fn of(&self, object: &Object<'_>) -> usize {
        let count = self.mirrors.get(object.namespace.as_str());
        count.copied().unwrap_or_default()
    }

    fn add(&mut self, object: &'a Object<'a>, rules: Vec<Rule>) {
        let namespace = object.namespace.as_str();
        *self.mirrors.entry(namespace).or_default() += mirrors(&rules);
        let documents = self.documents.entry(namespace).or_default();
        documents.push((object, rules));
    }
}

fn mirrors(rules: &[Rule]) -> usize {
    rules.iter().map(|rule| rule.targets.len()).sum()
}

/// What came of the documents so far.
#[derive(Default)]
struct Reading<'a> {
    plan: Plan,
    refused: Vec<ConfigError>,
    /// The rules accepted so far, by the title of their document.
    accepted: BTreeMap<&'a str, Vec<Rule>>,
    /// The documents of which something is refused, by title, each with one of the reasons.
    counted: BTreeSet<(String, Reason)>,
    services: Services,
}

impl<'a> Reading<'a> {
    /// The objects that are read, each once.
    fn objects<'d>(&mut self, documents: &'d [Document]) -> Vec<Object<'d>> {
        let mut titles = BTreeSet::new();
        let mut objects = Vec::new();
        for document in documents {
            match identify(document) {
                Ok(Identity::Known(object)) if titles.insert(object.title.clone()) => {
                    objects.push(object);
                }
                Ok(Identity::Known(object)) => self.no_sense(ConfigError {
                    at: object.field("metadata.name".to_owned()),
                    problem: "another document describes the same object".to_owned(),
                }),
                Ok(Identity::Service(service, selector)) => {
                    self.services.insert(service, selector);
                }
                Ok(Identity::Other(why)) => self.plan.ignored.push(Ignored {
                    at: At {
                        namespace: String::new(),
                        document: document.origin.clone(),
                        path: "kind".to_owned(),
                    },
                    why,
                }),
                Err(error) => self.no_sense(error),
            }
        }
        objects
    }

    /// Reads one document; what is said of one that makes no sense is that alone.
    fn document<T>(
        &mut self,
        object: &Object<'_>,
        read: impl FnOnce(&Remarks) -> Result<T, BadField>,
    ) -> Option<T> {
        let mut remarks = Remarks::default();
        match read(&remarks) {
            Ok(value) => {
                let told = remarks.ignored().into_iter();
                self.plan.ignored.extend(told.map(|(path, why)| Ignored {
                    at: object.field(path),
                    why,
                }));
                for (path, reason, why) in remarks.refused() {
                    self.refuse(object, path, reason, why);
                }
                Some(value)
            }
            Err(bad) if bad.reason == Reason::Invalid => {
                self.no_sense(bad.in_document(&object.namespace, &object.document));
                None
            }
            Err(bad) => {
                self.refuse(object, bad.path, bad.reason, bad.problem);
                None
            }
        }
    }

    fn no_sense(&mut self, error: ConfigError) {
        let key = (error.at.namespace.clone(), Reason::Invalid);
        *self.plan.refusals.entry(key).or_default() += 1;
        self.refused.push(error);
    }

    fn beyond(&mut self, object: &Object<'_>, why: String) {
        self.refuse(object, "spec".to_owned(), Reason::Quota, why);
    }

    fn refuse(&mut self, object: &Object<'_>, path: String, reason: Reason, why: String) {
        if self.counted.insert((object.title.clone(), reason)) {
            let key = (object.namespace.clone(), reason);
            *self.plan.refusals.entry(key).or_default() += 1;
        }
        self.plan.refused.push(Refusal {
            at: object.field(path),
            reason,
            why,
        });
    }

    /// The rules in the order of the documents.
    fn finish(mut self, objects: &[Object<'_>]) -> (Plan, Vec<ConfigError>) {
        for object in objects {
            let rules = self.accepted.remove(object.title.as_str());
            self.plan.rules.extend(rules.into_iter().flatten());
        }
        self.plan.warnings = overlap::warnings(&self.plan.rules, &self.services);
        (self.plan, self.refused)
    }
}
