//! Documents that mirror: any text is read or refused, and a plan keeps its promises.

use std::collections::BTreeSet;

use mirror_core::{destination::Destination, policy::Policy, value::Rate};
use mirror_kubernetes::{
    config::{self, MAX_RULES, Reader, Terms},
    plan::Source,
};

/// `data` is a file's text, where it is UTF-8.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let documents = match config::parse("fuzz.yaml", text) {
        Ok(documents) => documents,
        Err(refused) => return assert!(refused.to_string().starts_with("fuzz.yaml: ")),
    };
    let terms = Terms::default();
    let (plan, refused) = Reader::new(terms.clone()).read_each(&documents);
    assert_eq!(config::read(&documents, &terms).is_ok(), refused.is_empty());
    assert!(plan.rules.len() <= MAX_RULES);
    let names: BTreeSet<_> = plan.rules.iter().map(|rule| &rule.name).collect();
    assert_eq!(names.len(), plan.rules.len(), "names are unique");
    for rule in &plan.rules {
        assert!(!rule.targets.is_empty(), "{} goes somewhere", rule.name);
        for target in &rule.targets {
            assert!(
                target.sample != Some(Rate::ZERO),
                "what is off is no target"
            );
            assert!(
                !is_circle(&rule.source, &target.destination),
                "{} mirrors to itself",
                rule.name
            );
        }
        assert!(Policy::new(rule.policy.clone()).is_ok());
    }
    let told: BTreeSet<_> = plan
        .ignored
        .iter()
        .map(|ignored| (&ignored.at.document, &ignored.at.path))
        .collect();
    assert_eq!(told.len(), plan.ignored.len(), "each field is told once");
    assert!(plan.to_string().ends_with('\n'));
}

/// Whether copies go to the very pods that they are of.
fn is_circle(source: &Source, destination: &Destination) -> bool {
    match (source, destination) {
        (
            Source::Service {
                service, subset, ..
            },
            Destination::Service {
                service: to,
                subset: to_subset,
                ..
            },
        ) => to == service && to_subset == subset,
        (
            Source::Pods {
                scope, selector, ..
            },
            Destination::Pods {
                namespace,
                selector: to,
                ..
            },
        ) => scope.holds(namespace) && to == selector,
        _ => false,
    }
}
