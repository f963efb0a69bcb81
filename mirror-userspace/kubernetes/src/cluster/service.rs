//! Services as the agent sees them: which pods stand behind them, and at which ports.

use mirror_core::destination::{Labels, ServiceRef};

/// A service, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceView {
    /// The service's namespace and name.
    pub service: ServiceRef,
    /// `spec.selector`. A service without one selects no pods (somebody else makes its endpoints).
    pub selector: Labels,
    /// `spec.ports` whose protocol is TCP.
    pub ports: Vec<ServicePort>,
}

/// One of a service's TCP ports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
pub struct ServicePort {
    /// Its name, which the slices of its endpoints repeat; empty if it has none.
    pub name: String,
    /// Where clients of the service connect to.
    pub port: u16,
    /// What that stands for on a pod; the API fills in the port's own number where it is absent.
    pub target: TargetPort,
}

/// A port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
pub enum TargetPort {
    /// A port number, the same on every pod.
    Number(u16),
    /// The one that the pod gives this name: it may differ from pod to pod.
    Name(String),
}
