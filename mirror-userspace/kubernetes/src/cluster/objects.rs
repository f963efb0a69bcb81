//! Takes from the API's objects the few fields that matter, so that nothing else is held.
//!
//! What the API's schema promises is taken as given: an object without a name or UID gets an empty
//! one. What can't be read as an address or a port is left out.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::{
    api::{
        core::v1::{Container, Pod, PodSpec, PodStatus, Service},
        discovery::v1::{Endpoint, EndpointSlice},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use mirror_core::destination::ServiceRef;

use super::{
    endpoints::{BackendPod, SliceEndpoint, SlicePort, SliceView},
    pod::{Phase, PodUid, PodView},
    reducer::GATE,
    service::{ServicePort, ServiceView, TargetPort},
};

/// The label that names the service of an endpoint slice.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The annotation that static pods have.
const STATIC_HASH: &str = "kubernetes.io/config.mirror";

/// A name as Kubernetes lets one be. An API server lets no other through; what came all the same must
/// neither break out of a line of the log nor lead elsewhere as a path.
pub(super) fn plain(name: String) -> String {
    let fits = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | '_');
    if name.len() <= 253 && name.chars().all(fits) && !name.contains("..") {
        return name;
    }
    let shown = name.chars().take(253);
    let shown = shown.map(|one| if one != '.' && fits(one) { one } else { '?' });
    shown.collect()
}

/// A pod that may be mirrored.
pub(super) fn pod_view(pod: Pod) -> PodView {
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    PodView {
        uid: PodUid(pod.metadata.uid.unwrap_or_default()),
        namespace: pod.metadata.namespace.map(plain).unwrap_or_default(),
        name: pod.metadata.name.map(plain).unwrap_or_default(),
        labels: pod.metadata.labels.unwrap_or_default(),
        phase: phase(&status),
        host_network: spec.host_network.unwrap_or_default(),
        ips: ips(&status),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        static_hash: pod
            .metadata
            .annotations
            .and_then(|mut it| it.remove(STATIC_HASH)),
        gate_open: gate(&spec, &status),
        ports: named_ports(&spec),
    }
}

/// Whether the gate that waits for us is open, if there is one.
fn gate(spec: &PodSpec, status: &PodStatus) -> Option<bool> {
    let mut gates = spec.readiness_gates.iter().flatten();
    gates.find(|gate| gate.condition_type == GATE)?;
    let mut conditions = status.conditions.iter().flatten();
    Some(conditions.any(|it| it.type_ == GATE && it.status == "True"))
}

/// A pod that may get copies.
pub(super) fn backend_pod(pod: Pod) -> BackendPod {
    let status = pod.status.unwrap_or_default();
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let said_ready = conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    BackendPod {
        ready: said_ready
            && phase(&status) == Phase::Running
            && pod.metadata.deletion_timestamp.is_none(),
        ips: ips(&status),
        uid: pod.metadata.uid.unwrap_or_default(),
        name: pod.metadata.name.map(plain).unwrap_or_default(),
        labels: pod.metadata.labels.unwrap_or_default(),
        node: pod.spec.and_then(|spec| spec.node_name),
    }
}

/// Takes from a `Service` what the agent needs to know.
pub(super) fn service_view(service: Service) -> ServiceView {
    let mut spec = service.spec.unwrap_or_default();
    if spec.type_.as_deref() == Some("ExternalName") {
        // It stands for a name outside of the cluster, whatever else it says: it has no pods.
        spec.selector = None;
        spec.ports = None;
    }
    let ports = spec.ports.unwrap_or_default().into_iter();
    ServiceView {
        service: ServiceRef {
            namespace: service.metadata.namespace.map(plain).unwrap_or_default(),
            name: service.metadata.name.map(plain).unwrap_or_default(),
        },
        selector: spec.selector.unwrap_or_default(),
        ports: ports
            .filter(|port| is_tcp(port.protocol.as_deref()))
            .filter_map(|port| {
                let number = number(port.port)?;
                Some(ServicePort {
                    name: port.name.unwrap_or_default(),
                    port: number,
                    target: match port.target_port {
                        Some(IntOrString::Int(0)) | None => TargetPort::Number(number),
                        Some(IntOrString::Int(target)) => TargetPort::Number(self::number(target)?),
                        Some(IntOrString::String(name)) => TargetPort::Name(name),
                    },
                })
            })
            .collect(),
    }
}

/// A slice of a service's endpoints.
pub(super) fn slice_view(slice: EndpointSlice) -> SliceView {
    let namespace = slice.metadata.namespace.map(plain).unwrap_or_default();
    let mut labels = slice.metadata.labels.unwrap_or_default();
    let ports = slice.ports.unwrap_or_default().into_iter();
    SliceView {
        name: slice.metadata.name.map(plain).unwrap_or_default(),
        service: labels.remove(SERVICE_NAME).unwrap_or_default(),
        ports: ports
            .filter(|port| is_tcp(port.protocol.as_deref()))
            .filter_map(|port| {
                Some(SlicePort {
                    name: port.name.unwrap_or_default(),
                    port: number(port.port?)?,
                })
            })
            .collect(),
        endpoints: slice
            .endpoints
            .into_iter()
            .filter_map(|it| endpoint(it, &namespace))
            .collect(),
    }
}

/// All addresses of an endpoint stand for the same pod, and one may take the first. None of a slice
/// of domain names is an address. A pod of another namespace is none of this service's.
fn endpoint(endpoint: Endpoint, namespace: &str) -> Option<SliceEndpoint> {
    let pod = endpoint
        .target_ref
        .filter(|target| target.kind.as_deref() == Some("Pod"))
        .filter(|target| target.namespace.as_deref().is_none_or(|of| of == namespace));
    Some(SliceEndpoint {
        ip: endpoint.addresses.first()?.parse().ok()?,
        // Absent stands for an unknown state, which the API asks to be taken for ready.
        ready: endpoint.conditions.and_then(|it| it.ready).unwrap_or(true),
        pod_uid: pod.as_ref().and_then(|pod| pod.uid.clone()),
        pod_name: pod.and_then(|pod| pod.name),
        node: endpoint.node_name,
    })
}

fn phase(status: &PodStatus) -> Phase {
    match status.phase.as_deref() {
        Some("Pending") | None => Phase::Pending,
        Some("Running") => Phase::Running,
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        Some(_) => Phase::Unknown,
    }
}

fn ips(status: &PodStatus) -> Vec<IpAddr> {
    let all = status.pod_ips.iter().flatten().map(|ip| &ip.ip);
    let found: Vec<IpAddr> = all.filter_map(|ip| ip.parse().ok()).collect();
    if !found.is_empty() {
        return found;
    }
    let one = status.pod_ip.iter();
    one.filter_map(|ip| ip.parse().ok()).collect()
}

fn named_ports(spec: &PodSpec) -> BTreeMap<String, u16> {
    let restartable =
        |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(restartable);
    let containers = spec.containers.iter().chain(sidecars);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    let named = ports
        .filter(|port| is_tcp(port.protocol.as_deref()))
        .filter_map(|port| Some((port.name.clone()?, number(port.container_port)?)));
    let mut first = BTreeMap::new();
    for (name, port) in named {
        // Kubernetes resolves a name to the first port that has it.
        first.entry(name).or_insert(port);
    }
    first
}

/// Absent stands for TCP.
fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}

fn number(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests;
