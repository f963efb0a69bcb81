//! The endpoints of a destination: turns what the API shows into addresses, without I/O.
//!
//! A service's endpoints are spread over slices, one kind for each address family, and each slice
//! repeats the service's ports by name with the number that they have on its pods. So a service's
//! port is found by its number in the service, and then by its name in each slice. A subset has no
//! service of its own: it is the endpoints whose pods have the labels.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::{IpAddr, SocketAddr},
};

use mirror_core::destination::{LabelSelector, Labels};

use super::service::{ServicePort, ServiceView};
use crate::config::Consent;

/// A slice of a service's endpoints, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceView {
    /// The object's name: `metadata.name`.
    pub name: String,
    /// Whose endpoints: the label `kubernetes.io/service-name`.
    pub service: String,
    /// `ports` whose protocol is TCP and that have a number.
    pub ports: Vec<SlicePort>,
    /// `endpoints` that have an address.
    pub endpoints: Vec<SliceEndpoint>,
}

/// A port of all endpoints of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the service's port that it stands for; empty if that has none.
    pub name: String,
    /// Its number on the endpoints.
    pub port: u16,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// The endpoint's IP address.
    pub ip: IpAddr,
    /// `conditions.ready`; it is ready if that is absent. One that is terminating is not.
    pub ready: bool,
    /// The UID of the pod that it is, if it is one and the slice says so.
    pub pod_uid: Option<String>,
    /// Its name, in the namespace of the slice.
    pub pod_name: Option<String>,
    /// The node that it is on: `nodeName`.
    pub node: Option<String>,
}

/// A pod that may get copies, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendPod {
    /// The pod's UID: `metadata.uid`.
    pub uid: String,
    /// The object's name: `metadata.name`.
    pub name: String,
    /// The pod's labels: `metadata.labels`.
    pub labels: Labels,
    /// The pod's addresses: `status.podIPs`.
    pub ips: Vec<IpAddr>,
    /// Whether the pod runs, has passed its readiness probes, and is not being deleted.
    pub ready: bool,
    /// The node that it is on: `spec.nodeName`.
    pub node: Option<String>,
}

/// The endpoints of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The addresses that copies can go to, sorted, each once.
    pub addresses: Vec<SocketAddr>,
    /// Why there is no endpoint, if there is none.
    pub problem: Option<Problem>,
    /// How many more are ready, but are pods whose requests are copied.
    pub sources: usize,
}

/// Why a destination has no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no such service.
    NoService,
    /// The service has no TCP port with this number, or none at all.
    NoPort,
    /// No pod is selected, or none of them is ready.
    NoneReady,
    /// What is ready is no pod of the service's namespace.
    NotPods,
    /// What is ready are pods whose requests are copied.
    Sources,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoService => "there is no such service",
            Self::NoPort => "the service has no such TCP port (an ExternalName service has none)",
            Self::NoneReady => "no endpoint is ready",
            Self::NotPods => {
                "what is ready is no pod of its namespace: a document's copies go there only by \
                 --allow-external-target"
            }
            Self::Sources => {
                "what is ready are the pods whose requests are mirrored: they get no copies"
            }
        })
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.problem, self.addresses.len()) {
            (Some(problem), _) => return problem.fmt(f),
            (None, 1) => write!(f, "1 endpoint")?,
            (None, count) => write!(f, "{count} endpoints")?,
        }
        match self.sources {
            0 => Ok(()),
            more => write!(
                f,
                "; {more} more are pods whose requests are mirrored, and get no copies"
            ),
        }
    }
}

impl Endpoints {
    fn none(problem: Problem) -> Self {
        Self {
            addresses: Vec::new(),
            problem: Some(problem),
            sources: 0,
        }
    }

