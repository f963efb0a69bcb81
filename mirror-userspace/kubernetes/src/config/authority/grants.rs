//! `ReferenceGrant`: who may refer to services of another namespace.
//!
//! The Gateway API knows it for routes of its own; here a `VirtualService` may be named, too.

use std::collections::BTreeSet;

use mirror_core::destination::ServiceRef;

use crate::config::{
    error::BadField,
    node::{Node, Remarks},
    object::{Kind, Object},
};

/// What all grants together allow.
#[derive(Debug, Default)]
pub(in crate::config) struct Grants {
    allowed: BTreeSet<Grant>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    /// The kind that refers.
    from_kind: Kind,
    from_namespace: String,
    to_namespace: String,
    /// One service; `None` stands for all of the namespace.
    to_name: Option<String>,
}

impl Grants {
    /// Reads a `ReferenceGrant`. If it is refused, nothing of it counts.
    pub(in crate::config) fn add(
        &mut self,
        object: &Object<'_>,
        remarks: &Remarks,
    ) -> Result<(), BadField> {
        let mut fields = object.spec(remarks).fields()?;
        let mut from = Vec::new();
        for node in fields.need("from")?.items()? {
            from.extend(read_from(&node)?);
        }
        let mut to = Vec::new();
        for node in fields.need("to")?.items()? {
            to.extend(read_to(&node)?);
        }
        fields.finish();
        for (kind, namespace) in &from {
            for name in &to {
                self.allowed.insert(Grant {
                    from_kind: *kind,
                    from_namespace: namespace.clone(),
                    to_namespace: object.namespace.clone(),
                    to_name: name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Whether a document of this kind and namespace may refer to a service of another one.
    pub(super) fn allow(&self, kind: Kind, namespace: &str, service: &ServiceRef) -> bool {
        let granted = |name: Option<&String>| {
            self.allowed.contains(&Grant {
                from_kind: kind,
                from_namespace: namespace.to_owned(),
                to_namespace: service.namespace.clone(),
                to_name: name.cloned(),
            })
        };
        granted(None) || granted(Some(&service.name))
    }
}

/// The kind and namespace of who may refer, if it is a kind that refers to services.
fn read_from(node: &Node<'_>) -> Result<Option<(Kind, String)>, BadField> {
    let mut fields = node.fields()?;
    let group = fields.need("group")?.str()?;
    let kind = fields.need("kind")?.str()?;
    let namespace = fields.need("namespace")?.text()?;
    fields.finish();
    Ok(Kind::find(group, kind).map(|kind| (kind, namespace)))
}

/// The name of what may be referred to (`None`: any), if it is a service.
fn read_to(node: &Node<'_>) -> Result<Option<Option<String>>, BadField> {
    let mut fields = node.fields()?;
    let group = fields.need("group")?.str()?;
    let kind = fields.need("kind")?.str()?;
    let name = fields.take("name").map(|node| node.text()).transpose()?;
    fields.finish();
    let is_service = group.is_empty() && kind == "Service";
    Ok(is_service.then_some(name.filter(|name| !name.is_empty())))
}
