//! Who may name what, said a second time, in other words than in the code.

use mirror_core::destination::ServiceRef;
use mirror_kubernetes::plan::Rule;

/// Routes, and their groups.
pub(super) const ROUTES: [(&str, &str); 3] = [
    (super::ISTIO, "VirtualService"),
    (super::GATEWAY, "HTTPRoute"),
    (super::GATEWAY, "GRPCRoute"),
];

/// A consent, as it was written down.
pub(super) struct Grant {
    pub(super) within: &'static str,
    pub(super) from: (&'static str, &'static str),
    pub(super) of: &'static str,
    pub(super) to: &'static str,
    pub(super) name: Option<&'static str>,
}

/// What the operator consents to.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub(super) cross: Option<&'static str>,
    pub(super) target: Option<&'static str>,
    pub(super) external: bool,
}

/// All that anyone consents to.
pub(super) struct Authority {
    pub(super) grants: Vec<Grant>,
    pub(super) flags: Flags,
}

impl Authority {
    /// Whether a rule may have a service's requests copied.
    pub(super) fn may_take(&self, rule: &Rule, service: &ServiceRef) -> bool {
        let (_, writer) = writer(rule);
        service.namespace == writer
            || self.granted(rule, service)
            || self.flags.cross == Some(writer)
    }

    /// Whether a rule may have copies sent to a service.
    pub(super) fn may_send(&self, rule: &Rule, service: &ServiceRef) -> bool {
        let (_, writer) = writer(rule);
        service.namespace == writer
            || self.granted(rule, service)
            || self.flags.target == Some(&service.namespace)
    }

    fn granted(&self, rule: &Rule, service: &ServiceRef) -> bool {
        let (kind, writer) = writer(rule);
        self.grants.iter().any(|grant| {
            let route = ROUTES
                .iter()
                .any(|route| *route == grant.from && route.1 == kind);
            route
                && grant.within == service.namespace
                && grant.of == writer
                && grant.to == "Service"
                && grant.name.is_none_or(|name| name == service.name)
        })
    }
}

/// The kind of a rule's document, and the namespace that it is in: `VirtualService evil/d1 http[0]`.
pub(super) fn writer(rule: &Rule) -> (&str, &str) {
    let mut words = rule.name.split(' ');
    let kind = words.next().unwrap_or_default();
    let name = words.next().unwrap_or_default();
    let (namespace, _) = name.split_once('/').unwrap_or_default();
    (kind, namespace)
}
