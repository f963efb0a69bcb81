//! What a host in an Istio document names.

use mirror_core::destination::{ServiceRef, TargetUrl, is_object_name};

use crate::config::{error::BadField, node::Node};

/// A host, resolved as Istio does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A service of the cluster.
    Service(ServiceRef),
    /// A name or address that is no service of the cluster, as far as its form says.
    Other(String),
}

/// Resolves a host. A name without dots is a service in the document's own namespace, not in that of
/// whoever it is about; `NAME.NAMESPACE.svc` and whatever domain follows is a service, too.
pub(super) fn resolve(node: &Node<'_>, namespace: &str) -> Result<Named, BadField> {
    let host = node.str()?;
    let labels: Vec<&str> = host.split('.').collect();
    let service = |name: &str, namespace: &str| {
        is_object_name(name).then(|| {
            Named::Service(ServiceRef {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        })
    };
    let named = match labels.as_slice() {
        [name] => service(name, namespace),
        [name, namespace, "svc", ..] if is_object_name(namespace) => service(name, namespace),
        _ => None,
    };
    if let Some(named) = named {
        return Ok(named);
    }
    match format!("http://{host}").parse::<TargetUrl>() {
        Ok(_) if !host.contains([':', '/']) => Ok(Named::Other(host.to_owned())),
        _ => Err(node.bad(format!("\"{}\" is no host", host.escape_debug()))),
    }
}
