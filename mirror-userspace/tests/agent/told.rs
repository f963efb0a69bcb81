//! What people are told in the cluster: the status of TrafficMirrors, Events, and who writes them.

use std::path::Path;

use lab::{Mirror, Write};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    documents::{VIRTUAL_SERVICES, virtual_service, web_service},
    node::{Agent, Node},
    traffic_mirrors::{TRAFFIC_MIRRORS, mirror},
};

const LEASES: &str = "/apis/coordination.k8s.io/v1/leases";
pub(crate) const EVENTS: &str = "/apis/events.k8s.io/v1/events";

/// A node whose API takes all that is told.
pub(crate) fn node() -> Node {
    let node = Node::new();
    for kind in [TRAFFIC_MIRRORS, VIRTUAL_SERVICES, LEASES, EVENTS] {
        node.api.serve(kind);
    }
    node
}

/// A further agent, of another node, with an admin server of its own.
fn second_agent(node: &Node) -> Agent {
    let kubeconfig = node.scratch.path().join("kubeconfig");
    let socket = node.scratch.path().join("second.sock");
    let all = [
        env!("CARGO_BIN_EXE_podmirror"),
        "agent",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--node-name",
        "node-2",
        "--host-netns",
        node.lab.node.name(),
        "--admin-address",
        "127.0.0.1:9092",
        "--admin-socket",
        socket.to_str().unwrap(),
        "--watch-config",
    ];
    Agent(Mirror::start_command(&node.lab.node, Path::new("env"), &all, "mirroring ").unwrap())
}

pub(crate) fn status(node: &Node) -> Value {
    let object = node.api.object(TRAFFIC_MIRRORS, "default", "web");
    object.map_or(Value::Null, |mut it| it["status"].take())
}

/// The conditions, as `Accepted=True/Accepted`.
pub(crate) fn conditions(node: &Node) -> Vec<String> {
    let status = status(node);
    let all = status["conditions"].as_array().into_iter().flatten();
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let shown = |it| {
        format!(
            "{}={}/{}",
            text(it, "type"),
            text(it, "status"),
            text(it, "reason")
        )
    };
    all.map(shown).collect()
}

pub(crate) fn wait_for_conditions(node: &Node, agent: &Agent, expected: &[&str; 3]) {
    let there = node.api.wait_until(|_| conditions(node) == *expected);
    let is = status(node);
    assert!(there, "{expected:?}: {is:#}\n{}", agent.0.stderr());
}

/// Whether a time has the form that the API wants.
fn is_like(time: &str, form: &str) -> bool {
    let digits = |text: &str| text.replace(|one: char| one.is_ascii_digit(), "0");
    digits(time) == digits(form)
}

/// Who holds the Lease; nobody if it is empty.
fn holder(node: &Node) -> String {
    let lease = node.api.object(LEASES, "default", "podmirror");
    let holder = lease.and_then(|lease| Some(lease["spec"]["holderIdentity"].as_str()?.to_owned()));
    holder.unwrap_or_default()
}

pub(crate) fn writes(node: &Node, to: &str) -> Vec<Write> {
    let all = node.api.writes().into_iter();
    all.filter(|write| write.path.contains(to)).collect()
}

#[test]
fn a_mirrors_status_says_what_became_of_it() {
    let node = node();
    let (v1, v2) = web_service(&node);
    let mut first = mirror(&json!({}));
    first["metadata"]["generation"] = json!(7);
    first["metadata"]["uid"] = json!("uid-of-web");
    node.api.apply(TRAFFIC_MIRRORS, first);
    let agent = node.agent_with(&["--watch-config"]);
    agent.wait_until_attached("v1", 1);
    let good = [
        "Accepted=True/Accepted",
        "Attached=True/AllPods",
        "Degraded=False/AsExpected",
    ];
    wait_for_conditions(&node, &agent, &good);
    let told = status(&node);
    assert_eq!(told["observedGeneration"], 7, "{told:#}");
    // Not of another object that has come in its place: the API looks at no UID here.
    for write in writes(&node, "/status") {
        let version = &write.body["metadata"]["resourceVersion"];
        assert!(version.is_string(), "{write:#?}");
    }
    assert_eq!(told["pods"], json!({"selected": 1, "attached": 1}));
    assert_eq!(told["nodes"], 1);
    let since = told["conditions"][0]["lastTransitionTime"]
        .as_str()
        .unwrap();
    assert!(is_like(since, "2026-01-01T00:00:00Z"), "{since}");
    let lease = node.api.object(LEASES, "default", "podmirror").unwrap();
    let renewed = lease["spec"]["renewTime"].as_str().unwrap();
    assert!(is_like(renewed, "2026-01-01T00:00:00.000000Z"), "{renewed}");

    // Its own writes are no news to it, and while nothing changes nothing is written: not even though the Lease is
    // renewed meanwhile.
    node.request(&v1, "/copied");
    v2.wait_for(1);
    let renewals = writes(&node, "leases/podmirror").len();
    let before = node.api.writes().len();
    assert!(
        node.api
            .wait_until(|_| writes(&node, "leases/podmirror").len() >= renewals + 2)
    );
    let since = node.api.writes().split_off(before);
    let conditions_again = since.iter().filter(|write| {
        write.path.contains("trafficmirrors")
            && write.body["status"]["conditions"] != told["conditions"]
    });
    assert_eq!(conditions_again.count(), 0, "{since:#?}");
    assert_eq!(agent.count("mirrored to "), 1);
    assert_eq!(agent.count("goes on"), 0);

    node.api
        .apply(TRAFFIC_MIRRORS, mirror(&json!({"suspend": true})));
    let off = [
        "Accepted=True/Suspended",
        "Attached=False/Suspended",
        "Degraded=False/AsExpected",
    ];
    wait_for_conditions(&node, &agent, &off);
    agent.0.stop().unwrap();
}

