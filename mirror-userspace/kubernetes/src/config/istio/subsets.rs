//! Which pods a subset is: the labels that `DestinationRule`s give to names.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mirror_core::destination::{Labels, ServiceRef, is_label_key, is_label_value};

use super::host::{Named, resolve};
use crate::config::{
    error::BadField,
    node::{Node, Remarks},
    object::Object,
};

/// Where Istio keeps what holds for the whole mesh, unless it is told otherwise.
const ROOT_NAMESPACE: &str = "istio-system";
const TRAFFIC_POLICY: &str = "is about how v1 is reached; copies are sent by podmirror's own flags";

/// The subsets of all documents.
#[derive(Debug, Default)]
pub(in crate::config) struct Subsets {
    /// By the document's namespace, the service and the subset's name.
    labels: BTreeMap<(String, ServiceRef, String), Subset>,
}

#[derive(Debug)]
struct Subset {
    labels: Labels,
    /// The namespaces that see it; `None` for all.
    seen_from: Option<Arc<BTreeSet<String>>>,
}

impl Subsets {
    /// Reads a `DestinationRule`. If it is refused, none of its subsets counts.
    pub(in crate::config) fn add(
        &mut self,
        object: &Object<'_>,
        remarks: &Remarks,
    ) -> Result<(), BadField> {
        let spec = object.spec(remarks);
        let mut fields = spec.fields()?;
        let host = fields.need("host")?;
        fields.ignore("trafficPolicy", TRAFFIC_POLICY);
        let seen_from = match fields.take("exportTo") {
            Some(node) => read_export(&node, &object.namespace)?,
            None => None,
        };
        fields.ignore("workloadSelector", "it holds for every client");
        let subsets = fields.list("subsets")?;
        fields.finish();
        if host.str()?.starts_with('*') {
            host.ignore("subsets of a wildcard are those of no service");
            return Ok(());
        }
        let named = resolve(&host, &object.namespace)?;
        let mut read = BTreeMap::new();
        for subset in subsets {
            let mut fields = subset.fields()?;
            let name = fields.need("name")?;
            let labels = match fields.take("labels") {
                Some(node) => read_labels(&node)?,
                None => Labels::new(),
            };
            fields.ignore("trafficPolicy", TRAFFIC_POLICY);
            fields.finish();
            if read.insert(name.text()?, labels).is_some() {
                return Err(name.bad("is there twice"));
            }
        }
        match named {
            Named::Other(_) => host.ignore("is no service of this cluster"),
            Named::Service(service) => {
                for (name, labels) in read {
                    let key = (object.namespace.clone(), service.clone(), name);
                    // Of two documents Istio takes the older one; here it is the first.
                    self.labels.entry(key).or_insert_with(|| Subset {
                        labels,
                        seen_from: seen_from.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The labels of a subset as a document of this namespace sees it: its own namespace's rules
    /// come first, then those of the service's, then those of the mesh.
    pub(super) fn get(
        &self,
        namespace: &str,
        service: &ServiceRef,
        subset: &str,
    ) -> Option<&Labels> {
        [namespace, &service.namespace, ROOT_NAMESPACE]
            .into_iter()
            .find_map(|place| {
                let key = (place.to_owned(), service.clone(), subset.to_owned());
                let found = self.labels.get(&key)?;
                let seen = found.seen_from.as_ref();
                seen.is_none_or(|seen| seen.contains(namespace))
                    .then_some(&found.labels)
            })
    }
}

fn read_labels(node: &Node<'_>) -> Result<Labels, BadField> {
    let entries = node.entries()?;
    entries
        .map(|(key, value)| {
            // They become a selector that the API is asked with.
            if is_label_key(key) && is_label_value(value.str()?) {
                Ok((key.to_owned(), value.text()?))
            } else {
                Err(value.bad("is no label"))
            }
        })
        .collect()
}

/// The namespaces that see a document; `None` for all, as when it does not say.
fn read_export(node: &Node<'_>, own: &str) -> Result<Option<Arc<BTreeSet<String>>>, BadField> {
    let names = node.strings()?;
    if names.is_empty() || names.contains(&"*") {
        return Ok(None);
    }
    let seen = names.into_iter().map(|name| match name {
        "." => own.to_owned(),
        name => name.to_owned(),
    });
    Ok(Some(Arc::new(seen.collect())))
}
