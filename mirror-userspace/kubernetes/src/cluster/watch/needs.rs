//! What has to be watched for a set of rules: as few watches as possible, each as narrow as possible.
//!
//! Each watch is a connection to the API server from every node, so that there is one for the pods of
//! the node, and one a namespace for its services and their endpoints, whatever the number of rules.
//! A watch asks for no more than the rules have in common; the rest is left out where it is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use mirror_core::destination::{Destination, LabelSelector, Labels, Origin, ServiceRef};

use crate::{
    cluster::{aim::Aim, document::DocumentKind, objects::SERVICE_NAME},
    plan::{Rule, Scope, Source},
};

/// Beyond this many services of a namespace their endpoints are not asked for by name, as the
/// request would get long: 64 names of 63 bytes are 4 KiB.
const MOST_NAMES: usize = 64;

/// What has to be known of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Which pods of this node are mirrored.
    pub sources: Vec<Source>,
    /// Where copies go, and who says so. URLs need nothing.
    pub destinations: Vec<Aim>,
    /// The namespaces whose configuration is watched; `None` for no configuration.
    pub documents: Option<Scope>,
    /// The namespaces of whose pods all are watched, whatever the rules select; `None` for no more than
    /// these.
    pub all_pods: Option<Scope>,
    /// The sources of which the [`Portion`](crate::cluster::Portion) on this node is to be told.
    pub capped: Vec<Source>,
}

impl Needs {
    /// What these rules need, and the configuration of these namespaces.
    pub fn of<'a>(rules: impl IntoIterator<Item = &'a Rule>, documents: Option<Scope>) -> Self {
        let mut needs = Self {
            documents,
            ..Self::default()
        };
        for rule in rules {
            if !needs.sources.contains(&rule.source) {
                needs.sources.push(rule.source.clone());
            }
            for target in &rule.targets {
                let aim = Aim::of(&rule.source, target);
                if !needs.destinations.contains(&aim) {
                    needs.destinations.push(aim);
                }
            }
        }
        needs
    }

    /// Whether a rule mirrors the pods of this service.
    pub(in crate::cluster) fn is_source(&self, wanted: &ServiceRef) -> bool {
        self.source_services().any(|service| service == wanted)
    }

    pub(in crate::cluster) fn source_services(&self) -> impl Iterator<Item = &ServiceRef> {
        let named = self.sources.iter().filter_map(Source::service);
        named.map(|(service, _)| service)
    }

    /// The services that rules name as source or target.
    fn services(&self) -> impl Iterator<Item = &ServiceRef> {
        self.source_services().chain(self.target_services())
    }

    fn target_services(&self) -> impl Iterator<Item = &ServiceRef> {
        self.destinations
            .iter()
            .filter_map(|it| match &it.destination {
                Destination::Service { service, .. } => Some(service),
                Destination::Url(_) | Destination::Pods { .. } => None,
            })
    }

    fn capped_services(&self) -> impl Iterator<Item = &ServiceRef> {
        let named = self.capped.iter().filter_map(Source::service);
        named.map(|(service, _)| service)
    }

    /// The watches of a node, each with what it asks for.
    pub(super) fn watches(&self, node: &str) -> Vec<(Slot, Query)> {
        let mut watches = Vec::new();
        watches.extend(self.node_pods(node));
        for (namespace, names) in by_namespace(self.services()) {
            let query = Query {
                fields: only(&names).map(|name| format!("metadata.name={name}")),
                ..Query::of(&namespace)
            };
            watches.push((Slot::Services(namespace), query));
        }
        for (namespace, names) in by_namespace(self.target_services().chain(self.capped_services()))
        {
            let query = Query {
                labels: Some(slices_of(&names)),
                ..Query::of(&namespace)
            };
            watches.push((Slot::Slices(namespace), query));
        }
        let of_aim = |aim| [Slot::backends(aim), Slot::sources(aim)];
        let backends = self.destinations.iter().flat_map(of_aim).flatten();
        for slot in backends.chain(self.capped.iter().filter_map(Slot::peers)) {
            let (scope, selector) = match &slot {
                Slot::Backends(namespace, selector) => {
                    (Scope::Namespace(namespace.clone()), selector)
                }
                Slot::Everywhere(selector) => (Scope::All, selector),
                _ => continue,
            };
            let query = Query {
                scope,
                labels: text_of(selector),
                fields: None,
            };
            if watches.iter().all(|(other, _)| *other != slot) {
                watches.push((slot, query));
            }
        }
        if let Some(scope) = &self.documents {
            watches.extend(DocumentKind::ALL.map(|kind| {
                let query = Query {
                    scope: scope.clone(),
                    labels: None,
                    fields: None,
                };
                (Slot::Documents(kind), query)
            }));
        }
        watches
    }

    /// One watch covers all sources: of one namespace if they agree on it, by label if all that a
    /// source knows of its pods is one selector.
    fn node_pods(&self, node: &str) -> Option<(Slot, Query)> {
        let asked = |source: &Source| match source {
            Source::Pods {
                scope, selector, ..
            } => (scope.clone(), text_of(selector)),
            Source::Service { service, .. } => (Scope::Namespace(service.namespace.clone()), None),
        };
        let all = self.all_pods.iter().map(|scope| (scope.clone(), None));
        let mut sources = self.sources.iter().map(asked).chain(all);
        let (mut scope, mut labels) = sources.next()?;
        for (other_scope, other_labels) in sources {
            if other_scope != scope {
                scope = Scope::All;
            }
            if other_labels != labels {
                labels = None;
            }
        }
        let query = Query {
            scope,
            labels,
            fields: Some(format!("spec.nodeName={node}")),
        };
        Some((Slot::NodePods, query))
    }
}