#[test]
fn what_is_wrong_is_in_the_status_and_in_events() {
    let node = node();
    let (_v1, _v2) = web_service(&node);
    let nobody = json!([{"selector": {"matchLabels": {"version": "v9"}}, "port": 80}]);
    node.api
        .apply(TRAFFIC_MIRRORS, mirror(&json!({"targets": nobody})));
    let mut broken = virtual_service(100);
    broken["spec"]["http"][0]["mirror"]["host"] = json!(7);
    broken["metadata"]["uid"] = json!("uid-of-web");
    node.api.apply(VIRTUAL_SERVICES, broken);
    let agent = node.agent_with(&["--watch-config"]);
    let empty = [
        "Accepted=True/Accepted",
        "Attached=True/AllPods",
        "Degraded=True/NoEndpoint",
    ];
    wait_for_conditions(&node, &agent, &empty);
    let events = || node.api.objects(EVENTS);
    assert!(
        node.api.wait_until(|_| events().len() >= 2),
        "{:#?}",
        events()
    );
    let of = |kind: &str| {
        let mut events = events().into_iter();
        events
            .find(|event| event["regarding"]["kind"] == kind)
            .unwrap()
    };
    let event = of("VirtualService");
    assert_eq!(event["reason"], "Invalid", "{event:#}");
    let note = event["note"].as_str().unwrap();
    assert!(note.starts_with("spec.http[0].mirror.host: "), "{note}");
    assert_eq!(event["regarding"]["uid"], "uid-of-web");
    assert_eq!(event["metadata"]["namespace"], "default");
    let time = event["eventTime"].as_str().unwrap();
    assert!(is_like(time, "2026-01-01T00:00:00.000000Z"), "{time}");
    let event = of("TrafficMirror");
    assert_eq!(event["reason"], "NoEndpoint", "{event:#}");
    assert!(
        event["note"]
            .as_str()
            .unwrap()
            .contains("no endpoint is ready")
    );

    let elsewhere = json!([{"service": "v2", "namespace": "bank"}]);
    node.api
        .apply(TRAFFIC_MIRRORS, mirror(&json!({"targets": elsewhere})));
    let refused = [
        "Accepted=False/TargetRefused",
        "Attached=False/NotAccepted",
        "Degraded=False/AsExpected",
    ];
    wait_for_conditions(&node, &agent, &refused);
    let why = status(&node)["conditions"][0]["message"].to_string();
    assert!(why.contains("spec.targets[0]"), "{why}");
    assert!(
        node.api.wait_until(|_| events().len() >= 3),
        "{:#?}",
        events()
    );
    let counted = r#"podmirror_documents_refused{namespace="default",reason="target"}"#;
    node.wait_for_metric(&agent, counted, Some("1"));
    agent.0.stop().unwrap();
}

