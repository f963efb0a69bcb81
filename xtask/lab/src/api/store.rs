//! The objects, and what happened to them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{request::Request, selector::selects};

/// The kinds that every cluster has and podmirror reads.
pub(super) const BUILT_IN: [&str; 4] = [
    "/api/v1/namespaces",
    "/api/v1/pods",
    "/api/v1/services",
    "/apis/discovery.k8s.io/v1/endpointslices",
];

/// Where an object is stored: collection, namespace, name.
type Key = (String, String, String);

/// All objects, and all changes since the last [`expire`](Store::expire).
#[derive(Debug, Default)]
pub(super) struct Store {
    served: BTreeSet<String>,
    objects: BTreeMap<Key, Value>,
    changes: Vec<Change>,
    version: u64,
    /// Changes up to this version are forgotten.
    oldest: u64,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    key: Key,
    before: Option<Value>,
    after: Option<Value>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    collection: String,
    namespace: Option<String>,
    pub(super) name: Option<String>,
    /// Whether it is the object's status alone.
    pub(super) status: bool,
}

impl Store {
    pub(super) fn serve(&mut self, collection: &str) {
        self.served.insert(collection.to_owned());
    }

    pub(super) fn apply(&mut self, collection: &str, mut object: Value) {
        self.version += 1;
        set_version(&mut object, self.version);
        let metadata = object.get("metadata");
        let text = |field: &str| metadata?.get(field)?.as_str();
        let key = (
            collection.to_owned(),
            text("namespace").unwrap_or_default().to_owned(),
            text("name").unwrap_or_default().to_owned(),
        );
        let before = self.objects.remove(&key);
        // Who applies an object says nothing of its status, which others write.
        if let (Some(status), None) = (
            before.as_ref().and_then(|before| before.get("status")),
            object.get("status"),
        ) {
            let status = status.clone();
            if let Some(object) = object.as_object_mut() {
                object.insert("status".to_owned(), status);
            }
        }
        self.objects.insert(key.clone(), object.clone());
        self.record(key, before, Some(object));
    }

    pub(super) fn delete(&mut self, collection: &str, namespace: &str, name: &str) {
        let key = [collection, namespace, name].map(str::to_owned).into();
        if let Some(before) = self.objects.remove(&key) {
            self.version += 1;
            self.record(key, Some(before), None);
        }
    }

    fn record(&mut self, key: Key, before: Option<Value>, after: Option<Value>) {
        self.changes.push(Change {
            version: self.version,
            key,
            before,
            after,
        });
    }

    pub(super) fn expire(&mut self) {
        self.version += 1;
        self.oldest = self.version;
        self.changes.clear();
    }

    /// Reads `/api/v1/[namespaces/NS/]pods[/NAME]`; `None` if the kind is not served.
    pub(super) fn locate(&self, path: &str) -> Option<Resource> {
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let group = if parts.first() == Some(&"api") { 2 } else { 3 };
        let (group, rest) = parts.split_at_checked(group)?;
        let (rest, status) = match rest {
            [rest @ .., "status"] if rest.len() > 1 => (rest, true),
            rest => (rest, false),
        };
        let (namespace, kind, name) = match rest {
            ["namespaces", namespace, kind] => (Some(*namespace), kind, None),
            ["namespaces", namespace, kind, name] => (Some(*namespace), kind, Some(*name)),
            [kind] => (None, kind, None),
            [kind, name] => (None, kind, Some(*name)),
            _ => return None,
        };
        let place = Resource {
            collection: format!("/{}/{kind}", group.join("/")),
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            status,
        };
        self.served.contains(&place.collection).then_some(place)
    }

    pub(super) fn list(&self, place: &Resource, request: &Request) -> Value {
        let inside = self.objects.iter().filter(|(key, _)| place.holds(key));
        let selected = inside.filter(|(_, object)| selects(request, object));
        // In pages, as a client asks for: the token is how many came before.
        let number = |name| request.parameter(name)?.parse::<usize>().ok();
        let (from, limit) = (number("continue").unwrap_or_default(), number("limit"));
        let mut left = selected.skip(from).map(|(_, object)| object);
        let items: Vec<_> = left
            .by_ref()
            .take(limit.unwrap_or(usize::MAX))
            .cloned()
            .collect();
        let next = left.next().map(|_| (from + items.len()).to_string());
        json!({
            "kind": "List",
            "apiVersion": "v1",
            "metadata": {
                "resourceVersion": self.version.to_string(),
                "continue": next.unwrap_or_default(),
            },
            "items": items,
        })
    }

    pub(super) fn object(&self, collection: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = [collection, namespace, name].map(str::to_owned).into();
        self.objects.get(&key).cloned()
    }

    pub(super) fn all(&self, collection: &str) -> Vec<Value> {
        let all = self.objects.iter();
        let own = all.filter(|((of, ..), _)| of == collection);
        own.map(|(_, object)| object.clone()).collect()
    }

    pub(super) fn get(&self, place: &Resource, name: &str) -> Option<Value> {
        let namespace = place.namespace.clone().unwrap_or_default();
        let key = (place.collection.clone(), namespace, name.to_owned());
        self.objects.get(&key).cloned()
    }

    /// What happened after this version; `None` if that is forgotten.
    pub(super) fn since(&self, version: u64) -> Option<Vec<Change>> {
        let later = self
            .changes
            .iter()
            .filter(|change| change.version > version);
        (version >= self.oldest).then(|| later.cloned().collect())
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}

impl Resource {
    pub(super) fn collection(&self) -> &str {
        &self.collection
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    fn holds(&self, (collection, namespace, _): &Key) -> bool {
        let mut wanted = self.namespace.iter();
        *collection == self.collection && wanted.all(|wanted| wanted == namespace)
    }
}

impl Change {
    /// What a watch is told of it: one that left its selector is deleted, as far as it knows.
    pub(super) fn told_to(&self, place: &Resource, request: &Request) -> Option<Value> {
        let visible = |object: &&Value| place.holds(&self.key) && selects(request, object);
        let before = self.before.as_ref().filter(visible);
        let after = self.after.as_ref().filter(visible);
        let (kind, object) = match (before, after) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", self.after.as_ref().unwrap_or(before)),
        };
        let mut object = object.clone();
        set_version(&mut object, self.version);
        Some(json!({"type": kind, "object": object}))
    }
}

fn set_version(object: &mut Value, version: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
    }
}
