//! Which pods a rule selects, and at which of their ports.

use std::collections::HashMap;

use mirror_common::settings::MAX_PORTS;
use mirror_core::destination::{Labels, ServiceRef};

use super::{
    pod::PodView,
    service::{ServicePort, ServiceView, TargetPort},
};
use crate::plan::{Scope, Source};

/// The services that rules name: `None` is one that the API does not have.
pub(super) type Services = HashMap<ServiceRef, Option<ServiceView>>;

/// What a rule wants of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// The rule does not select the pod.
    Other,
    /// To mirror these ports, sorted, 1 to [`MAX_PORTS`].
    Ports(Vec<u16>),
    /// To mirror it, which is not possible: it has the network of its node.
    HostNetwork,
    /// To mirror it, which is not possible, for this reason.
    Unfit(String),
}

/// What the rule with this source wants of the pod.
pub(super) fn select(source: &Source, pod: &PodView, services: &Services) -> Selection {
    let selection = by_source(source, pod, services);
    if selection != Selection::Other && pod.host_network {
        return Selection::HostNetwork;
    }
    selection
}

fn by_source(source: &Source, pod: &PodView, services: &Services) -> Selection {
    match source {
        Source::Pods {
            scope,
            selector,
            ports,
        } => {
            if scope.holds(&pod.namespace) && selector.selects(&pod.labels) {
                fit(ports.clone())
            } else {
                Selection::Other
            }
        }
        Source::Service {
            service,
            ports,
            subset,
        } => match services.get(service) {
            Some(Some(view)) if view.selects(pod) && has_all(&pod.labels, subset) => {
                ports_behind(view, ports, pod)
            }
            _ => Selection::Other,
        },
    }
}

fn ports_behind(service: &ServiceView, asked: &[u16], pod: &PodView) -> Selection {
    let wanted = |one: &&ServicePort| asked.is_empty() || asked.contains(&one.port);
    let ServiceRef { namespace, name } = &service.service;
    let service_name = format!("{namespace}/{name}");
    let mut ports = Vec::new();
    let mut missing = Vec::new();
    for one in service.ports.iter().filter(wanted) {
        match &one.target {
            TargetPort::Number(number) => ports.push(*number),
            TargetPort::Name(name) => match pod.ports.get(name) {
                Some(number) => ports.push(*number),
                None => missing.push(name.as_str()),
            },
        }
    }
    match asked {
        _ if !ports.is_empty() => fit(ports),
        _ if !missing.is_empty() => Selection::Unfit(format!(
            "it has no port named {} (a target of service {service_name})",
            missing.join(" or ")
        )),
        [] => Selection::Unfit(format!("service {service_name} has no TCP port")),
        asked => {
            let asked: Vec<_> = asked.iter().map(u16::to_string).collect();
            let asked = asked.join(" or ");
            Selection::Unfit(format!("service {service_name} has no TCP port {asked}"))
        }
    }
}

fn fit(mut ports: Vec<u16>) -> Selection {
    ports.sort_unstable();
    ports.dedup();
    match ports.len() {
        1..=MAX_PORTS => Selection::Ports(ports),
        count => Selection::Unfit(format!(
            "{count} ports, and 1 to {MAX_PORTS} can be mirrored"
        )),
    }
}

impl ServiceView {
    fn selects(&self, pod: &PodView) -> bool {
        self.service.namespace == pod.namespace && self.selects_labels(&pod.labels)
    }

    fn selects_labels(&self, labels: &Labels) -> bool {
        !self.selector.is_empty() && has_all(labels, &self.selector)
    }
}

/// Whether the requests of a pod of this namespace with these labels are copied by the rule with this source, whose
/// service is known if it names one.
#[cfg(feature = "cluster")]
pub(super) fn is_source(
    source: &Source,
    service: Option<&ServiceView>,
    namespace: &str,
    labels: &Labels,
) -> bool {
    match source {
        Source::Pods {
            scope, selector, ..
        } => scope.holds(namespace) && selector.selects(labels),
        Source::Service {
            service: named,
            subset,
            ..
        } => {
            named.namespace == namespace
                && service.is_some_and(|view| view.selects_labels(labels))
                && has_all(labels, subset)
        }
    }
}

impl Scope {
    /// Whether a namespace is looked at.
    #[must_use]
    pub fn holds(&self, namespace: &str) -> bool {
        match self {
            Self::Namespace(one) => one == namespace,
            Self::All => true,
        }
    }
}

fn has_all(labels: &Labels, wanted: &Labels) -> bool {
    wanted
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}
