//! The configuration that the cluster has, as much of it as there is room for.
//!
//! Each namespace has a bounded part of a bounded whole, so that nobody's documents cost others theirs:
//! where the whole is used up, who has most of it gives way. What finds no room is remembered by name
//! and told as refused; when room is made, the kind is listed again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    document::{Content, Document, DocumentKind},
    shares::{Room, Shares},
    tell::Identity,
    watch::Change,
};
use crate::config::Reason;

/// Memory for the documents of all namespaces, 32 MiB.
const WHOLE: usize = 32 << 20;

/// The most of it for one namespace.
const PART: usize = 4 << 20;

/// All configuration that is there and may have to do with mirroring.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllDocuments {
    /// One JSON object for each, by kind and name.
    pub held: Vec<Arc<Value>>,
    /// What there was no room for.
    pub left_out: Vec<LeftOut>,
}

/// A document that is not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The namespace of the document.
    pub namespace: String,
    /// The document's kind, namespace and name: `VirtualService default/web`.
    pub title: String,
    /// Which object it is.
    pub identity: Identity,
    /// [`Size`](Reason::Size) or [`Quota`](Reason::Quota).
    pub reason: Reason,
}

/// The documents of the cluster, by kind.
#[derive(Debug)]
pub(super) struct Documents {
    kinds: BTreeMap<DocumentKind, Kind>,
    shares: Shares,
    news: bool,
    hungry: BTreeSet<DocumentKind>,
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            kinds: BTreeMap::new(),
            shares: Shares::new(WHOLE, PART),
            news: false,
            hungry: BTreeSet::new(),
        }
    }
}

#[derive(Debug, Default)]
struct Kind {
    /// Whether it has been listed, or can't be had.
    known: bool,
    documents: BTreeMap<String, Entry>,
    listing: bool,
    /// What a list that is under way has not spoken of.
    unseen: BTreeSet<String>,
}

#[derive(Debug, PartialEq)]
struct Entry {
    namespace: String,
    identity: Box<Identity>,
    weight: usize,
    content: Result<Arc<Value>, Reason>,
}

impl Documents {
    /// Takes in what a watch says.
    pub(super) fn on_change(&mut self, kind: DocumentKind, change: Change<Document>) {
        match change {
            Change::ListBegins => {
                let of_kind = self.kinds.entry(kind).or_default();
                of_kind.listing = true;
                of_kind.unseen = of_kind.documents.keys().cloned().collect();
            }
            Change::Found(document) => self.put(kind, document),
            Change::Listed(documents) => {
                if !self.kinds.get(&kind).is_some_and(|it| it.listing) {
                    self.on_change(kind, Change::ListBegins);
                }
                for document in documents {
                    self.put(kind, document);
                }
                let of_kind = self.kinds.entry(kind).or_default();
                let gone = std::mem::take(&mut of_kind.unseen);
                self.news |= !of_kind.known;
                of_kind.known = true;
                of_kind.listing = false;
                for key in gone {
                    self.remove(kind, &key);
                }
            }
            Change::Applied(document) => {
                self.put(kind, document);
                self.kinds.entry(kind).or_default().known = true;
            }
            Change::Deleted(document) => {
                self.remove(kind, &document.key);
                self.kinds.entry(kind).or_default().known = true;
            }
        }
    }

    /// A kind can't be had for now.
    pub(super) fn go_without(&mut self, kind: DocumentKind) {
        let of_kind = self.kinds.entry(kind).or_default();
        self.news |= !of_kind.known;
        of_kind.known = true;
    }

    /// Forgets kinds that are not needed.
    pub(super) fn retain(&mut self, needed: impl Fn(DocumentKind) -> bool) {
        let kinds: Vec<_> = self.kinds.keys().copied().collect();
        for kind in kinds.into_iter().filter(|kind| !needed(*kind)) {
            let of_kind = self.kinds.remove(&kind).unwrap_or_default();
            for entry in of_kind.documents.into_values() {
                self.shares.give_back(&entry.namespace, entry.weight);
            }
        }
    }

    /// Whether something has changed since all was taken.
    pub(super) const fn are_new(&self) -> bool {
        self.news
    }

