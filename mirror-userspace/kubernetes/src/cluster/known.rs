//! What the watches have reported of the cluster, and what follows from it. No I/O and no clock.
//!
//! Nothing is concluded from partial knowledge: a destination has no addresses until everything they
//! depend on has been listed, and configuration is not read until all of its kinds have been. After that,
//! the last report stays true until a watch reports otherwise; a failing watch reports nothing.

use std::collections::{BTreeMap, HashMap};

use mirror_core::destination::{Destination, ServiceRef};
use serde_json::Value;

use super::{
    document::{Document, DocumentKind},
    endpoints::{BackendPod, Endpoints, SliceView, Subset},
    event::Event,
    service::ServiceView,
    watch::{Change, Changed, Needs, Slot, Update},
};

/// Objects by key; `None` until they are listed.
type Held<T> = Option<BTreeMap<String, T>>;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    needs: Needs,
    services: HashMap<Slot, Held<ServiceView>>,
    slices: HashMap<Slot, Held<SliceView>>,
    backends: HashMap<Slot, Held<BackendPod>>,
    documents: BTreeMap<DocumentKind, Held<Value>>,
    news: News,
    /// The last report of each destination's endpoints.
    told: HashMap<Destination, Endpoints>,
}

/// Whether configuration has changed since it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum News {
    #[default]
    None,
    Some,
}

/// An object that is told by this from the others of its watch.
trait Keyed {
    fn key(&self) -> &str;
}

impl Keyed for ServiceView {
    fn key(&self) -> &str {
        &self.service.name
    }
}

impl Keyed for SliceView {
    fn key(&self) -> &str {
        &self.name
    }
}

impl Keyed for BackendPod {
    fn key(&self) -> &str {
        &self.uid
    }
}

impl Known {
    /// Sets what is needed. What is no longer needed is forgotten.
    pub(super) fn need(&mut self, needs: Needs, slots: &[&Slot]) -> Vec<Update> {
        self.services.retain(|slot, _| slots.contains(&slot));
        self.slices.retain(|slot, _| slots.contains(&slot));
        self.backends.retain(|slot, _| slots.contains(&slot));
        let needed = |kind: &DocumentKind| slots.contains(&&Slot::Documents(*kind));
        self.documents.retain(|kind, _| needed(kind));
        self.told.retain(|it, _| needs.destinations.contains(it));

        let before = std::mem::replace(&mut self.needs, needs);
        let mut updates = Vec::new();
        for service in self.needs.source_services() {
            if !before.is_source(service) {
                updates.extend(self.told_of(service));
            }
        }
        self.tell_addresses(&mut updates);
        updates
    }

    /// Takes in what a watch says.
    pub(super) fn on_change(&mut self, slot: &Slot, changed: Changed) -> Vec<Update> {
        let mut updates = Vec::new();
        match changed {
            Changed::NodePods(change) => updates.push(Update::Event(match change {
                Change::Listed(pods) => Event::PodsListed(pods),
                Change::Applied(pod) => Event::PodApplied(pod),
                Change::Deleted(pod) => Event::PodDeleted(pod.uid),
            })),
            Changed::Services(change) => {
                let spoken_of = self.spoken_of(slot, &change);
                hold(self.services.entry(slot.clone()).or_default(), change);
                for service in &spoken_of {
                    updates.extend(self.told_of(service));
                }
                self.tell_addresses(&mut updates);
            }
            Changed::Slices(change) => {
                hold(self.slices.entry(slot.clone()).or_default(), change);
                self.tell_addresses(&mut updates);
            }
            Changed::Backends(change) => {
                hold(self.backends.entry(slot.clone()).or_default(), change);
                self.tell_addresses(&mut updates);
            }
            Changed::Documents(change) => self.on_documents(slot, change),
        }
        updates
    }

    /// A kind of configuration can't be had for now; others are read without it.
    pub(super) fn go_without(&mut self, slot: &Slot) {
        if let Slot::Documents(kind) = slot {
            let held = self.documents.entry(*kind).or_default();
            if held.is_none() {
                *held = Some(BTreeMap::new());
                self.news = News::Some;
            }
        }
    }

    /// Whether configuration has changed since it was taken.
    pub(super) fn has_new_documents(&self) -> bool {
        self.news == News::Some
    }

    /// The configuration that is there, by kind and name, once every kind is known.
    pub(super) fn take_documents(&mut self) -> Option<Vec<Value>> {
        self.news = News::None;
        let mut all = Vec::new();
        for kind in DocumentKind::ALL {
            let held = self.documents.get(&kind)?.as_ref()?;
            all.extend(held.values().cloned());
        }
        Some(all)
    }

