//! Which pods a subset is: the labels that `DestinationRule`s give to names.

use std::collections::BTreeMap;

use mirror_core::destination::{Labels, ServiceRef};

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
    labels: BTreeMap<(String, ServiceRef, String), Labels>,
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
        fields.ignore("exportTo", "it is seen from every namespace");
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
                    self.labels.entry(key).or_insert(labels);
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
            .find_map(|namespace| {
                let key = (namespace.to_owned(), service.clone(), subset.to_owned());
                self.labels.get(&key)
            })
    }
}

fn read_labels(node: &Node<'_>) -> Result<Labels, BadField> {
    let entries = node.entries()?;
    entries
        .map(|(key, value)| Ok((key.to_owned(), value.text()?)))
        .collect()
}
