//! Services, slices and pods, and the addresses that follow.

use mirror_core::destination::ServiceRef;

use super::*;
use crate::cluster::service::TargetPort;

fn service(ports: &[(&str, u16)]) -> ServiceView {
    ServiceView {
        service: ServiceRef {
            namespace: "default".into(),
            name: "web".into(),
        },
        selector: Labels::new(),
        ports: ports
            .iter()
            .map(|(name, port)| ServicePort {
                name: (*name).to_owned(),
                port: *port,
                target: TargetPort::Name("somewhere".into()),
            })
            .collect(),
    }
}

fn slice(of: &str, ports: &[(&str, u16)], endpoints: &[SliceEndpoint]) -> SliceView {
    SliceView {
        name: "web-x".into(),
        service: of.into(),
        ports: ports
            .iter()
            .map(|(name, port)| SlicePort {
                name: (*name).to_owned(),
                port: *port,
            })
            .collect(),
        endpoints: endpoints.to_vec(),
    }
}

fn ready(ip: &str) -> SliceEndpoint {
    SliceEndpoint {
        ip: ip.parse().unwrap(),
        ready: true,
        pod_uid: None,
        pod_name: None,
        node: None,
    }
}

fn of_pod(ip: &str, name: &str, uid: Option<&str>) -> SliceEndpoint {
    SliceEndpoint {
        pod_uid: uid.map(ToOwned::to_owned),
        pod_name: Some(name.to_owned()),
        ..ready(ip)
    }
}

fn labels(version: &str) -> Labels {
    [("version".into(), version.into())].into()
}

fn pod(name: &str, version: &str, ips: &[&str]) -> BackendPod {
    BackendPod {
        uid: format!("uid-{name}"),
        name: name.into(),
        labels: labels(version),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        ready: true,
        node: None,
    }
}

fn addresses(endpoints: &Endpoints) -> Vec<String> {
    let addresses = endpoints.addresses.iter();
    addresses.map(ToString::to_string).collect()
}

#[test]
fn a_service_port_is_found_by_number_and_then_by_name_in_each_slice() {
    let web = service(&[("metrics", 9090), ("http", 80)]);
    let slices = [
        slice(
            "web",
            &[("http", 8080), ("metrics", 9000)],
            &[ready("10.0.0.2")],
        ),
        // Pods that give the port's name another number have a slice of their own.
        slice(
            "web",
            &[("metrics", 9000), ("http", 3000)],
            &[ready("10.0.0.1")],
        ),
        slice(
            "web",
            &[("http", 8080)],
            &[ready("fd00::2"), ready("fd00::2")],
        ),
        slice("web", &[("metrics", 9000)], &[ready("10.0.0.7")]),
        slice("other", &[("http", 8080)], &[ready("10.0.0.8")]),
    ];
    let at = |port| Endpoints::of_service(Some(&web), port, &slices, &Subset::Everything);
    assert_eq!(
        addresses(&at(Some(80))),
        ["10.0.0.1:3000", "10.0.0.2:8080", "[fd00::2]:8080"]
    );
    assert_eq!(at(None), at(Some(9090)), "the first port stands for none");
    assert_eq!(at(Some(81)), Endpoints::none(Problem::NoPort));
    assert_eq!(at(Some(80)).problem, None);
}

#[test]
fn the_only_port_needs_no_name() {
    let slices = [slice("web", &[("", 8080)], &[ready("10.0.0.1")])];
    let web = service(&[("", 80)]);
    let found = Endpoints::of_service(Some(&web), Some(80), &slices, &Subset::Everything);
    assert_eq!(addresses(&found), ["10.0.0.1:8080"]);
}

#[test]
fn what_is_not_ready_gets_no_copies() {
    let mut starting = ready("10.0.0.1");
    starting.ready = false;
    let slices = [slice("web", &[("", 8080)], &[starting])];
    let web = service(&[("", 80)]);
    let found = Endpoints::of_service(Some(&web), None, &slices, &Subset::Everything);
    assert_eq!(found, Endpoints::none(Problem::NoneReady));
    let found = Endpoints::of_service(None, None, &slices, &Subset::Everything);
    assert_eq!(found, Endpoints::none(Problem::NoService));
}

