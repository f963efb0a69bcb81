//! `BackendRef`: the service that requests or copies go to.

use mirror_core::destination::{Labels, ServiceRef, is_object_name};

use crate::config::{
    draft::Backend,
    error::BadField,
    node::{Fields, Node},
    object::Object,
};

/// Takes what names a backend; `None`, and reported, if it is none that has pods. Whether the route may
/// name it is for others to say.
pub(super) fn read(
    node: &Node<'_>,
    fields: &mut Fields<'_>,
    route: &Object<'_>,
) -> Result<Option<Backend>, BadField> {
    let group = fields.take("group");
    let kind = fields.take("kind");
    let name = fields.need("name")?;
    let namespace = fields.take("namespace");
    let port = fields.take("port").map(|node| node.port()).transpose()?;
    let group = group.as_ref().map_or(Ok(""), Node::str)?;
    let kind = kind.as_ref().map_or(Ok("Service"), Node::str)?;
    if !matches!(group, "" | "core") || kind != "Service" {
        node.ignore(&format!("is a {kind}; only a Service has pods to be told"));
        return Ok(None);
    }
    for part in [Some(&name), namespace.as_ref()].into_iter().flatten() {
        if !is_object_name(part.str()?) {
            return Err(part.bad("is no name of a service or namespace"));
        }
    }
    let namespace = namespace
        .as_ref()
        .map_or(Ok(route.namespace.as_str()), Node::str)?;
    let Some(port) = port else {
        return Err(BadField::new(&fields.path_of("port"), "is missing"));
    };
    let service = ServiceRef {
        namespace: namespace.to_owned(),
        name: name.text()?,
    };
    Ok(Some(Backend {
        service,
        port: Some(port),
        subset: Labels::new(),
    }))
}
