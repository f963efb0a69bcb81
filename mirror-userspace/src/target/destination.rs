//! Where copies go: an address or name, or what Kubernetes says stands behind a service or selector.

use super::{LabelSelector, Labels, TargetUrl};

/// Where copies go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A URL: its name is resolved again and again.
    Url(TargetUrl),
    /// The ready endpoints of a service, `service/NAMESPACE/NAME:PORT`.
    Service {
        /// The service.
        service: ServiceRef,
        /// The service's port; copies go to what it stands for on each endpoint.
        port: u16,
        /// Only pods with these labels (an Istio subset); empty: all.
        subset: Labels,
    },
    /// Ready pods, `pods/NAMESPACE/SELECTOR:PORT`.
    Pods {
        /// Their namespace.
        namespace: String,
        /// Which of its pods.
        selector: LabelSelector,
        /// The port of each of them.
        port: u16,
    },
}

/// A Kubernetes service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}