    /// All of them, once every kind is known.
    pub(super) fn take(&mut self) -> Option<AllDocuments> {
        self.news = false;
        let mut all = AllDocuments::default();
        for kind in DocumentKind::ALL {
            let of_kind = self.kinds.get(&kind).filter(|it| it.known)?;
            for (key, entry) in &of_kind.documents {
                match &entry.content {
                    Ok(value) => all.held.push(Arc::clone(value)),
                    Err(reason) => all.left_out.push(LeftOut {
                        namespace: entry.namespace.clone(),
                        title: format!("{} {key}", kind.kind()),
                        identity: Identity::clone(&entry.identity),
                        reason: *reason,
                    }),
                }
            }
        }
        Some(all)
    }

    /// The kinds of which something may have room by now.
    pub(super) fn take_hungry(&mut self) -> BTreeSet<DocumentKind> {
        std::mem::take(&mut self.hungry)
    }

    fn put(&mut self, kind: DocumentKind, document: Document) {
        let Document {
            key,
            namespace,
            identity,
            content,
        } = document;
        let of_kind = self.kinds.entry(kind).or_default();
        of_kind.unseen.remove(&key);
        let (value, weight) = match content {
            Content::Nothing => return self.remove(kind, &key),
            Content::TooLarge => (Err(Reason::Size), 0),
            Content::Some(value, weight) => {
                let before = of_kind.documents.get(&key);
                let before = before.and_then(|entry| entry.content.as_ref().ok());
                // What changes nothing that is kept is no news: its status may have changed.
                if before.is_some_and(|before| **before == value) {
                    return;
                }
                (Ok(Arc::new(value)), weight)
            }
        };
        let before = of_kind.documents.remove(&key);
        if let Some(before) = &before {
            self.shares.give_back(&before.namespace, before.weight);
        }
        let content = match value {
            Ok(value) if self.take_room(&namespace, weight) => Ok(value),
            Ok(_) => Err(Reason::Quota),
            Err(reason) => Err(reason),
        };
        let entry = Entry {
            namespace,
            identity,
            weight: if content.is_ok() { weight } else { 0 },
            content,
        };
        self.news |= before.as_ref() != Some(&entry);
        if before.is_some_and(|before| before.weight > entry.weight) {
            self.look_for_hungry(&entry.namespace);
        }
        let of_kind = self.kinds.entry(kind).or_default();
        of_kind.documents.insert(key, entry);
    }

    fn remove(&mut self, kind: DocumentKind, key: &str) {
        let of_kind = self.kinds.entry(kind).or_default();
        if let Some(entry) = of_kind.documents.remove(key) {
            self.news = true;
            self.shares.give_back(&entry.namespace, entry.weight);
            if entry.weight > 0 {
                self.look_for_hungry(&entry.namespace);
            }
        }
    }

    /// Room was made, in this namespace's part and in the whole.
    fn look_for_hungry(&mut self, namespace: &str) {
        let was_full = self.shares.sum() > WHOLE / 2;
        for (kind, of_kind) in &self.kinds {
            let waits = |entry: &Entry| {
                entry.content == Err(Reason::Quota) && (was_full || entry.namespace == namespace)
            };
            if of_kind.documents.values().any(waits) {
                self.hungry.insert(*kind);
            }
        }
    }

    fn take_room(&mut self, namespace: &str, weight: usize) -> bool {
        loop {
            match self.shares.room(namespace, weight) {
                Room::Enough => break,
                Room::After(greediest) if self.take_from(&greediest) => {}
                Room::After(_) | Room::None => return false,
            }
        }
        self.shares.take(namespace, weight);
        true
    }

    /// Leaves out the last of a namespace's documents; says whether there was one.
    fn take_from(&mut self, namespace: &str) -> bool {
        let entries = self.kinds.values_mut().rev();
        let mut entries = entries.flat_map(|of_kind| of_kind.documents.values_mut().rev());
        let last = entries.find(|entry| entry.namespace == namespace && entry.weight > 0);
        let Some(last) = last else {
            return false;
        };
        let freed = std::mem::take(&mut last.weight);
        last.content = Err(Reason::Quota);
        self.news = true;
        self.shares.give_back(namespace, freed);
        true
    }
}

#[cfg(test)]
mod tests;
