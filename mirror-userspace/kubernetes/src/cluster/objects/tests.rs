//! Objects as the API sends them, and what is kept of them.

use mirror_core::destination::Labels;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn read<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn of_a_pod_is_kept_what_decides_where_it_is_mirrored() {
    let view = pod_view(read(json!({
        "metadata": {
            "namespace": "default", "name": "web-0", "uid": "u-1",
            "labels": {"app": "web"},
            "annotations": {"kubernetes.io/config.mirror": "h4sh", "other": "x"},
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "hostNetwork": true,
            "containers": [
                {"name": "a", "ports": [
                    {"name": "http", "containerPort": 8080},
                    {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                    {"containerPort": 9000},
                ]},
                {"name": "b", "ports": [{"name": "http", "containerPort": 8081}]},
            ],
            "initContainers": [
                {"name": "once", "ports": [{"name": "setup", "containerPort": 1}]},
                {"name": "sidecar", "restartPolicy": "Always",
                 "ports": [{"name": "proxy", "containerPort": 15001}]},
            ],
        },
        "status": {
            "phase": "Running", "podIP": "10.0.0.9",
            "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
        },
    })));
    let port = |name: &str, number| (name.to_owned(), number);
    let expected = PodView {
        uid: PodUid("u-1".into()),
        namespace: "default".into(),
        name: "web-0".into(),
        labels: Labels::from([("app".into(), "web".into())]),
        phase: Phase::Running,
        host_network: true,
        ips: ips(&["10.0.0.1", "fd00::1"]),
        deleting: true,
        static_hash: Some("h4sh".into()),
        gate_open: None,
        ports: [port("http", 8080), port("proxy", 15001)].into(),
    };
    assert_eq!(view, expected);
}

#[test]
fn a_pod_that_is_not_scheduled_has_little() {
    let view = pod_view(read(json!({"metadata": {"name": "new", "uid": "u"}})));
    assert_eq!((view.phase, view.ips), (Phase::Pending, Vec::new()));
    let old = json!({"metadata": {}, "status": {"phase": "Odd", "podIP": "10.0.0.9"}});
    let view = pod_view(read(old));
    assert_eq!((view.phase, view.ips), (Phase::Unknown, ips(&["10.0.0.9"])));
}

#[test]
fn a_readiness_gate_is_open_by_its_condition() {
    let gate = |gate: &str, conditions: Value| {
        let pod = pod_view(read(json!({
            "metadata": {"name": "web", "uid": "u"},
            "spec": {"containers": [], "readinessGates": [{"conditionType": gate}]},
            "status": {"conditions": conditions},
        })));
        pod.gate_open
    };
    let condition = |status: &str| json!([{"type": "podmirror.io/attached", "status": status}]);
    assert_eq!(gate("other", condition("True")), None);
    assert_eq!(gate("podmirror.io/attached", json!([])), Some(false));
    assert_eq!(
        gate("podmirror.io/attached", condition("False")),
        Some(false)
    );
    assert_eq!(gate("podmirror.io/attached", condition("True")), Some(true));
}

#[test]
fn a_backend_is_ready_if_it_runs_and_says_so_and_is_not_on_its_way_out() {
    let pod = |phase: &str, ready: &str, deleting: Value| {
        backend_pod(read(json!({
            "metadata": {"name": "v2", "uid": "u", "deletionTimestamp": deleting},
            "status": {
                "phase": phase, "podIPs": [{"ip": "10.0.0.1"}, {"ip": "no address"}],
                "conditions": [{"type": "Initialized", "status": "True"},
                               {"type": "Ready", "status": ready}],
            },
        })))
    };
    let ready = pod("Running", "True", Value::Null);
    assert!(ready.ready);
    assert_eq!(ready.ips, ips(&["10.0.0.1"]));
    assert!(!pod("Running", "False", Value::Null).ready);
    assert!(!pod("Failed", "True", Value::Null).ready);
    assert!(!pod("Running", "True", "2026-01-01T00:00:00Z".into()).ready);
    assert!(!backend_pod(read(json!({"metadata": {}}))).ready);
}

#[test]
fn of_a_service_are_kept_its_selector_and_tcp_ports() {
    let view = service_view(read(json!({
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {
            "selector": {"app": "web"},
            "ports": [
                {"name": "http", "port": 80, "targetPort": "named", "protocol": "TCP"},
                {"name": "alt", "port": 81, "targetPort": 8081},
                {"name": "same", "port": 82},
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "odd", "port": 70000},
            ],
        },
    })));
    assert_eq!(view.service.name, "web");
    assert_eq!(view.selector, Labels::from([("app".into(), "web".into())]));
    let port = |name: &str, port, target| ServicePort {
        name: name.to_owned(),
        port,
        target,
    };
    let expected = [
        port("http", 80, TargetPort::Name("named".into())),
        port("alt", 81, TargetPort::Number(8081)),
        port("same", 82, TargetPort::Number(82)),
    ];
    assert_eq!(view.ports, expected);
}