    /// What was last said of the destinations.
    pub(super) fn destinations(&self) -> impl Iterator<Item = (&Destination, &Endpoints)> {
        self.told.iter()
    }

    /// What was last said of a destination.
    pub(super) fn destination(&self, destination: &Destination) -> Option<&Endpoints> {
        self.told.get(destination)
    }

    /// A change that affects nothing that is kept is no news: most of a mesh's objects do not mirror.
    fn on_documents(&mut self, slot: &Slot, change: Change<Document>) {
        let Slot::Documents(kind) = slot else { return };
        let held = self.documents.entry(*kind).or_default();
        let changed = match change {
            Change::Listed(listed) => {
                let relevant = listed.into_iter();
                let listed = relevant.filter_map(|it| Some((it.key, it.content?)));
                let before = held.replace(listed.collect());
                before != *held
            }
            Change::Applied(Document {
                key,
                content: Some(content),
            }) => {
                let held = held.get_or_insert_default();
                let before = held.insert(key.clone(), content);
                before.as_ref() != held.get(&key)
            }
            Change::Applied(Document { key, content: None })
            | Change::Deleted(Document { key, .. }) => {
                held.get_or_insert_default().remove(&key).is_some()
            }
        };
        if changed {
            self.news = News::Some;
        }
    }

    /// The services that rules mirror and that a change is about: a list is about all of its
    /// namespace.
    fn spoken_of(&self, slot: &Slot, change: &Change<ServiceView>) -> Vec<ServiceRef> {
        let sources = self.needs.source_services();
        let about = sources.filter(|service| match change {
            Change::Listed(_) => *slot == Slot::Services(service.namespace.clone()),
            Change::Applied(view) | Change::Deleted(view) => view.service == **service,
        });
        let mut about: Vec<ServiceRef> = about.cloned().collect();
        about.sort_unstable();
        about.dedup();
        about
    }

    /// What the reducer is to know of a service, if its namespace has been listed.
    fn told_of(&self, service: &ServiceRef) -> Option<Update> {
        let listed = self.listed_services(service)?;
        Some(Update::Event(match listed.get(&service.name) {
            Some(view) => Event::ServiceApplied(view.clone()),
            None => Event::ServiceDeleted(service.clone()),
        }))
    }

    fn listed_services(&self, service: &ServiceRef) -> Option<&BTreeMap<String, ServiceView>> {
        let slot = Slot::Services(service.namespace.clone());
        self.services.get(&slot)?.as_ref()
    }

    /// Reports the endpoints of each destination whose endpoints have changed.
    fn tell_addresses(&mut self, updates: &mut Vec<Update>) {
        for destination in &self.needs.destinations {
            let Some(endpoints) = self.endpoints(destination) else {
                continue;
            };
            if self.told.get(destination) != Some(&endpoints) {
                updates.push(Update::Endpoints(destination.clone(), endpoints.clone()));
                self.told.insert(destination.clone(), endpoints);
            }
        }
    }

    fn endpoints(&self, destination: &Destination) -> Option<Endpoints> {
        let pods = match Slot::backends(destination) {
            Some(slot) => Some(self.backends.get(&slot)?.as_ref()?),
            None => None,
        };
        let pods = pods.into_iter().flat_map(BTreeMap::values);
        match destination {
            Destination::Url(_) => None,
            Destination::Pods { selector, port, .. } => {
                Some(Endpoints::of_pods(pods, selector, *port))
            }
            Destination::Service {
                service,
                port,
                subset,
            } => {
                let view = self.listed_services(service)?.get(&service.name);
                let slot = Slot::Slices(service.namespace.clone());
                let slices = self.slices.get(&slot)?.as_ref()?.values();
                let subset = Subset::with_labels(subset, pods);
                Some(Endpoints::of_service(view, *port, slices, &subset))
            }
        }
    }
}

fn hold<T: Keyed>(held: &mut Held<T>, change: Change<T>) {
    match change {
        Change::Listed(listed) => {
            let listed = listed.into_iter();
            *held = Some(listed.map(|it| (it.key().to_owned(), it)).collect());
        }
        Change::Applied(it) => {
            let held = held.get_or_insert_default();
            held.insert(it.key().to_owned(), it);
        }
        Change::Deleted(it) => {
            held.get_or_insert_default().remove(it.key());
        }
    }
}

#[cfg(test)]
mod tests;
