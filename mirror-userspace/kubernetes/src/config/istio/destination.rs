//! `Destination`: a host, a subset of it, and a port.

use mirror_core::destination::{Destination, TargetUrl};

use super::{
    Subsets,
    host::{Named, resolve},
};
use crate::config::{draft::Backend, error::BadField, node::Node};

/// Where requests or copies go.
#[derive(Debug)]
pub(super) enum Referent {
    /// Pods of a service.
    Pods(Backend),
    /// A URL outside the cluster's services.
    Elsewhere(TargetUrl),
    /// It cannot be told; the field that is to blame is reported.
    Unknown,
}

/// Reads a destination of a document in `namespace`.
pub(super) fn read(
    node: &Node<'_>,
    namespace: &str,
    subsets: &Subsets,
) -> Result<Referent, BadField> {
    let mut fields = node.fields()?;
    let host = fields.need("host")?;
    let subset = fields.take("subset").filter(|node| node.str() != Ok(""));
    let port = match fields.take("port") {
        Some(node) => {
            let mut fields = node.fields()?;
            let port = fields.need("number")?.port()?;
            fields.finish();
            Some(port)
        }
        None => None,
    };
    fields.finish();
    let service = match resolve(&host, namespace)? {
        Named::Service(service) => service,
        Named::Other(name) => {
            if let Some(subset) = subset {
                subset.ignore("only a service of the cluster has subsets");
                return Ok(Referent::Unknown);
            }
            let authority = format!("http://{name}:{}", port.unwrap_or(80));
            let url = authority.parse().map_err(|bad| host.bad(bad))?;
            return Ok(Referent::Elsewhere(url));
        }
    };
    let labels = match &subset {
        None => Default::default(),
        Some(node) => match subsets.get(namespace, &service, node.str()?) {
            Some(labels) => labels.clone(),
            None => {
                node.ignore(&format!(
                    "no DestinationRule says which pods of {service} it is"
                ));
                return Ok(Referent::Unknown);
            }
        },
    };
    Ok(Referent::Pods(Backend {
        service,
        port,
        subset: labels,
    }))
}

impl Referent {
    /// As the destination of copies.
    pub(super) fn into_destination(self) -> Option<Destination> {
        match self {
            Self::Pods(backend) => Some(backend.into()),
            Self::Elsewhere(url) => Some(Destination::Url(url)),
            Self::Unknown => None,
        }
    }
}
