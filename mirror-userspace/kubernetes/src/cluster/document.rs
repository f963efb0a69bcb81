//! Configuration in the cluster: the kinds of objects that are read, and which of these objects matter.
//!
//! A cluster with a mesh may hold thousands of these objects, and few of them mirror. What can't have
//! anything to do with mirroring is dropped where it is read, and so is what the API server adds to
//! an object for itself.

mod raw;

use super::{objects::plain, tell::Identity};
use kube::{api::ApiResource, core::GroupVersionKind};
pub(super) use raw::RawDocument;
use raw::{MAX_WEIGHT, Spec};
use serde_json::{Map, Value, json};

/// A kind of object that says what is mirrored where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// Istio's `VirtualService`: routes, some of which mirror.
    VirtualService,
    /// Istio's `DestinationRule`: names subsets of a service's pods.
    DestinationRule,
    /// The Gateway API's `HTTPRoute`: routes of HTTP requests.
    HttpRoute,
    /// The Gateway API's `GRPCRoute`: routes of gRPC calls.
    GrpcRoute,
    /// The Gateway API's `ReferenceGrant`: lets another namespace refer to objects of its own.
    ReferenceGrant,
    /// podmirror's own `TrafficMirror`: a mirror with all that it can have.
    TrafficMirror,
}

impl DocumentKind {
    /// All kinds, in the order in which they are declared.
    pub const ALL: [Self; 6] = [
        Self::VirtualService,
        Self::DestinationRule,
        Self::HttpRoute,
        Self::GrpcRoute,
        Self::ReferenceGrant,
        Self::TrafficMirror,
    ];

    /// `kind` in the documents.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::VirtualService => "VirtualService",
            Self::DestinationRule => "DestinationRule",
            Self::HttpRoute => "HTTPRoute",
            Self::GrpcRoute => "GRPCRoute",
            Self::ReferenceGrant => "ReferenceGrant",
            Self::TrafficMirror => "TrafficMirror",
        }
    }

    /// The name in paths and RBAC rules, such as `virtualservices`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::VirtualService => "virtualservices",
            Self::DestinationRule => "destinationrules",
            Self::HttpRoute => "httproutes",
            Self::GrpcRoute => "grpcroutes",
            Self::ReferenceGrant => "referencegrants",
            Self::TrafficMirror => "trafficmirrors",
        }
    }

    /// The API group that the kind belongs to.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::VirtualService | Self::DestinationRule => "networking.istio.io",
            Self::HttpRoute | Self::GrpcRoute | Self::ReferenceGrant => "gateway.networking.k8s.io",
            Self::TrafficMirror => "podmirror.io",
        }
    }

    /// The versions that are read, the best first; a cluster may serve only some of them.
    const fn versions(self) -> &'static [&'static str] {
        match self {
            Self::VirtualService | Self::DestinationRule => &["v1", "v1beta1", "v1alpha3"],
            Self::HttpRoute | Self::ReferenceGrant => &["v1", "v1beta1"],
            Self::GrpcRoute => &["v1"],
            Self::TrafficMirror => &["v1alpha1"],
        }
    }

    /// The name of what defines the kind in a cluster, a CustomResourceDefinition.
    pub(super) fn definition(self) -> String {
        format!("{}.{}", self.plural(), self.group())
    }

    /// What to ask the API for, the best version first.
    pub(super) fn resources(self) -> impl Iterator<Item = ApiResource> {
        self.versions().iter().map(move |version| {
            let kind = GroupVersionKind::gvk(self.group(), version, self.kind());
            ApiResource::from_gvk_with_plural(&kind, self.plural())
        })
    }

    /// Whether an object of this kind can have anything to do with mirroring.
    fn may_mirror(self, spec: Option<&Value>) -> bool {
        let Some(spec) = spec else { return false };
        match self {
            Self::VirtualService => items(spec, "http").any(|route| {
                let fields = route.as_object().into_iter().flat_map(Map::keys);
                fields.into_iter().any(|field| field.starts_with("mirror"))
            }),
            Self::DestinationRule => items(spec, "subsets").next().is_some(),
            Self::HttpRoute | Self::GrpcRoute => items(spec, "rules")
                .any(|rule| mirrors(rule) || items(rule, "backendRefs").any(mirrors)),
            Self::ReferenceGrant | Self::TrafficMirror => true,
        }
    }
}

fn mirrors(place: &Value) -> bool {
    items(place, "filters").any(|filter| {
        filter.get("type").and_then(Value::as_str) == Some("RequestMirror")
            || filter.get("requestMirror").is_some()
    })
}

fn items<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    let list = object.get(field).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// What a document takes beside its `spec`, in bytes of memory.
const ENVELOPE: usize = 1024;

/// An object of one of the kinds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    /// The object's namespace and name, as `NAMESPACE/NAME`.
    pub(super) key: String,
    pub(super) namespace: String,
    /// Which object it is, as people are told of it.
    pub(super) identity: Box<Identity>,
    pub(super) content: Content,
}

/// What a document says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// Nothing that has anything to do with mirroring.
    Nothing,
    /// More than is read.
    TooLarge,
    /// Its `apiVersion`, `kind`, `metadata` (namespace, name, time of creation, UID, generation) and `spec`, and how much
    /// memory that takes in bytes.
    Some(Value, usize),
}

impl Document {
    /// Takes what matters out of an object.
    pub(super) fn of(kind: DocumentKind, api_version: &str, object: RawDocument) -> Self {
        let namespace = object.metadata.namespace.map(plain).unwrap_or_default();
        let name = object.metadata.name.map(plain).unwrap_or_default();
        let Spec {
            value: spec,
            weight,
        } = object.spec;
        let uid = object.metadata.uid.clone();
        let identity = Identity {
            api_version: api_version.to_owned(),
            kind: kind.kind().to_owned(),
            namespace: namespace.clone(),
            name: name.clone(),
            uid: uid.map(plain).unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
        };
        let content = if weight > MAX_WEIGHT {
            Content::TooLarge
        } else if kind.may_mirror(spec.as_ref()) {
            let mut value = json!({
                "apiVersion": api_version,
                "kind": kind.kind(),
                "metadata": {
                    "namespace": &namespace,
                    "name": &name,
                    "creationTimestamp": object.metadata.creation_timestamp,
                },
                "spec": spec,
            });
            // By these people are told what became of it.
            let uid = object.metadata.uid.is_some().then(|| json!(identity.uid));
            let generation = object.metadata.generation.map(Value::from);
            if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
                for (name, value) in [("uid", uid), ("generation", generation)] {
                    metadata.extend(value.map(|value| (name.to_owned(), value)));
                }
            }
            Content::Some(value, weight + ENVELOPE)
        } else {
            Content::Nothing
        };
        Self {
            key: format!("{namespace}/{name}"),
            namespace,
            identity: Box::new(identity),
            content,
        }
    }
}

#[cfg(test)]
mod tests;
