//! Which object a document is: its kind, by API group and version, and its name.

use mirror_core::destination::{Labels, ServiceRef, is_object_name, is_subdomain};
use serde_json::Value;

use super::{
    at::At,
    error::{BadField, ConfigError},
    node::{Node, Remarks},
    text::Document,
};

const ISTIO: &str = "networking.istio.io";
const GATEWAY: &str = "gateway.networking.k8s.io";
const OWN: &str = "podmirror.io";

/// The kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    VirtualService,
    DestinationRule,
    HttpRoute,
    GrpcRoute,
    ReferenceGrant,
    TrafficMirror,
}

impl Kind {
    /// Their groups, names and versions.
    const ALL: [(Self, &str, &str, &[&str]); 6] = [
        (
            Self::VirtualService,
            ISTIO,
            "VirtualService",
            &["v1", "v1beta1", "v1alpha3"],
        ),
        (
            Self::DestinationRule,
            ISTIO,
            "DestinationRule",
            &["v1", "v1beta1", "v1alpha3"],
        ),
        (Self::HttpRoute, GATEWAY, "HTTPRoute", &["v1", "v1beta1"]),
        (Self::GrpcRoute, GATEWAY, "GRPCRoute", &["v1", "v1alpha2"]),
        (
            Self::ReferenceGrant,
            GATEWAY,
            "ReferenceGrant",
            &["v1", "v1beta1", "v1alpha2"],
        ),
        (Self::TrafficMirror, OWN, "TrafficMirror", &["v1alpha1"]),
    ];

    /// The kind of this group and name.
    pub(super) fn find(group: &str, name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.1 == group && known.2 == name)
            .map(|(kind, ..)| kind)
    }

    /// Whether it says what is mirrored; the others only say something about it.
    pub(super) const fn is_route(self) -> bool {
        matches!(
            self,
            Self::VirtualService | Self::HttpRoute | Self::GrpcRoute | Self::TrafficMirror
        )
    }

    pub(super) fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(kind, ..)| *kind == self);
        found.map_or("", |(_, _, name, _)| name)
    }
}

/// An object of a kind that is read.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    /// The document's kind, namespace and name: `VirtualService default/web`.
    pub(super) title: String,
    /// The title and where it comes from, for people.
    pub(super) document: String,
    pub(super) spec: &'a Value,
}

impl<'a> Object<'a> {
    /// Where its fields are read from.
    pub(super) fn spec(&self, remarks: &'a Remarks) -> Node<'a> {
        Node::at("spec", self.spec, remarks)
    }

    /// Its field at this path.
    pub(super) fn field(&self, path: String) -> At {
        At {
            document: self.document.clone(),
            namespace: self.namespace.clone(),
            path,
        }
    }
}

/// What a document turned out to be.
#[derive(Debug)]
pub(super) enum Identity<'a> {
    Known(Object<'a>),
    /// A service, with the labels that it selects pods by.
    Service(ServiceRef, Labels),
    /// Of another kind, with the reason for not reading it.
    Other(String),
}

/// Says which object a document is. Without a namespace it is in `default`, as for kubectl.
pub(super) fn identify(document: &Document) -> Result<Identity<'_>, ConfigError> {
    let remarks = Remarks::default();
    let read = || -> Result<Identity<'_>, BadField> {
        let mut fields = Node::at("", &document.value, &remarks).fields()?;
        let version = fields.need("apiVersion")?;
        let kind = fields.need("kind")?.str()?;
        let (group, short) = version.str()?.split_once('/').unwrap_or(("", ""));
        let known = Kind::ALL
            .iter()
            .find(|known| known.1 == group && known.2 == kind);
        let Some((known, _, _, versions)) = known else {
            if let Some((service, selector)) = service_of(&document.value) {
                return Ok(Identity::Service(service, selector));
            }
            return Ok(Identity::Other(format!("{kind} is not read")));
        };
        if !versions.contains(&short) {
            let versions = versions.join(", ");
            return Err(version.bad(format!("is not read; accepted: {group}/ and {versions}")));
        }
        let mut metadata = fields.need("metadata")?.fields()?;
        let name = metadata.need("name")?;
        let namespace = metadata.take("namespace");
        for node in namespace.iter() {
            if !is_object_name(node.str()?) {
                return Err(node.bad("is no namespace"));
            }
        }
        let namespace = namespace.map_or(Ok("default"), |node| node.str())?;
        if !is_subdomain(name.str()?) {
            return Err(name.bad("is no name of an object"));
        }
        let title = format!("{} {namespace}/{}", known.name(), name.str()?);
        Ok(Identity::Known(Object {
            kind: *known,
            namespace: namespace.to_owned(),
            document: match document.origin.as_str() {
                "" => title.clone(),
                origin => format!("{title} ({origin})"),
            },
            title,
            spec: document.value.get("spec").unwrap_or(&Value::Null),
        }))
    };
    read().map_err(|bad| bad.in_document("", &document.origin))
}

/// The service that this is, if it is one.
fn service_of(value: &Value) -> Option<(ServiceRef, Labels)> {
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    if (text("/apiVersion")?, text("/kind")?) != ("v1", "Service") {
        return None;
    }
    let namespace = text("/metadata/namespace").unwrap_or("default");
    let name = text("/metadata/name")?;
    let selector = value.pointer("/spec/selector").and_then(Value::as_object);
    let selector = selector.into_iter().flatten().filter_map(|(key, value)| {
        let value = value.as_str()?;
        Some((key.clone(), value.to_owned()))
    });
    (is_object_name(namespace) && is_object_name(name)).then(|| {
        let service = ServiceRef {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        (service, selector.collect())
    })
}