#[test]
fn one_agent_tells_and_another_takes_over_when_it_dies() {
    let node = node();
    let (_v1, _v2) = web_service(&node);
    node.api.apply(TRAFFIC_MIRRORS, mirror(&json!({})));
    let first = node.agent_with(&["--watch-config"]);
    let good = [
        "Accepted=True/Accepted",
        "Attached=True/AllPods",
        "Degraded=False/AsExpected",
    ];
    wait_for_conditions(&node, &first, &good);
    assert!(holder(&node).starts_with("node-1-"), "{}", holder(&node));
    let second = second_agent(&node);
    second.wait_for("mirrored to ", 1);
    let asked = |_: &_| {
        let asked = node.api.requests();
        let reads = asked.iter().filter(|it| it.contains("/leases/podmirror"));
        // Each read of the first one is fresh; that of a candidate may be a little old.
        reads.filter(|it| it.contains("resourceVersion=0")).count() >= 2
    };
    assert!(node.api.wait_until(asked), "the second one looks, too");
    let told = status(&node);
    let ours = writes(&node, "/status").len();

    // Killed: it gives nothing back.
    first.0.signal(Signal::SIGKILL).unwrap();
    let taken = |_: &_| holder(&node).starts_with("node-2-");
    assert!(
        node.api.wait_until(taken),
        "{}\n{}",
        holder(&node),
        second.0.stderr()
    );
    // It knows of the pod by the first one's note, finds told what it would tell, and tells no more than that.
    let read = |_: &_| {
        let asked = node.api.requests();
        asked
            .iter()
            .filter(|it| it.contains("labelSelector=podmirror.io"))
            .count()
            >= 2
    };
    assert!(node.api.wait_until(read));
    let since = writes(&node, "/status").split_off(ours);
    assert!(
        since
            .iter()
            .all(|write| write.body["status"]["conditions"] == told["conditions"]),
        "{since:#?}"
    );
    // What changes, it tells.
    node.api
        .apply(TRAFFIC_MIRRORS, mirror(&json!({"suspend": true})));
    let off = [
        "Accepted=True/Suspended",
        "Attached=False/Suspended",
        "Degraded=False/AsExpected",
    ];
    wait_for_conditions(&node, &second, &off);
    // Ended in order, it gives the Lease back at once.
    second.0.stop().unwrap();
    assert_eq!(holder(&node), "");
}

#[test]
fn without_the_rights_for_it_all_is_mirrored_and_it_is_said_once() {
    let node = node();
    let (v1, v2) = web_service(&node);
    for what in ["/status", "/events"] {
        node.api.forbid(what);
    }
    let nobody = json!([
        {"selector": {"matchLabels": {"version": "v2"}}, "port": 80},
        {"selector": {"matchLabels": {"version": "v9"}}, "port": 80},
    ]);
    node.api
        .apply(TRAFFIC_MIRRORS, mirror(&json!({"targets": nobody})));
    let agent = node.agent_with(&["--watch-config"]);
    agent.wait_until_attached("v1", 1);
    agent.wait_for("the status of TrafficMirrors can't be written", 1);
    agent.wait_for("Events can't be written", 1);
    node.wait_until_ready(&agent);
    node.request(&v1, "/copied");
    v2.wait_for(1);
    let renewals = writes(&node, "leases/podmirror").len();
    assert!(
        node.api
            .wait_until(|_| writes(&node, "leases/podmirror").len() >= renewals + 2)
    );
    assert_eq!(agent.count("can't be written"), 2, "{}", agent.0.stderr());
    agent.0.stop().unwrap();
}

#[test]
fn a_namespace_that_takes_no_events_keeps_no_other_from_them() {
    let node = node();
    let (_v1, _v2) = web_service(&node);
    // As one does that is being deleted.
    node.api.forbid("/namespaces/bank/");
    let namespaces = ["bank", "default", "shop", "warehouse"];
    for namespace in namespaces {
        let mut broken = virtual_service(100);
        broken["spec"]["http"][0]["mirror"]["host"] = json!(7);
        broken["metadata"]["namespace"] = json!(namespace);
        node.api.apply(VIRTUAL_SERVICES, broken);
    }
    let agent = node.agent_with(&["--watch-config"]);
    let told = |namespace: &str| {
        let events = node.api.objects(EVENTS);
        let of = |event: &Value| event["metadata"]["namespace"] == namespace;
        events.iter().any(of)
    };
    let others = |_: &_| namespaces[1..].iter().all(|namespace| told(namespace));
    assert!(node.api.wait_until(others), "{}", agent.0.stderr());
    assert!(!told("bank"));
    assert_eq!(agent.count("can't be written"), 0, "{}", agent.0.stderr());
    agent.0.stop().unwrap();
}

#[test]
fn who_may_not_elect_or_does_not_want_to_tells_nothing() {
    let node = node();
    let (v1, v2) = web_service(&node);
    node.api.forbid("/leases");
    node.api.apply(TRAFFIC_MIRRORS, mirror(&json!({})));
    let agent = node.agent_with(&["--watch-config"]);
    agent.wait_until_attached("v1", 1);
    agent.wait_for("Leases in the agent's namespace can't be written", 1);
    node.wait_until_ready(&agent);
    node.request(&v1, "/copied");
    v2.wait_for(1);
    agent.0.stop().unwrap();
    assert_eq!(status(&node), Value::Null);

    let before = node.api.requests().len();
    let agent = node.agent_with(&["--watch-config", "--cluster-status", "off"]);
    agent.wait_until_attached("v1", 1);
    node.request(&v1, "/again");
    v2.wait_for(2);
    let asked = node.api.requests().split_off(before);
    assert!(!asked.iter().any(|it| it.contains("/leases")), "{asked:?}");
    agent.0.stop().unwrap();
}
