//! Limits that change while a rule goes on. Caps hold for all nodes together: a node has the part of them that it has of
//! the ready source pods.

use std::{
    thread,
    time::{Duration, Instant},
};

use lab::{Family, RawClient};
use serde_json::{Value, json};

use crate::{
    documents::{SERVICES, SLICES, service, slice_of},
    node::{Agent, NODE, Node, PODS, V1, Web, get},
    traffic_mirrors::{TRAFFIC_MIRRORS, mirror},
};

/// A pod of another node, which is only told of.
fn pod_elsewhere(name: &str, node: &str, ready: bool) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": "default",
            "name": name,
            "uid": format!("uid-{name}"),
            "labels": {"app": "web", "version": "v1"},
        },
        "spec": {"nodeName": node, "containers": [{"name": "web"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
        },
    })
}

/// Between two requests: so many come that three times the part of the cap would be seen, and so few that they take long
/// enough for it.
const PACE: Duration = Duration::from_millis(15);

/// How many of these requests are copied, and how long it took until the last copy was there.
fn copied(node: &Node, web: &Web, requests: usize) -> (usize, Duration) {
    let start = Instant::now();
    let before = node.v2.requests().len();
    let mut client: RawClient = node.connect(web, Family::V4);
    for number in 0..requests {
        get(&mut client, &format!("/{number}"));
        thread::sleep(PACE);
    }
    node.v2
        .wait_until_quiet(Duration::from_millis(500), Duration::from_secs(60));
    (node.v2.requests().len() - before, start.elapsed())
}

/// Waits until the metrics say that this rule's target gets so much from this node at most.
fn wait_for_cap(node: &Node, agent: &Agent, rule: &str, most: u32) {
    let begins = format!("podmirror_target_cap_copies_per_second{{rule=\"{rule}\",");
    let ends = format!(" {most}");
    let mut page = String::new();
    for _ in 0..300 {
        page = node.admin("GET", "/metrics", "").1;
        let caps = page.lines().filter(|line| line.starts_with(&begins));
        if caps.map(|line| line.ends_with(&ends)).eq([true]) {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{rule}: not {most}\n{page}\n{}", agent.0.stderr());
}

fn assert_not_restarted(agent: &Agent) {
    for word in [
        ": detached",
        "has ended",
        "the rule is gone, or has changed",
    ] {
        assert_eq!(agent.count(word), 0, "{}", agent.0.stderr());
    }
}

#[test]
fn a_node_with_one_of_three_pods_sends_a_third_and_another_part_when_pods_move() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let begun = Instant::now();
    node.api.apply(PODS, pod_elsewhere("two", "node-2", true));
    node.api.apply(PODS, pod_elsewhere("three", "node-3", true));
    let agent = node.agent(&["--max-rps", "30"]);
    agent.wait_until_attached("web", 1);
    agent.wait_for(
        "flags: 1 of 3 ready pods here: at most 10.00 copies/s to each target",
        1,
    );
    node.wait_until_ready(&agent);
    let (copies, took) = copied(&node, &web, 300);
    // A tenth of a second's worth, but at least one copy, may be saved up by each shard. The whole cap would be 30.
    let most = 10.0 * took.as_secs_f64() + 8.0;
    assert!(copies as f64 <= most, "{copies} in {took:?}");
    assert!(copies >= 1, "{}", agent.0.stderr());

    node.api
        .apply(PODS, pod_elsewhere("three", "node-3", false));
    wait_for_cap(&node, &agent, "flags", 15);
    node.api.delete(PODS, "default", "two");
    wait_for_cap(&node, &agent, "flags", 30);
    // It is said once a minute.
    let minutes = begun.elapsed().as_secs() / 60;
    let said = agent.count(" ready pods here") as u64;
    assert!(said <= 1 + minutes, "{said}: {}", agent.0.stderr());
    assert_not_restarted(&agent);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let rule = &ended.ledger.0["rules"]["flags"];
    assert_eq!(rule["balanced"], json!(true), "{}", ended.stderr);
    let above = rule["requests"]["dropped"]["max_rps"].as_u64();
    assert_eq!(above, Some(300 - copies as u64), "{}", ended.stderr);
}

/// The slice of the service's endpoints, each on its node.
fn slice(nodes: &[&str]) -> Value {
    let endpoint = |(number, node): (usize, &&str)| {
        let number = number + 1;
        json!({
            "addresses": [format!("10.9.9.{number}")],
            "conditions": {"ready": true},
            "nodeName": node,
            "targetRef": {"kind": "Pod", "namespace": "default", "name": format!("web-{number}")},
        })
    };
    slice_of("web-v1", nodes.iter().enumerate().map(endpoint).collect())
}

#[test]
fn a_traffic_mirrors_limits_follow_its_document_and_its_services_endpoints_without_a_restart() {
    let node = Node::new();
    let web = node.web("v1", 30);
    node.api.apply(PODS, web.pod.object(NODE, V1));
    let service = service("web-v1", &[("version", "v1")], &json!(80));
    node.api.apply(SERVICES, service);
    node.api.apply(SLICES, slice(&[NODE, "node-2", "node-3"]));
    node.api.serve(TRAFFIC_MIRRORS);
    let limited = |limits: &Value| {
        mirror(&json!({
            "source": {"service": "web-v1"},
            "limits": limits,
        }))
    };
    let capped = |most: u32| limited(&json!({"maxRequestsPerSecond": most}));
    node.api.apply(TRAFFIC_MIRRORS, capped(30));
    let agent = node.agent_with(&["--watch-config"]);
    agent.wait_until_attached("v1", 1);
    let caps_at = |most| wait_for_cap(&node, &agent, "TrafficMirror default/web", most);
    caps_at(10);
    node.api.apply(SLICES, slice(&[NODE, NODE, "node-3"]));
    caps_at(20);
    node.api.apply(TRAFFIC_MIRRORS, capped(60));
    caps_at(40);
    agent.wait_for(
        "TrafficMirror default/web: at most 40.00 copies/s to each target from here",
        1,
    );
    node.api
        .apply(TRAFFIC_MIRRORS, limited(&json!({"backOff": false})));
    agent.wait_for("default/web: targets get no less while overloaded", 1);
    node.api.apply(TRAFFIC_MIRRORS, limited(&json!({})));
    agent.wait_for("default/web: targets get less while overloaded", 1);
    node.wait_until_ready(&agent);
    assert_not_restarted(&agent);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}
