//! Whole pages: rules, pods and names of all kinds.

use std::time::Duration;

use mirror_core::{counters::TargetCounters, verdict::Terms};

use super::owner::mirror;
use crate::admin::{
    DocumentsRefused, PodState, ShownPod, ShownWatch, Snapshot, metrics::of_server, render,
    tests::exposition,
};

fn pod(rule: &str, name: &str, state: PodState) -> ShownPod {
    ShownPod {
        namespace: "default".into(),
        name: name.into(),
        rule: rule.into(),
        state,
    }
}

#[test]
fn names_that_users_choose_are_escaped() {
    let rule = "deny-path ~^/\"a\\d+\"\nx{y=\"1\"} 5";
    let target = "http://v2,\u{e9}\u{0}";
    let snapshot = Snapshot {
        mirrors: vec![mirror(rule, target)],
        pods: vec![pod(rule, "web\\", PodState::Attached)],
        watches: vec![ShownWatch {
            kind: "\"".into(),
            healthy: true,
            errors: 0,
        }],
        rules_stopped: vec![rule.into()],
        documents_refused: vec![refused("a\"b\nc", 1)],
        unclaimed_records: 7,
    };
    let page = exposition::read(&render(&snapshot)).unwrap();
    let unclaimed = page.value("podmirror_ring_unclaimed_records_total", &[]);
    assert_eq!(unclaimed, Some(7.0));
    let labels = [("namespace", "a\"b\nc"), ("reason", "source")];
    let count = page.value("podmirror_documents_refused", &labels);
    assert_eq!(count, Some(1.0));
    let stopped = page.value("podmirror_rule_stopped", &[("rule", rule)]);
    assert_eq!(stopped, Some(1.0));
    let labels = [("rule", rule), ("target", target)];
    assert_eq!(page.value("podmirror_requests_pending", &labels), Some(0.0));
    let labels = [("rule", rule), ("namespace", "default"), ("pod", "web\\")];
    assert_eq!(page.value("podmirror_pod_attached", &labels), Some(1.0));
}

#[test]
fn pods_are_counted_by_state_and_shown_by_name() {
    let snapshot = Snapshot {
        mirrors: vec![mirror("a", "http://v2"), mirror("b", "http://v2")],
        pods: vec![
            pod("a", "web-0", PodState::Attached),
            // Its successor, before it is gone.
            pod("a", "web-0", PodState::Waiting),
            pod("a", "web-1", PodState::Failed),
            pod("b", "web-0", PodState::HostNetwork),
            // Of a rule that is not there (any more).
            pod("c", "web-0", PodState::Attached),
        ],
        ..Snapshot::default()
    };
    let page = exposition::read(&render(&snapshot)).unwrap();
    let pods = |rule, state: PodState| {
        page.value("podmirror_pods", &[("rule", rule), ("state", state.name())])
            .unwrap()
    };
    assert_eq!(
        PodState::ALL.map(|state| pods("a", state)),
        [1.0, 1.0, 1.0, 0.0]
    );
    assert_eq!(
        PodState::ALL.map(|state| pods("b", state)),
        [0.0, 0.0, 0.0, 1.0]
    );
    let attached = |rule, pod| {
        let labels = [("rule", rule), ("namespace", "default"), ("pod", pod)];
        page.value("podmirror_pod_attached", &labels)
    };
    assert_eq!(attached("a", "web-0"), Some(1.0));
    assert_eq!(attached("a", "web-1"), Some(0.0));
    assert_eq!(attached("b", "web-0"), Some(0.0));
    assert_eq!(attached("c", "web-0"), None);
    assert_eq!(
        page.value("podmirror_metrics_omitted", &[("of", "pods")]),
        Some(1.0)
    );
}

#[test]
fn too_many_rules_pods_and_twins_are_counted_and_left_out() {
    let rules = (0..100).map(|rule| format!("rule {}", rule % 90));
    let pods = (0..600).map(|number| pod("rule 0", &format!("web-{number}"), PodState::Attached));
    let watch = |kind: &str| ShownWatch {
        kind: kind.into(),
        healthy: false,
        errors: 3,
    };
    let snapshot = Snapshot {
        mirrors: rules.map(|rule| mirror(&rule, "http://v2")).collect(),
        pods: pods.collect(),
        watches: vec![watch("pods"), watch("pods"), watch("services")],
        ..Snapshot::default()
    };
    let text = render(&snapshot);
    let page = exposition::read(&text).unwrap();
    let omitted = |of| {
        page.value("podmirror_metrics_omitted", &[("of", of)])
            .unwrap()
    };
    assert_eq!((omitted("rules"), omitted("pods")), (36.0, 88.0));
    assert_eq!(
        page.value("podmirror_watch_errors_total", &[("kind", "pods")]),
        Some(3.0)
    );
    assert_eq!(
        page.value("podmirror_watch_up", &[("kind", "services")]),
        Some(0.0)
    );
    let per_rule = page
        .0
        .keys()
        .filter(|(_, labels)| labels.get("rule").is_some_and(|rule| rule == "rule 1"));
    let series = per_rule.count();
    assert!(series <= 270, "{series} series for a rule with one target");
}

