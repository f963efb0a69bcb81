//! What the watches have reported of the cluster, and what follows from it. No I/O and no clock.
//!
//! Nothing is concluded from partial knowledge: a destination has no addresses until everything they
//! depend on has been listed, and configuration is not read until all of its kinds have been. After that,
//! the last report stays true until a watch reports otherwise; a failing watch reports nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mirror_core::destination::{Destination, Origin, ServiceRef};

use super::{
    aim::Aim,
    document::DocumentKind,
    documents::{AllDocuments, Documents},
    endpoints::{BackendPod, Endpoints, SliceView, Subset},
    event::Event,
    portion::Portion,
    selection::is_source,
    service::ServiceView,
    watch::{Change, Changed, Needs, Slot, Update},
};
use crate::{config::Consent, plan::Source};

/// Objects by key; `None` until they are listed.
type Held<T> = Option<BTreeMap<String, T>>;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    needs: Needs,
    services: HashMap<Slot, Held<ServiceView>>,
    slices: HashMap<Slot, Held<SliceView>>,
    backends: HashMap<Slot, Held<BackendPod>>,
    documents: Documents,
    consent: Consent,
    /// What was last said of each destination.
    told: HashMap<Aim, Endpoints>,
    /// The name of this node.
    node: String,
    /// What was last said of each source.
    portions: HashMap<Source, Portion>,
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
    /// Nothing, on the node of this name.
    pub(super) fn of_node(node: String) -> Self {
        Self {
            node,
            ..Self::default()
        }
    }

    /// Sets what is needed. What is no longer needed is forgotten.
    pub(super) fn need(&mut self, needs: Needs, slots: &[&Slot]) -> Vec<Update> {
        self.services.retain(|slot, _| slots.contains(&slot));
        self.slices.retain(|slot, _| slots.contains(&slot));
        self.backends.retain(|slot, _| slots.contains(&slot));
        let needed = |kind: DocumentKind| slots.contains(&&Slot::Documents(kind));
        self.documents.retain(needed);
        self.told.retain(|it, _| needs.destinations.contains(it));
        self.portions.retain(|it, _| needs.capped.contains(it));

        let before = std::mem::replace(&mut self.needs, needs);
        let mut updates = Vec::new();
        for service in self.needs.source_services() {
            if !before.is_source(service) {
                updates.extend(self.told_of(service));
            }
        }
        self.tell_portions(None, &mut updates);
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
                Change::ListBegins | Change::Found(_) => return updates,
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
                self.tell_portions(Some(slot), &mut updates);
                self.tell_addresses(&mut updates);
            }
            Changed::Backends(change) => {
                hold(self.backends.entry(slot.clone()).or_default(), change);
                self.tell_portions(Some(slot), &mut updates);
                self.tell_addresses(&mut updates);
            }
            Changed::Documents(change) => {
                if let Slot::Documents(kind) = slot {
                    self.documents.on_change(*kind, change);
                }
            }
        }
        updates
    }

    /// A kind of configuration can't be had for now; others are read without it.
    pub(super) fn go_without(&mut self, slot: &Slot) {
        if let Slot::Documents(kind) = slot {
            self.documents.go_without(*kind);
        }
    }

    /// Whether configuration has changed since it was taken.
    pub(super) fn has_new_documents(&self) -> bool {
        self.documents.are_new()
    }

    /// The configuration that is there, by kind and name, once every kind is known.
    pub(super) fn take_documents(&mut self) -> Option<AllDocuments> {
        self.documents.take()
    }

    /// The kinds of which something may have room by now that had none before.
    pub(super) fn take_hungry(&mut self) -> BTreeSet<DocumentKind> {
        self.documents.take_hungry()
    }

    pub(super) fn set_consent(&mut self, consent: Consent) {
        self.consent = consent;
    }

    /// What was last said of the destinations.
    pub(super) fn destinations(&self) -> impl Iterator<Item = (&Aim, &Endpoints)> {
        self.told.iter()
    }

    /// What was last said of a destination.
    pub(super) fn destination(&self, destination: &Aim) -> Option<&Endpoints> {
        self.told.get(destination)
    }

    /// The services that rules mirror and that a change is about: a list is about all of its
    /// namespace.
    fn spoken_of(&self, slot: &Slot, change: &Change<ServiceView>) -> Vec<ServiceRef> {
        let sources = self.needs.source_services();
        let about = sources.filter(|service| match change {
            Change::Listed(_) | Change::ListBegins | Change::Found(_) => {
                *slot == Slot::Services(service.namespace.clone())
            }
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

    /// Reports the portion of each source whose portion has changed: of those only that this watch says something of,
    /// if it was one.
    fn tell_portions(&mut self, changed: Option<&Slot>, updates: &mut Vec<Update>) {
        for source in &self.needs.capped {
            if changed.is_some_and(|slot| !slot.tells_portion(source)) {
                continue;
            }
            let Some(portion) = self.portion(source) else {
                continue;
            };
            if self.portions.get(source) != Some(&portion) {
                updates.push(Update::Portion(source.clone(), portion));
                self.portions.insert(source.clone(), portion);
            }
        }
    }

    /// Which part of a source's pods is on this node.
    fn portion(&self, source: &Source) -> Option<Portion> {
        let pods = match Slot::peers(source) {
            Some(slot) => Some(self.backends.get(&slot)?.as_ref()?),
            None => None,
        };
        let pods = pods.into_iter().flat_map(BTreeMap::values);
        match source {
            Source::Pods { selector, .. } => Some(Portion::of_pods(pods, selector, &self.node)),
            Source::Service {
                service, subset, ..
            } => {
                let slot = Slot::Slices(service.namespace.clone());
                let slices = self.slices.get(&slot)?.as_ref()?.values();
                let subset = Subset::with_labels(subset, pods);
                let name = &service.name;
                Some(Portion::of_slices(slices, name, &subset, &self.node))
            }
        }
    }

    /// Those of a destination but for the pods whose requests it would get copies of.
    fn endpoints(&self, aim: &Aim) -> Option<Endpoints> {
        let all = self.all_endpoints(aim)?;
        let Some(source) = &aim.source else {
            return Some(all);
        };
        let namespace = match &aim.destination {
            Destination::Url(_) => return Some(all),
            Destination::Pods { namespace, .. } => namespace,
            Destination::Service { service, .. } => &service.namespace,
        };
        let service = match source {
            Source::Service { service, .. } if service.namespace == *namespace => {
                self.listed_services(service)?.get(&service.name)
            }
            _ => None,
        };
        let slots = [Slot::backends(aim), Slot::sources(aim)];
        let mut pods = Vec::new();
        for slot in slots.iter().flatten() {
            pods.extend(self.backends.get(slot)?.as_ref()?.values());
        }
        pods.retain(|pod| is_source(source, service, namespace, &pod.labels));
        Some(all.without(pods))
    }

    fn all_endpoints(&self, aim: &Aim) -> Option<Endpoints> {
        let pods = match Slot::backends(aim) {
            Some(slot) => Some(self.backends.get(&slot)?.as_ref()?),
            None => None,
        };
        let pods = pods.into_iter().flat_map(BTreeMap::values);
        match &aim.destination {
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
                let subset = match aim.origin {
                    Origin::Operator => Subset::with_labels(subset, pods),
                    Origin::Document => Subset::proven(subset, pods, &self.consent),
                };
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
        // Only configuration is told one by one while it is listed.
        Change::ListBegins | Change::Found(_) => {}
    }
}

#[cfg(test)]
mod tests;
