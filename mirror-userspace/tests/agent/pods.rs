//! Pods that come, change and go.

use std::{fs, process::Command, thread, time::Duration};

use lab::Family;
use serde_json::json;

use crate::node::{NODE, Node, PATIENCE, PODS, V1, get};

#[test]
fn pods_are_mirrored_from_their_start_to_their_end() {
    let node = Node::new();
    let first = node.web("first", 30);
    node.tell(&first);
    let agent = node.agent(&[]);
    agent.wait_until_attached("first", 1);
    node.wait_until_ready(&agent);
    node.request(&first, "/first");

    let second = node.web("second", 31);
    node.tell(&second);
    agent.wait_until_attached("second", 1);
    node.request(&second, "/second");
    get(&mut node.connect(&second, Family::V6), "/second/v6");
    node.assert_mirrored(&agent, &["/first", "/second", "/second/v6"]);
    assert_eq!(second.wait_for(2).len(), 2);

    // As the API tells of an end: with a time of deletion it still serves.
    let mut ending = second.pod.object(NODE, V1);
    ending["metadata"]["deletionTimestamp"] = json!("2026-11-22T06:00:00Z");
    node.api.apply(PODS, ending.clone());
    node.request(&second, "/last");
    node.assert_mirrored(&agent, &["/first", "/second", "/second/v6", "/last"]);
    ending["status"]["phase"] = json!("Failed");
    node.api.apply(PODS, ending);
    agent.wait_until_detached("second", 1);
    node.forget("second");
    node.wait_until_ready(&agent);
    agent.stop(4);
}

#[test]
fn several_containers_are_one_pod_and_a_restarted_one_changes_nothing() {
    let node = Node::new();
    let mut web = node.web("web", 30);
    web.pod.add_container().unwrap();
    node.tell(&web);
    let agent = node.agent(&[]);
    agent.wait_until_attached("web", 1);
    let mut client = node.connect(&web, Family::V4);
    get(&mut client, "/before");
    web.pod.restart_containers().unwrap();
    let asked = agent.count("attached to");
    let mut restarted = web.pod.object(NODE, V1);
    restarted["status"]["containerStatuses"] = json!([{"name": "web", "restartCount": 1}]);
    node.api.apply(PODS, restarted);
    // The connection was open all the time: a new attachment would not know its beginning.
    get(&mut client, "/after");
    node.assert_mirrored(&agent, &["/before", "/after"]);
    assert_eq!(agent.count("attached to"), asked);
    assert_eq!(agent.count("detached"), 0);
    agent.stop(2);
}

/// A container may make a network of its own: the pod's is the one with the pod's address.
#[test]
fn a_process_in_another_network_is_not_taken_for_the_pods() {
    let node = Node::new();
    let mut sleep = Command::new("sleep");
    // Older than the pod's own, so that it is looked at first.
    let stranger = node.lab.v2.spawn(sleep.arg("86400")).unwrap();
    let mut web = node.web("web", 30);
    web.pod.adopt(&stranger).unwrap();
    node.tell(&web);
    let agent = node.agent(&[]);
    agent.wait_until_attached("web", 1);
    node.request(&web, "/");
    node.assert_mirrored(&agent, &["/"]);
    agent.stop(1);
}

#[test]
fn a_restarted_sandbox_is_attached_to_anew() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&[]);
    agent.wait_until_attached("web", 1);
    node.request(&web, "/before");
    node.assert_mirrored(&agent, &["/before"]);

    let web = web.restart_sandbox(&node.lab, 31);
    // Until the API tells of it, the old attachment's interface is gone, and nothing has its address.
    agent.wait_until_detached("web", 1);
    node.tell(&web);
    agent.wait_until_attached("web", 2);
    node.wait_until_ready(&agent);
    node.request(&web, "/after");
    node.assert_mirrored(&agent, &["/before", "/after"]);
    agent.stop(2);
}

#[test]
fn a_pod_that_leaves_the_selector_is_mirrored_no_more() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&[]);
    agent.wait_until_attached("web", 1);
    node.request(&web, "/in");
    let other = &[("app", "web"), ("version", "v3")];
    node.api.apply(PODS, web.pod.object(NODE, other));
    agent.wait_until_detached("web", 1);
    node.request(&web, "/out");
    node.tell(&web);
    agent.wait_until_attached("web", 2);
    node.request(&web, "/in/again");
    node.assert_mirrored(&agent, &["/in", "/in/again"]);
    agent.stop(2);
}

