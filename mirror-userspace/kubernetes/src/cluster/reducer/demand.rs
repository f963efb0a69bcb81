//! What the rules want of a pod.

use std::collections::BTreeMap;

use mirror_core::destination::ServiceRef;

use crate::{
    cluster::{
        event::{RuleId, Search},
        pod::PodView,
        selection::{Selection, Services, select},
        service::ServiceView,
    },
    plan::Source,
};

/// The ports that each rule wants to mirror of one pod.
pub(super) type Wanted = BTreeMap<RuleId, Vec<u16>>;

/// The rules, and what they need to know.
#[derive(Debug, Default)]
pub(super) struct Demand {
    rules: BTreeMap<RuleId, Source>,
    services: Services,
    searches: u64,
}

impl Demand {
    pub(super) fn set_rule(&mut self, rule: RuleId, source: Source) {
        self.rules.insert(rule, source);
    }

    pub(super) fn unset_rule(&mut self, rule: RuleId) {
        self.rules.remove(&rule);
    }

    pub(super) fn set_service(&mut self, view: ServiceView) {
        self.services.insert(view.service.clone(), Some(view));
    }

    /// Whether no rule wants anything.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns what people are to be told, unless they know.
    pub(super) fn unset_service(&mut self, service: ServiceRef) -> Option<String> {
        let ServiceRef { namespace, name } = &service;
        let news = format!("service {namespace}/{name} is not there: nothing is mirrored for it");
        let known = self.services.insert(service, None);
        (known != Some(None)).then_some(news)
    }

    /// The services that rules name and the API has not spoken of.
    pub(super) fn unknown_services(&self) -> impl Iterator<Item = &ServiceRef> {
        let named = self.rules.values().filter_map(|source| match source {
            Source::Service { service, .. } => Some(service),
            Source::Pods { .. } => None,
        });
        named.filter(|service| !self.services.contains_key(service))
    }

    /// What each rule that selects the pod wants of it.
    pub(super) fn selections(&self, pod: &PodView) -> impl Iterator<Item = (RuleId, Selection)> {
        self.rules
            .iter()
            .map(|(&rule, source)| (rule, select(source, pod, &self.services)))
            .filter(|(_, selection)| *selection != Selection::Other)
    }

    /// A number that no search has had.
    pub(super) fn next_search(&mut self) -> Search {
        self.searches = self.searches.wrapping_add(1);
        Search(self.searches)
    }
}