    fn at(mut addresses: Vec<SocketAddr>) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        Self {
            problem: addresses.is_empty().then_some(Problem::NoneReady),
            addresses,
            sources: 0,
        }
    }

    /// The same without the addresses of these pods, whose requests are copied: a copy would come to who has served
    /// the request already.
    #[must_use]
    pub fn without<'a>(mut self, sources: impl IntoIterator<Item = &'a BackendPod>) -> Self {
        let own: HashSet<IpAddr> = sources
            .into_iter()
            .flat_map(|pod| &pod.ips)
            .copied()
            .collect();
        let before = self.addresses.len();
        self.addresses
            .retain(|address| !own.contains(&address.ip()));
        self.sources = before - self.addresses.len();
        if self.sources > 0 && self.addresses.is_empty() {
            self.problem = Some(Problem::Sources);
        }
        self
    }

    /// The ready endpoints of a service at one of its ports, `None` for its first TCP port. `slices`
    /// may be other services', too.
    #[must_use]
    pub fn of_service<'a>(
        service: Option<&ServiceView>,
        port: Option<u16>,
        slices: impl IntoIterator<Item = &'a SliceView>,
        subset: &Subset<'_>,
    ) -> Self {
        let Some(service) = service else {
            return Self::none(Problem::NoService);
        };
        let is_meant = |it: &&ServicePort| port.is_none_or(|port| it.port == port);
        let Some(port) = service.ports.iter().find(is_meant) else {
            return Self::none(Problem::NoPort);
        };
        let own = slices
            .into_iter()
            .filter(|slice| slice.service == service.service.name);
        let mut addresses = Vec::new();
        let mut unproven = false;
        for slice in own {
            let Some(port) = slice.ports.iter().find(|it| it.name == port.name) else {
                continue;
            };
            for endpoint in slice.endpoints.iter().filter(|it| it.ready) {
                if subset.has(endpoint) {
                    addresses.push(SocketAddr::new(endpoint.ip, port.port));
                } else {
                    unproven |= subset.is_all_proven();
                }
            }
        }
        if addresses.is_empty() && unproven {
            return Self::none(Problem::NotPods);
        }
        Self::at(addresses)
    }

    /// The ready pods that are selected, at a port.
    #[must_use]
    pub fn of_pods<'a>(
        pods: impl IntoIterator<Item = &'a BackendPod>,
        selector: &LabelSelector,
        port: u16,
    ) -> Self {
        let selected = pods
            .into_iter()
            .filter(|pod| pod.ready && selector.selects(&pod.labels));
        let ips = selected.flat_map(|pod| &pod.ips);
        Self::at(ips.map(|ip| SocketAddr::new(*ip, port)).collect())
    }
}

/// Which endpoints of a service are meant.
#[derive(Debug)]
pub enum Subset<'a> {
    /// All endpoints of the service.
    Everything,
    /// The endpoints that are one of these pods.
    Pods(PodNames<'a>),
    /// Those that prove to be one of these pods, by its address.
    Proven(Proof<'a>),
}

/// Pods by which an endpoint proves to be what its slice says. A slice is written by whoever may: what it
/// calls a pod is one only if the API's pod has the address.
#[derive(Debug)]
pub struct Proof<'a> {
    uids: HashMap<&'a str, &'a BackendPod>,
    names: HashMap<&'a str, &'a BackendPod>,
    /// The operator's, for addresses that are no pod's; `None` for a subset, which is pods.
    consent: Option<&'a Consent>,
}

impl Proof<'_> {
    fn has(&self, endpoint: &SliceEndpoint) -> bool {
        let uid = endpoint.pod_uid.as_deref();
        let pod = match (uid, endpoint.pod_name.as_deref()) {
            (Some(uid), _) => self.uids.get(uid),
            (None, Some(name)) => self.names.get(name),
            (None, None) => None,
        };
        pod.is_some_and(|pod| pod.ips.contains(&endpoint.ip))
            || self
                .consent
                .is_some_and(|consent| consent.allows_address(endpoint.ip))
    }
}

/// How slices may name pods.
#[derive(Debug, Default)]
pub struct PodNames<'a> {
    uids: HashSet<&'a str>,
    names: HashSet<&'a str>,
}

impl<'a> Subset<'a> {
    /// The pods that have all of `labels`; all endpoints if there are none.
    #[must_use]
    pub fn with_labels(labels: &Labels, pods: impl IntoIterator<Item = &'a BackendPod>) -> Self {
        if labels.is_empty() {
            return Self::Everything;
        }
        let selector = LabelSelector::of(labels);
        let mut meant = PodNames::default();
        for pod in pods.into_iter().filter(|it| selector.selects(&it.labels)) {
            meant.uids.insert(&pod.uid);
            meant.names.insert(&pod.name);
        }
        Self::Pods(meant)
    }

    /// The pods that have all of `labels`, if they prove to be; what is none takes the operator's consent.
    #[must_use]
    pub fn proven(
        labels: &Labels,
        pods: impl IntoIterator<Item = &'a BackendPod>,
        consent: &'a Consent,
    ) -> Self {
        let selector = LabelSelector::of(labels);
        let (mut uids, mut names) = (HashMap::new(), HashMap::new());
        for pod in pods.into_iter().filter(|it| selector.selects(&it.labels)) {
            uids.insert(pod.uid.as_str(), pod);
            names.insert(pod.name.as_str(), pod);
        }
        Self::Proven(Proof {
            uids,
            names,
            consent: labels.is_empty().then_some(consent),
        })
    }

    /// Whether all endpoints of the service are meant, if only they prove to be pods.
    const fn is_all_proven(&self) -> bool {
        matches!(self, Self::Proven(proof) if proof.consent.is_some())
    }

    /// The next pod of a StatefulSet reuses the name, so the UID counts where the slice has it.
    pub(super) fn has(&self, endpoint: &SliceEndpoint) -> bool {
        let pods = match self {
            Self::Everything => return true,
            Self::Pods(pods) => pods,
            Self::Proven(proof) => return proof.has(endpoint),
        };
        match (&endpoint.pod_uid, &endpoint.pod_name) {
            (Some(uid), _) => pods.uids.contains(uid.as_str()),
            (None, Some(name)) => pods.names.contains(name.as_str()),
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests;
