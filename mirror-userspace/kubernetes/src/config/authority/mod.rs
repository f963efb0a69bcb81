//! Whose requests a document may have copied, and where it may have copies sent.
//!
//! Whoever may write a document in a namespace speaks for that namespace and for no other: its
//! services are his as sources and as targets. What is elsewhere needs the consent of whoever it
//! belongs to, or of the operator:
//!
//! | a document of namespace `a` names | allowed by |
//! |---|---|
//! | as source or target: a service of `a` | itself |
//! | as source: a service of `b` | a `ReferenceGrant` in `b`, or `--watch-cross-namespace a` |
//! | as target: a service of `b` | a `ReferenceGrant` in `b`, or `--allow-target-namespace b` |
//! | as target, by labels: pods of `b` | `--allow-target-namespace b` |
//! | as target: an address, or a name that is no service's | `--allow-external-target GLOB` |
//!
//! A `TrafficMirror` names sources of its own namespace only: that it is there is the consent.
//!
//! A subset only narrows a service, so whoever defines it needs no consent.
//!
//! Rules are made of [`Checked`] references, which are made here and nowhere else: a reference that
//! nobody has judged can't become a rule.

mod consent;
mod grants;

use std::ops::Deref;

use mirror_core::{
    destination::{Destination, LabelSelector, Labels, Origin, ServiceRef, TargetSpec},
    value::Rate,
};

pub use consent::{Consent, HostGlob, NamespaceOrAll, Namespaces};
pub(super) use grants::Grants;

use super::{
    draft::Backend,
    object::{Kind, Object},
    refusal::{Denied, Reason},
};
use crate::plan::{Scope, Source};

/// What one document may name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    kind: Kind,
    /// The namespace that the document is in.
    namespace: &'a str,
    grants: &'a Grants,
    consent: &'a Consent,
}

/// A reference that its document may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked<T>(T);

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'a> Authority<'a> {
    pub(super) fn of(object: &'a Object<'_>, grants: &'a Grants, consent: &'a Consent) -> Self {
        Self {
            kind: object.kind,
            namespace: &object.namespace,
            grants,
            consent,
        }
    }

    /// Pods whose requests are to be copied.
    pub(super) fn source(&self, backend: Backend) -> Result<Checked<Backend>, Denied> {
        let service = &backend.service;
        if self.may_refer_to(service) || self.consent.cross_namespaces.hold(self.namespace) {
            return Ok(Checked(backend));
        }
        let (own, there, kind) = (self.namespace, &service.namespace, self.kind.name());
        Err(Denied::new(
            Reason::Source,
            format!(
                "the requests of service {service} are namespace {there}'s: copying them takes a \
                 ReferenceGrant there (from {kind} of namespace {own} to Service), or \
                 --watch-cross-namespace={own}"
            ),
        ))
    }

    /// Pods of the document's own namespace, by their labels.
    pub(super) fn own_pods(&self, selector: LabelSelector, ports: Vec<u16>) -> Source {
        Source::Pods {
            scope: Scope::Namespace(self.namespace.to_owned()),
            selector,
            ports,
        }
    }

    /// The pods behind a service of the document's own namespace, at these ports of it.
    pub(super) fn own_service(&self, name: &str, ports: Vec<u16>) -> Source {
        Source::Service {
            service: ServiceRef {
                namespace: self.namespace.to_owned(),
                name: name.to_owned(),
            },
            ports,
            subset: Labels::new(),
        }
    }

    /// Where copies are to go.
    pub(super) fn target(&self, destination: Destination) -> Result<Checked<Destination>, Denied> {
        match &destination {
            Destination::Service { service, .. }
                if self.may_refer_to(service)
                    || self.consent.target_namespaces.hold(&service.namespace) =>
            {
                Ok(Checked(destination))
            }
            Destination::Service { service, .. } => {
                let (own, there, kind) = (self.namespace, &service.namespace, self.kind.name());
                Err(Denied::new(
                    Reason::Target,
                    format!(
                        "service {service} is namespace {there}'s: sending copies to it takes a \
                         ReferenceGrant there (from {kind} of namespace {own} to Service), or \
                         --allow-target-namespace={there}"
                    ),
                ))
            }
            Destination::Url(url) if self.consent.allows_external(url) => Ok(Checked(destination)),
            Destination::Url(url) => Err(Denied::new(
                Reason::External,
                format!(
                    "{url} is no service of the cluster: sending copies to it takes \
                     --allow-external-target={}",
                    url.host
                ),
            )),
            Destination::Pods { namespace, .. }
                if namespace == self.namespace
                    || self.consent.target_namespaces.hold(namespace) =>
            {
                Ok(Checked(destination))
            }
            // A ReferenceGrant names services, not pods.
            Destination::Pods { namespace, .. } => Err(Denied::new(
                Reason::Target,
                format!(
                    "the pods are namespace {namespace}'s: sending copies to them takes \
                     --allow-target-namespace={namespace}"
                ),
            )),
        }
    }

    fn may_refer_to(&self, service: &ServiceRef) -> bool {
        service.namespace == self.namespace || self.grants.allow(self.kind, self.namespace, service)
    }
}

impl Checked<Backend> {
    /// The same pods at this port.
    pub(super) fn at_port(&self, port: Option<u16>) -> Self {
        Self(Backend {
            port,
            ..self.0.clone()
        })
    }

    pub(super) fn into_source(self) -> Source {
        Source::Service {
            service: self.0.service,
            ports: self.0.port.into_iter().collect(),
            subset: self.0.subset,
        }
    }
}

impl Checked<Destination> {
    /// The target, marked as one that a document named: what it resolves to is checked again.
    pub(super) fn to_spec(&self, sample: Option<Rate>) -> TargetSpec {
        TargetSpec {
            sample,
            origin: Origin::Document,
            ..self.0.clone().into()
        }
    }
}
