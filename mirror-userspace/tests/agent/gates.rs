//! Readiness gates of pods that wait for their attachment.

use serde_json::{Value, json};

use crate::node::{NODE, Node, PODS, V1, Web};

const GATE: &str = "podmirror.io/attached";

/// The pod's object with a gate.
fn gated(web: &Web, labels: &[(&str, &str)]) -> Value {
    let mut pod = web.pod.object(NODE, labels);
    pod["spec"]["readinessGates"] = json!([{"conditionType": GATE}]);
    pod
}

/// Waits until the API has the pod's condition, and returns it.
fn opened(node: &Node, name: &str) -> Value {
    let condition = || {
        let pod = node.api.object(PODS, "default", name)?;
        let conditions = pod["status"]["conditions"].as_array()?.clone();
        conditions.into_iter().find(|it| it["type"] == GATE)
    };
    assert!(node.api.wait_until(|_| condition().is_some()), "{name}");
    condition().unwrap()
}

#[test]
fn a_gate_opens_once_the_pod_is_mirrored() {
    let node = Node::new();
    let agent = node.agent(&["--readiness-gate"]);
    node.wait_until_ready(&agent);
    let web = node.web("web", 30);
    let mut scheduled = gated(&web, V1);
    scheduled["status"] = json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "True"}],
    });
    node.api.apply(PODS, scheduled);
    let condition = opened(&node, "web");
    assert_eq!(condition["status"], "True");
    assert_eq!(condition["reason"], "Attached");
    node.request(&web, "/first");
    node.assert_mirrored(&agent, &["/first"]);
    // What others said of the pod stays.
    let pod = node.api.object(PODS, "default", "web").unwrap();
    assert_eq!(pod["status"]["phase"], "Pending");
    assert_eq!(pod["status"]["conditions"].as_array().unwrap().len(), 2);
    // It is written once, to this very pod.
    agent.wait_for("default/web: its readiness gate is open (Attached)", 1);
    let writes = node.api.writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(writes[0].path, "/api/v1/namespaces/default/pods/web/status");
    assert_eq!(writes[0].body["metadata"], json!({"uid": web.pod.uid()}));
    agent.stop(1);
}

/// A gate is no reason for a pod to be kept from its service.
#[test]
fn a_gate_opens_where_nothing_can_be_mirrored() {
    let node = Node::new();
    let agent = node.agent(&["--readiness-gate", "--gate-patience", "1s"]);
    let other = node.web("other", 30);
    node.api
        .apply(PODS, gated(&other, &[("app", "web"), ("version", "v2")]));
    assert_eq!(opened(&node, "other")["reason"], "NotSelected");
    // Nothing of it is on this node.
    let lost = node.web("lost", 31);
    let mut object = gated(&lost, V1);
    object["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    node.api.apply(PODS, object);
    let condition = opened(&node, "lost");
    assert_eq!(condition["reason"], "NotAttachedInTime");
    let message = condition["message"].as_str().unwrap();
    assert!(message.starts_with("not mirrored yet: "), "{message}");
    assert_eq!(agent.count("attached to "), 0);
    agent.stop(0);
}

#[test]
fn without_the_right_to_open_gates_all_is_mirrored_and_it_is_said() {
    let node = Node::new();
    node.api.forbid("/pods/web/status");
    let agent = node.agent(&["--readiness-gate"]);
    let web = node.web("web", 30);
    node.api.apply(PODS, gated(&web, V1));
    agent.wait_for(
        "readiness gates podmirror.io/attached can't be opened, so the pods that have one stay unready",
        1,
    );
    node.request(&web, "/first");
    node.assert_mirrored(&agent, &["/first"]);
    agent.stop(1);
}

#[test]
fn gates_are_left_alone_unless_a_flag_says_otherwise() {
    let node = Node::new();
    let agent = node.agent(&[]);
    let web = node.web("web", 30);
    node.api.apply(PODS, gated(&web, V1));
    agent.wait_until_attached("web", 1);
    node.wait_until_ready(&agent);
    node.request(&web, "/first");
    node.assert_mirrored(&agent, &["/first"]);
    assert_eq!(node.api.writes(), []);
    agent.stop(1);
}
