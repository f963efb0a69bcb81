//! Which part of a rule's pods is on this node: by it the agents divide what is limited for all nodes together.
//!
//! Every agent sees the same objects, the ready endpoints of the source's service or the ready pods with its labels,
//! with the node of each; where none is ready, all of them. So the portions of all nodes add up to one, but for the moment that a change takes to
//! reach them all. Nobody has to be asked, and nobody has to lead.

use std::collections::HashSet;

use mirror_core::destination::LabelSelector;

use super::endpoints::{BackendPod, SliceEndpoint, SliceView, Subset};

/// How many of a rule's ready pods there are; where none is ready, how many pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// On this node.
    pub own: usize,
    /// On all nodes.
    pub all: usize,
}

impl Portion {
    /// Of the pods behind a service, by its slices, among which may be other services'. A pod that slices of two
    /// families of addresses have counts once.
    pub(super) fn of_slices<'a>(
        slices: impl IntoIterator<Item = &'a SliceView>,
        service: &str,
        subset: &Subset<'_>,
        node: &str,
    ) -> Self {
        let meant: Vec<&SliceEndpoint> = slices
            .into_iter()
            .filter(|slice| slice.service == service)
            .flat_map(|slice| &slice.endpoints)
            .filter(|endpoint| subset.has(endpoint))
            .collect();
        let of_those = |ready: bool| {
            let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
            let those = meant.iter().filter(|it| it.ready || !ready);
            let each = those.filter(
                |it| match it.pod_uid.as_deref().or(it.pod_name.as_deref()) {
                    Some(pod) => names.insert(pod),
                    None => addresses.insert(it.ip),
                },
            );
            Self::count(each.map(|it| it.node.as_deref()), node)
        };
        Self::ready_or_all(of_those)
    }

    /// Of the pods with these labels.
    pub(super) fn of_pods<'a>(
        pods: impl IntoIterator<Item = &'a BackendPod, IntoIter: Clone>,
        selector: &LabelSelector,
        node: &str,
    ) -> Self {
        let pods = pods.into_iter();
        Self::ready_or_all(|ready| {
            let pods = pods.clone().filter(|pod| pod.ready || !ready);
            let meant = pods.filter(|pod| selector.selects(&pod.labels));
            Self::count(meant.map(|pod| pod.node.as_deref()), node)
        })
    }

    /// Where none is ready, all count: they may serve all the same, and each node would take the whole for itself.
    fn ready_or_all(of: impl Fn(bool) -> Self) -> Self {
        Some(of(true))
            .filter(|portion| portion.all > 0)
            .unwrap_or_else(|| of(false))
    }

    fn count<'a>(nodes: impl Iterator<Item = Option<&'a str>>, node: &str) -> Self {
        nodes.fold(Self::default(), |sum, of| Self {
            own: sum.own + usize::from(of == Some(node)),
            all: sum.all + 1,
        })
    }

    /// This node's part of what holds for all nodes: never nothing, as a node whose pods are not ready yet counts as
    /// if it had one.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of pods are far below 2^52"
    )]
    pub fn of(self, whole: f64) -> f64 {
        let (own, all) = match self.own {
            0 => (1, self.all + 1),
            own => (own, self.all.max(own)),
        };
        whole * own as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::random::Random;

    use super::*;
    use crate::cluster::endpoints::SlicePort;

    #[test]
    fn the_parts_of_all_nodes_add_up_to_the_whole() {
        let mut random = Random::new(7);
        for _ in 0..1_000 {
            let nodes = 1 + random.below(20);
            let count = random.below(200);
            let pods: Vec<_> = (0..count).map(|_| random.below(nodes)).collect();
            let whole = 0.1 + 10_000.0 * random.fraction();
            let portion = |node: usize| Portion {
                own: pods.iter().filter(|it| **it == node).count(),
                all: pods.len(),
            };
            let with_pods = (0..nodes).map(portion).filter(|it| it.own > 0);
            let sum: f64 = with_pods.map(|it| it.of(whole)).sum();
            let expected = if pods.is_empty() { 0.0 } else { whole };
            assert!((sum - expected).abs() < 1e-6 * whole, "{sum} of {whole}");
            for node in 0..nodes {
                let part = portion(node).of(whole);
                assert!(part > 0.0 && part <= whole * 1.000_001, "{part} of {whole}");
            }
        }
    }

    fn endpoint(ip: &str, uid: Option<&str>, node: &str) -> SliceEndpoint {
        SliceEndpoint {
            ip: ip.parse().unwrap(),
            ready: true,
            pod_uid: uid.map(str::to_owned),
            pod_name: None,
            node: Some(node.to_owned()),
        }
    }

    fn slice(service: &str, endpoints: Vec<SliceEndpoint>) -> SliceView {
        SliceView {
            name: "any".into(),
            service: service.into(),
            ports: vec![SlicePort {
                name: String::new(),
                port: 80,
            }],
            endpoints,
        }
    }

    #[test]
    fn a_pod_of_two_families_counts_once_and_what_is_not_ready_or_another_services_does_not() {
        let mut starting = endpoint("10.0.0.9", Some("s"), "here");
        starting.ready = false;
        let slices = [
            slice(
                "web",
                vec![
                    endpoint("10.0.0.1", Some("a"), "here"),
                    endpoint("10.0.0.2", Some("b"), "there"),
                    endpoint("10.0.0.3", None, "there"),
                    starting,
                ],
            ),
            slice("web", vec![endpoint("fd00::1", Some("a"), "here")]),
            slice("other", vec![endpoint("10.0.0.4", Some("d"), "here")]),
        ];
        let portion = Portion::of_slices(&slices, "web", &Subset::Everything, "here");
        assert_eq!((portion.own, portion.all), (1, 3));
        assert!((portion.of(30.0) - 10.0).abs() < 1e-9);
        let elsewhere = Portion::of_slices(&slices, "web", &Subset::Everything, "elsewhere");
        assert_eq!((elsewhere.own, elsewhere.all), (0, 3));
        assert!((elsewhere.of(40.0) - 10.0).abs() < 1e-9, "as if it had one");
    }

    /// v1 may serve those who hold connections while it fails its probes everywhere.
    #[test]
    fn where_none_is_ready_the_parts_add_up_as_well() {
        let mut endpoints = vec![
            endpoint("10.0.0.1", Some("a"), "here"),
            endpoint("10.0.0.2", Some("b"), "there"),
            endpoint("10.0.0.3", Some("c"), "there"),
        ];
        for endpoint in &mut endpoints {
            endpoint.ready = false;
        }
        let pod = |uid: &str, node: &str, ready| BackendPod {
            uid: uid.into(),
            name: uid.into(),
            labels: [("app".into(), "web".into())].into(),
            ips: Vec::new(),
            ready,
            node: Some(node.into()),
        };
        let pods = [
            pod("a", "here", false),
            pod("b", "there", false),
            pod("c", "there", false),
        ];
        let slices = [slice("web", endpoints)];
        let selector: LabelSelector = "app=web".parse().unwrap();
        for of in [
            &|node: &str| Portion::of_slices(&slices, "web", &Subset::Everything, node),
            &|node: &str| Portion::of_pods(&pods, &selector, node),
        ] as [&dyn Fn(&str) -> Portion; 2]
        {
            let portions = ["here", "there"].map(of).map(|it| (it.own, it.all));
            assert_eq!(portions, [(1, 3), (2, 3)]);
        }
        let one = [pod("a", "here", false), pod("b", "there", true)];
        let portion = Portion::of_pods(&one, &selector, "here");
        assert_eq!(
            (portion.own, portion.all),
            (0, 1),
            "once one is, only they count"
        );
    }
}