/// What one watch is for. Its query may change as rules come and go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::cluster) enum Slot {
    /// The pods of this node.
    NodePods,
    /// Services of a namespace.
    Services(String),
    /// Slices of endpoints of a namespace.
    Slices(String),
    /// Pods of a namespace on any node that may get copies.
    Backends(String, LabelSelector),
    /// The same, of all namespaces.
    Everywhere(LabelSelector),
    /// Documents of this kind, which say what is mirrored.
    Documents(DocumentKind),
}

impl Slot {
    /// The watch of pods by label that a destination needs. Whoever can write a slice of endpoints can
    /// write any address in it; that of a pod is the kubelet's word.
    pub(in crate::cluster) fn backends(aim: &Aim) -> Option<Self> {
        match &aim.destination {
            Destination::Pods {
                namespace,
                selector,
                ..
            } => Some(Self::Backends(namespace.clone(), selector.clone())),
            Destination::Service {
                service, subset, ..
            } if *subset != Labels::new() || aim.origin == Origin::Document => Some(
                Self::Backends(service.namespace.clone(), LabelSelector::of(subset)),
            ),
            Destination::Service { .. } | Destination::Url(_) => None,
        }
    }

    /// The watch of pods whose requests are copied and that might stand behind the destination, which only the
    /// operator's services need: behind others the pods are known with their labels.
    pub(in crate::cluster) fn sources(aim: &Aim) -> Option<Self> {
        match (&aim.destination, &aim.source) {
            (
                Destination::Service { service, .. },
                Some(Source::Pods {
                    scope, selector, ..
                }),
            ) if Self::backends(aim).is_none() && scope.holds(&service.namespace) => {
                let namespace = service.namespace.clone();
                Some(Self::Backends(namespace, selector.clone()))
            }
            _ => None,
        }
    }

    /// The watch of pods of all nodes that tells how many of a source's there are: behind a service its slices do,
    /// and pods only have the labels of a subset.
    pub(in crate::cluster) fn peers(source: &Source) -> Option<Self> {
        match source {
            Source::Pods {
                scope: Scope::All,
                selector,
                ..
            } => Some(Self::Everywhere(selector.clone())),
            Source::Pods {
                scope: Scope::Namespace(namespace),
                selector,
                ..
            } => Some(Self::Backends(namespace.clone(), selector.clone())),
            Source::Service {
                service, subset, ..
            } => { !subset.is_empty() }
                .then(|| Self::Backends(service.namespace.clone(), LabelSelector::of(subset))),
        }
    }

    /// Whether it tells how many of a source's pods there are.
    pub(in crate::cluster) fn tells_portion(&self, source: &Source) -> bool {
        match (self, source) {
            (Self::Slices(namespace), Source::Service { service, .. }) => {
                *namespace == service.namespace
            }
            (Self::Backends(..) | Self::Everywhere(_), source) => {
                Self::peers(source).as_ref() == Some(self)
            }
            _ => false,
        }
    }

    /// Whether mirroring goes on without it if it is not allowed or not installed.
    pub(super) const fn is_optional(&self) -> bool {
        matches!(self, Self::Documents(_))
    }

    /// The kind of objects, as RBAC rules and paths name it.
    pub(super) const fn resource(&self) -> &'static str {
        match self {
            Self::NodePods | Self::Backends(..) | Self::Everywhere(_) => "pods",
            Self::Services(_) => "services",
            Self::Slices(_) => "endpointslices",
            Self::Documents(kind) => kind.plural(),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.resource();
        match self {
            Self::NodePods => write!(f, "{resource} of this node"),
            Self::Services(namespace) | Self::Slices(namespace) => {
                write!(f, "{resource} of namespace {namespace}")
            }
            Self::Backends(namespace, selector) if *selector == LabelSelector::default() => {
                write!(f, "{resource} of namespace {namespace}")
            }
            Self::Backends(namespace, selector) => {
                write!(f, "{resource} of namespace {namespace} with {selector}")
            }
            Self::Everywhere(selector) if *selector == LabelSelector::default() => {
                write!(f, "{resource} of all namespaces")
            }
            Self::Everywhere(selector) => {
                write!(f, "{resource} of all namespaces with {selector}")
            }
            Self::Documents(_) => f.write_str(resource),
        }
    }
}

/// What a watch asks the API for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) scope: Scope,
    /// The `labelSelector` of the query, if it has one.
    pub(super) labels: Option<String>,
    /// The `fieldSelector` of the query, if it has one.
    pub(super) fields: Option<String>,
}

impl Query {
    fn of(namespace: &str) -> Self {
        Self {
            scope: Scope::Namespace(namespace.to_owned()),
            labels: None,
            fields: None,
        }
    }
}

type Names = BTreeSet<String>;

fn by_namespace<'a>(services: impl Iterator<Item = &'a ServiceRef>) -> BTreeMap<String, Names> {
    let mut namespaces: BTreeMap<String, Names> = BTreeMap::new();
    for ServiceRef { namespace, name } in services {
        let names = namespaces.entry(namespace.clone()).or_default();
        names.insert(name.clone());
    }
    namespaces
}

fn only(names: &Names) -> Option<&String> {
    names.first().filter(|_| names.len() == 1)
}

fn slices_of(names: &Names) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.as_slice() {
        [name] => format!("{SERVICE_NAME}={name}"),
        names if names.len() <= MOST_NAMES => format!("{SERVICE_NAME} in ({})", names.join(",")),
        _ => SERVICE_NAME.to_owned(),
    }
}

/// A selector without requirements is none.
fn text_of(selector: &LabelSelector) -> Option<String> {
    Some(selector.to_string()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