#[test]
fn durations_lie_in_their_buckets() {
    let mut counters = TargetCounters::default();
    for ms in [1, 2, 3, 40_000] {
        counters.lag.record(Duration::from_millis(ms));
    }
    counters.latency.record(Duration::from_micros(1));
    let mut mirror = mirror("flags", "http://v2");
    mirror.counted.targets = vec![counters];
    let snapshot = Snapshot {
        mirrors: vec![mirror],
        ..Snapshot::default()
    };
    let page = exposition::read(&render(&snapshot)).unwrap();
    let of = |name: &str, le: Option<&str>| {
        let labels = [("rule", "flags"), ("target", "http://v2")];
        let labels: Vec<_> = labels.into_iter().chain(le.map(|le| ("le", le))).collect();
        page.value(&format!("podmirror_{name}"), &labels).unwrap()
    };
    let lag = |le| of("mirror_lag_seconds_bucket", Some(le));
    assert_eq!(lag("0.000131072"), 0.0);
    assert_eq!(lag("0.001048576"), 1.0);
    assert_eq!(lag("0.002097152"), 2.0);
    assert_eq!(lag("0.004194304"), 3.0);
    assert_eq!(lag("34.359738368"), 3.0);
    assert_eq!(lag("+Inf"), 4.0);
    assert!((of("mirror_lag_seconds_sum", None) - 40.006).abs() < 1e-9);
    assert_eq!(of("mirror_lag_seconds_count", None), 4.0);
    assert_eq!(of("reply_latency_seconds_bucket", Some("0.000131072")), 1.0);
}

#[test]
fn the_documentation_has_every_metric_with_its_type() {
    let documented = include_str!("../../../../docs/ADMIN.md");
    let watch = ShownWatch {
        kind: "pods".into(),
        healthy: true,
        errors: 0,
    };
    let mut compares = mirror("flags", "http://v2");
    compares.names.terms = Some(Terms::default());
    compares.counted.targets[0].grpc_status.ok = 1;
    compares.cap = Some(2.5);
    let snapshot = Snapshot {
        mirrors: vec![compares],
        pods: vec![pod("flags", "web-0", PodState::Attached)],
        watches: vec![watch],
        rules_stopped: vec!["HTTPRoute default/web rules[0]".into()],
        documents_refused: vec![refused("a", 1)],
        unclaimed_records: 0,
    };
    let text = render(&snapshot) + &of_server(0, 0);
    let labels = r#"{rule="flags",target="http://v2"}"#;
    let cap = format!("podmirror_target_cap_copies_per_second{labels} 2.5\n");
    assert!(text.contains(&cap), "{text}");
    let mut families = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(
            documented.contains(&format!("| `{name}` | {kind} |")),
            "{line}"
        );
        families += 1;
    }
    assert_eq!(
        documented.matches("\n| `podmirror_").count(),
        families,
        "and no others"
    );
}

fn refused(namespace: &str, count: u64) -> DocumentsRefused {
    DocumentsRefused {
        namespace: namespace.to_owned(),
        reason: "source",
        count,
    }
}

#[test]
fn stopped_rules_are_bounded() {
    let snapshot = Snapshot {
        rules_stopped: (10..80).map(|number| format!("r{number}")).collect(),
        ..Snapshot::default()
    };
    let page = exposition::read(&render(&snapshot)).unwrap();
    let value = |rule: &str| page.value("podmirror_rule_stopped", &[("rule", rule)]);
    assert_eq!((value("r73"), value("r74")), (Some(1.0), None));
    let omitted = page.value("podmirror_metrics_omitted", &[("of", "rules")]);
    assert_eq!(omitted, Some(6.0));
}

#[test]
fn namespaces_with_refused_documents_are_bounded() {
    let namespaces = (0..70).map(|number| refused(&format!("n{number}"), 1 + number));
    let snapshot = Snapshot {
        documents_refused: namespaces.collect(),
        ..Snapshot::default()
    };
    let page = exposition::read(&render(&snapshot)).unwrap();
    let value = |namespace: &str| {
        let labels = [("namespace", namespace), ("reason", "source")];
        page.value("podmirror_documents_refused", &labels)
    };
    assert_eq!(value("n63"), Some(64.0));
    assert_eq!(value("n64"), None);
    let omitted = page.value("podmirror_metrics_omitted", &[("of", "namespaces")]);
    assert_eq!(omitted, Some(6.0));
}