#[test]
fn a_subset_is_the_endpoints_whose_pods_have_its_labels() {
    let pods = [
        pod("a", "v1", &[]),
        pod("b", "v2", &[]),
        pod("c", "v2", &[]),
    ];
    let slices = [slice(
        "web",
        &[("", 80)],
        &[
            of_pod("10.0.0.1", "a", Some("uid-a")),
            of_pod("10.0.0.2", "b", Some("uid-b")),
            // The pod that had the name before: the slice is behind.
            of_pod("10.0.0.3", "c", Some("uid-of-the-last-c")),
            of_pod("10.0.0.4", "c", None),
            ready("10.0.0.5"),
        ],
    )];
    let web = service(&[("", 80)]);
    let of = |labels: &Labels| {
        let subset = Subset::with_labels(labels, &pods);
        addresses(&Endpoints::of_service(Some(&web), None, &slices, &subset))
    };
    assert_eq!(of(&labels("v2")), ["10.0.0.2:80", "10.0.0.4:80"]);
    assert_eq!(of(&labels("v3")), [""; 0]);
    assert_eq!(of(&Labels::new()).len(), 5);
}

#[test]
fn pods_are_meant_at_all_of_their_addresses() {
    let mut starting = pod("c", "v2", &["10.0.0.3"]);
    starting.ready = false;
    let pods = [
        pod("b", "v2", &["10.0.0.2", "fd00::2"]),
        pod("a", "v1", &["10.0.0.1"]),
        starting,
    ];
    let of = |version| Endpoints::of_pods(&pods, &LabelSelector::of(&labels(version)), 8080);
    assert_eq!(addresses(&of("v2")), ["10.0.0.2:8080", "[fd00::2]:8080"]);
    assert_eq!(of("v3"), Endpoints::none(Problem::NoneReady));
    let all = Endpoints::of_pods(&pods, &LabelSelector::default(), 8080);
    assert_eq!(all.addresses.len(), 3);
}

/// What a tenant may write in a slice, and which of it a document's copies go to.
#[test]
fn an_endpoint_is_a_pod_if_the_pod_has_its_address() {
    let web = service(&[("http", 80)]);
    let pods = [
        pod("a", "v1", &["10.0.0.1", "fd00::1"]),
        pod("b", "v2", &["10.0.0.2"]),
    ];
    let consent = |globs: &[&str]| Consent {
        external_targets: globs.iter().map(|glob| glob.parse().unwrap()).collect(),
        ..Consent::default()
    };
    let proven = |endpoint: SliceEndpoint, labels: &Labels, consent: &Consent| {
        let slices = [slice("web", &[("http", 8080)], &[endpoint])];
        let subset = Subset::proven(labels, &pods, consent);
        let found = Endpoints::of_service(Some(&web), None, &slices, &subset);
        (addresses(&found).concat(), found.problem)
    };
    let none = Consent::default();
    for (endpoint, expected) in [
        (of_pod("10.0.0.1", "a", None), "10.0.0.1:8080"),
        (of_pod("10.0.0.1", "a", Some("uid-a")), "10.0.0.1:8080"),
        (of_pod("fd00::1", "a", Some("uid-a")), "[fd00::1]:8080"),
        (ready("10.0.0.1"), ""),
        (ready("127.0.0.1"), ""),
        (of_pod("127.0.0.1", "a", None), ""),
        (of_pod("169.254.169.254", "a", Some("uid-a")), ""),
        (of_pod("10.0.0.2", "a", Some("uid-a")), ""),
        (of_pod("::ffff:10.0.0.1", "a", Some("uid-a")), ""),
        (of_pod("10.0.0.1", "a", Some("uid-gone")), ""),
        (of_pod("10.0.0.1", "gone", None), ""),
    ] {
        let shown = format!("{endpoint:?}");
        let problem = expected.is_empty().then_some(Problem::NotPods);
        let got = proven(endpoint, &Labels::new(), &none);
        assert_eq!(got, (expected.to_owned(), problem), "{shown}");
    }
    // The operator may allow an address, to a service; a subset is pods with labels.
    let allowed = consent(&["10.9.*", "fd99::*"]);
    let all = Labels::new();
    assert_eq!(proven(ready("10.9.0.1"), &all, &allowed).0, "10.9.0.1:8080");
    assert_eq!(proven(ready("fd99::1"), &all, &allowed).0, "[fd99::1]:8080");
    assert_eq!(
        proven(ready("::ffff:10.9.0.1"), &all, &allowed).0,
        "[::ffff:10.9.0.1]:8080"
    );
    assert_eq!(proven(ready("10.8.0.1"), &all, &allowed).0, "");
    let v1 = labels("v1");
    assert_eq!(
        proven(of_pod("10.0.0.1", "a", None), &v1, &none).0,
        "10.0.0.1:8080"
    );
    for other in [of_pod("10.0.0.2", "b", None), ready("10.9.0.1")] {
        let nothing = (String::new(), Some(Problem::NoneReady));
        assert_eq!(proven(other, &v1, &allowed), nothing);
    }
}