#[test]
fn of_a_slice_are_kept_addresses_and_who_they_are() {
    let view = slice_view(read(json!({
        "metadata": {
            "namespace": "default", "name": "web-x7",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": [
            {"name": "http", "port": 8080, "protocol": "TCP"},
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "any"},
        ],
        "endpoints": [
            {"addresses": ["10.0.0.1", "10.0.0.2"],
             "targetRef": {"kind": "Pod", "name": "web-0", "uid": "u-1"}},
            {"addresses": ["10.0.0.3"], "conditions": {"ready": false, "serving": true}},
            {"addresses": ["10.0.0.4"], "targetRef": {"kind": "Node", "name": "n"}},
            {"addresses": ["10.0.0.5"],
             "targetRef": {"kind": "Pod", "namespace": "default", "name": "web-1"}},
            {"addresses": ["10.0.0.6"],
             "targetRef": {"kind": "Pod", "namespace": "other", "name": "web-2"}},
            {"addresses": ["v2.example.com"]},
        ],
    })));
    assert_eq!(
        (view.name.as_str(), view.service.as_str()),
        ("web-x7", "web")
    );
    let http = SlicePort {
        name: "http".into(),
        port: 8080,
    };
    assert_eq!(view.ports, [http]);
    let endpoint = |ip: &str, ready, pod: Option<(&str, Option<&str>)>| SliceEndpoint {
        ip: ip.parse().unwrap(),
        ready,
        pod_name: pod.map(|(name, _)| name.to_owned()),
        pod_uid: pod.and_then(|(_, uid)| uid).map(ToOwned::to_owned),
        node: None,
    };
    let expected = [
        endpoint("10.0.0.1", true, Some(("web-0", Some("u-1")))),
        endpoint("10.0.0.3", false, None),
        endpoint("10.0.0.4", true, None),
        endpoint("10.0.0.5", true, Some(("web-1", None))),
        // A pod of another namespace is no pod of this service.
        endpoint("10.0.0.6", true, None),
    ];
    assert_eq!(view.endpoints, expected);
}

#[test]
fn a_name_outside_of_the_cluster_has_no_pods_and_no_ports() {
    let view = service_view(read(json!({
        "metadata": {"namespace": "default", "name": "out"},
        "spec": {
            "type": "ExternalName", "externalName": "localhost",
            "selector": {"app": "web"},
            "ports": [{"port": 80}],
        },
    })));
    assert!(
        view.selector.is_empty() && view.ports.is_empty(),
        "{view:?}"
    );
}

/// None of these comes through an API server. In a log, a metric or a path they would be something else.
#[test]
fn names_that_are_none_are_made_harmless() {
    for (name, shown) in [
        ("web-0", "web-0"),
        ("web.v1_2", "web.v1_2"),
        ("a\nERROR b", "a?ERROR?b"),
        ("a\"b\\c", "a?b?c"),
        ("../../etc/x", "??????etc?x"),
        ("a..b", "a??b"),
        ("\u{1b}[2J", "??2J"),
    ] {
        let pod = json!({"metadata": {"namespace": name, "name": name, "uid": "u"}});
        let view = pod_view(read(pod.clone()));
        assert_eq!(view.full_name(), format!("{shown}/{shown}"));
        assert_eq!(backend_pod(read(pod)).name, shown);
        let service = json!({"metadata": {"namespace": name, "name": name}});
        assert_eq!(service_view(read(service)).service.name, shown);
    }
    assert_eq!(plain("x".repeat(1_000)).len(), 253);
}