#[test]
fn a_pod_that_is_gone_is_not_kept_alive() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&[]);
    agent.wait_until_attached("web", 1);
    let peer = web.pod.peer().to_owned();
    let exists = || node.lab.node.ip(&format!("link show dev {peer}")).is_ok();
    assert!(exists());
    web.end();
    // A held namespace would keep its interfaces, and so their other ends.
    let tries = PATIENCE.as_millis() / 50;
    let gone = (0..tries).any(|_| {
        thread::sleep(Duration::from_millis(50));
        !exists()
    });
    assert!(gone, "{}", agent.0.stderr());
    agent.wait_until_detached("web", 1);
    node.forget("web");
    node.wait_until_ready(&agent);
    agent.stop(0);
}

#[test]
fn pods_of_the_host_network_are_skipped_aloud() {
    let node = Node::new();
    let web = node.web("web", 30);
    let mut on_host = web.pod.object(NODE, V1);
    on_host["spec"]["hostNetwork"] = json!(true);
    node.api.apply(PODS, on_host);
    let agent = node.agent(&[]);
    agent.wait_for(
        "default/web: not mirrored: it has the network of its node",
        1,
    );
    node.wait_until_ready(&agent);
    node.request(&web, "/");
    let skipped = "podmirror_pods{rule=\"flags\",state=\"host_network\"}";
    node.wait_for_metric(&agent, skipped, Some("1"));
    assert_eq!(agent.count("attached to"), 0);
    agent.stop(0);
}

#[test]
fn pods_of_other_nodes_and_namespaces_are_nobodys_business() {
    let node = Node::new();
    let [elsewhere, other] =
        [("elsewhere", 30), ("other", 31)].map(|(name, ip)| node.web(name, ip));
    node.api.apply(PODS, elsewhere.pod.object("node-2", V1));
    let mut in_other = other.pod.object(NODE, V1);
    in_other["metadata"]["namespace"] = json!("prod");
    node.api.apply(PODS, in_other);
    let agent = node.agent(&[]);
    node.wait_until_ready(&agent);
    assert_eq!(agent.count("attached to"), 0);
    agent.stop(0);
    let agent = node.agent(&["--all-namespaces"]);
    agent.wait_for("prod/other: attached to eth0", 1);
    node.request(&other, "/");
    node.assert_mirrored(&agent, &["/"]);
    agent.stop(1);
}

#[test]
fn the_hosts_end_of_a_pods_interface_serves_as_well() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&["--attach", "host"]);
    agent.wait_until_attached("web", 1);
    node.request(&web, "/host");
    node.assert_mirrored(&agent, &["/host"]);
    agent.stop(1);
}

#[test]
fn behind_a_sidecar_the_loopback_interface_is_listened_to() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&["--attach", "lo"]);
    agent.wait_until_attached("web", 1);
    node.request(&web, "/from/outside");
    let inside = ([127, 0, 0, 1], 80).into();
    let mut sidecar = lab::RawClient::connect(web.pod.namespace(), inside).unwrap();
    get(&mut sidecar, "/from/the/sidecar");
    node.assert_mirrored(&agent, &["/from/the/sidecar"]);
    agent.stop(1);
}

/// The agent must not be the reason for a namespace to stay, nor for a file to stay open.
#[test]
fn attaching_and_detaching_leaves_nothing_open() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&["--shards", "1"]);
    agent.wait_until_attached("web", 1);
    let open = || {
        fs::read_dir(format!("/proc/{}/fd", agent.0.id()))
            .unwrap()
            .count()
    };
    let mut counts = Vec::new();
    for round in 1..4 {
        node.forget("web");
        agent.wait_until_detached("web", round);
        node.tell(&web);
        agent.wait_until_attached("web", round + 1);
        node.wait_until_ready(&agent);
        counts.push(open());
    }
    // Connections to the API and of the admin server come and go.
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 4, "{counts:?}");
    agent.stop(0);
}
