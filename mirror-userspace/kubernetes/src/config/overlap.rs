//! Services that lead live requests to the pods that get the copies: without a mesh nothing keeps the two apart.

use std::collections::BTreeMap;

use mirror_core::destination::{Condition, Destination, Labels, ServiceRef};

use crate::plan::{Rule, Source};

/// The services among the documents, with the labels that they select pods by.
pub(super) type Services = BTreeMap<ServiceRef, Labels>;

/// What is to be said of the services whose requests are mirrored, each pair once.
pub(super) fn warnings(rules: &[Rule], services: &Services) -> Vec<String> {
    let mut warnings = Vec::new();
    for rule in rules {
        let Source::Service { service, .. } = &rule.source else {
            continue;
        };
        let Some(selector) = services.get(service).filter(|it| !it.is_empty()) else {
            continue;
        };
        for target in &rule.targets {
            let Some(labels) = labels_of(&target.destination, &service.namespace, services) else {
                continue;
            };
            let selects = |(key, value)| labels.get(key) == Some(value);
            if !selector.iter().all(selects) {
                continue;
            }
            let warning = format!(
                "service {service} selects the pods of {}, too: unless a mesh keeps them apart, they serve live \
                 requests as well; give the pods that are mirrored a service of their own",
                target.destination
            );
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    warnings
}

/// The labels that the pods behind a destination of this namespace have at least, as far as they are known.
fn labels_of(to: &Destination, namespace: &str, services: &Services) -> Option<Labels> {
    match to {
        Destination::Service {
            service, subset, ..
        } if service.namespace == namespace => {
            let mut labels = services.get(service)?.clone();
            labels.extend(subset.clone());
            Some(labels)
        }
        Destination::Pods {
            namespace: own,
            selector,
            ..
        } if own == namespace => {
            let only = selector
                .requirements
                .iter()
                .filter_map(|it| match &it.condition {
                    Condition::In(values) => match values.as_slice() {
                        [value] => Some((it.key.clone(), value.clone())),
                        _ => None,
                    },
                    _ => None,
                });
            Some(only.collect())
        }
        _ => None,
    }
}
