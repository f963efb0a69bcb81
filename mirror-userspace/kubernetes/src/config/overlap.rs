//! Services that lead live requests to the pods that get the copies, or copies to the pods that are mirrored: without a
//! mesh nothing keeps the two apart.

use std::collections::BTreeMap;

use mirror_core::destination::{Condition, Destination, LabelSelector, Labels, ServiceRef};

use crate::plan::{Rule, Scope, Source};

/// The services among the documents, with the labels that they select pods by.
pub(super) type Services = BTreeMap<ServiceRef, Labels>;

/// What is to be said of the services of rules, each once.
pub(super) fn warnings(rules: &[Rule], services: &Services) -> Vec<String> {
    let mut warnings = Vec::new();
    for rule in rules {
        let Some((namespace, labels)) = source_of(rule, services) else {
            continue;
        };
        for target in &rule.targets {
            let to = &target.destination;
            let Some(behind) = labels_of(to, namespace, services) else {
                continue;
            };
            let serves = serves_too(rule, to, &behind, services);
            // What else a selector asks for is not known.
            let is_source =
                !behind.labels.is_empty() && behind.is_all && has(&labels, &behind.labels);
            let is_source = is_source.then(|| {
                format!(
                    "{to} selects pods that are mirrored, too: those get no copies, or the requests would be \
                     served twice; give the pods that are to get copies a label of their own, and select it"
                )
            });
            for warning in serves.into_iter().chain(is_source) {
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
    }
    warnings
}

/// What is to be said where the service whose requests are mirrored selects the pods of a target, too.
fn serves_too(
    rule: &Rule,
    to: &Destination,
    behind: &Behind,
    services: &Services,
) -> Option<String> {
    let Source::Service { service, .. } = &rule.source else {
        return None;
    };
    let selector = services.get(service).filter(|it| !it.is_empty())?;
    has(&behind.labels, selector).then(|| {
        format!(
            "service {service} selects the pods of {to}, too: unless a mesh keeps them apart, they serve live \
             requests as well; give the pods that are mirrored a service of their own"
        )
    })
}

fn has(labels: &Labels, selector: &Labels) -> bool {
    let mut wanted = selector.iter();
    wanted.all(|(key, value)| labels.get(key) == Some(value))
}

/// The namespace of the pods that are mirrored, and the labels that they have at least.
fn source_of<'a>(rule: &'a Rule, services: &Services) -> Option<(&'a str, Labels)> {
    match &rule.source {
        Source::Service {
            service, subset, ..
        } => {
            let mut labels = services.get(service)?.clone();
            labels.extend(subset.clone());
            Some((&service.namespace, labels))
        }
        Source::Pods {
            scope: Scope::Namespace(namespace),
            selector,
            ..
        } => Some((namespace, of_selector(selector).labels)),
        Source::Pods {
            scope: Scope::All, ..
        } => None,
    }
}

/// What is known of the pods of a selector.
struct Behind {
    /// The labels that they have at least.
    labels: Labels,
    /// Whether these are all that they are selected by.
    is_all: bool,
}

fn of_selector(selector: &LabelSelector) -> Behind {
    let only = selector.requirements.iter().map(|it| match &it.condition {
        Condition::In(values) => match values.as_slice() {
            [value] => Some((it.key.clone(), value.clone())),
            _ => None,
        },
        _ => None,
    });
    Behind {
        is_all: only.clone().all(|it| it.is_some()),
        labels: only.flatten().collect(),
    }
}

/// The pods behind a destination of this namespace, as far as they are known.
fn labels_of(to: &Destination, namespace: &str, services: &Services) -> Option<Behind> {
    match to {
        Destination::Service {
            service, subset, ..
        } if service.namespace == namespace => {
            let mut labels = services.get(service)?.clone();
            labels.extend(subset.clone());
            Some(Behind {
                labels,
                is_all: true,
            })
        }
        Destination::Pods {
            namespace: own,
            selector,
            ..
        } if own == namespace => Some(of_selector(selector)),
        _ => None,
    }
}
