//! Pods of which the API has told no address yet.

use std::process::Command;

use lab::{Namespace, Process};
use serde_json::{Value, json};

use crate::node::{Agent, NODE, Node, PODS, V1, Web};

/// A pod that is scheduled here, as the API shows it until its kubelet reports: pending and without an address.
fn scheduled(web: &Web) -> Value {
    let mut pod = web.pod.object(NODE, V1);
    pod["status"] = json!({"phase": "Pending"});
    pod
}

fn sleep(namespace: &Namespace) -> Process {
    namespace.spawn(Command::new("sleep").arg("86400")).unwrap()
}

/// The API tells the address, and what is mirrored goes on: nothing is attached anew.
fn told(node: &Node, web: &Web, agent: &Agent) {
    node.tell(web);
    node.wait_until_ready(agent);
    node.request(web, "/told");
    node.assert_mirrored(agent, &["/first", "/told"]);
    assert_eq!(agent.count("attached to "), 1);
    assert_eq!(agent.count("detached"), 0);
}

#[test]
fn a_pod_is_mirrored_before_the_api_shows_its_address() {
    let node = Node::new();
    let agent = node.agent(&[]);
    node.wait_until_ready(&agent);
    // The API tells of it before there is anything of it on the node.
    let mut web = node.web("web", 30);
    // As CRI-O's monitor, which runs in the node's network.
    let monitor = sleep(&node.lab.node);
    web.pod.adopt(&monitor).unwrap();
    node.api.apply(PODS, scheduled(&web));
    agent.wait_until_attached("web", 1);
    node.request(&web, "/first");
    node.assert_mirrored(&agent, &["/first"]);
    told(&node, &web, &agent);
    agent.stop(2);
}

#[test]
fn a_pod_in_two_networks_is_attached_to_by_its_address_only() {
    let node = Node::new();
    let agent = node.agent(&[]);
    let mut web = node.web("web", 30);
    let stranger = sleep(&node.lab.v2);
    web.pod.adopt(&stranger).unwrap();
    node.api.apply(PODS, scheduled(&web));
    // Which is searched all the while that the other one is attached to.
    let other = node.web("other", 31);
    node.api.apply(PODS, scheduled(&other));
    agent.wait_until_attached("other", 1);
    assert_eq!(agent.count("attached to "), 1);
    node.tell(&web);
    agent.wait_until_attached("web", 1);
    node.request(&web, "/web");
    node.assert_mirrored(&agent, &["/web"]);
    agent.stop(1);
}

/// A name below a container's own cgroup is the container's to choose.
#[test]
fn a_process_that_calls_itself_the_pods_is_not_taken_for_it() {
    let node = Node::new();
    let agent = node.agent(&[]);
    let web = node.web("web", 30);
    let mut forger = node.web("forger", 31);
    let own = sleep(forger.pod.namespace());
    forger
        .pod
        .adopt_as(&own, &format!("pod{}", web.pod.uid()))
        .unwrap();
    let forged = sleep(&node.lab.v2);
    forger
        .pod
        .adopt_as(&forged, &format!("pod{}", web.pod.uid()))
        .unwrap();
    node.api.apply(PODS, scheduled(&web));
    agent.wait_until_attached("web", 1);
    node.request(&web, "/first");
    node.request(&forger, "/forged");
    node.assert_mirrored(&agent, &["/first"]);
    told(&node, &web, &agent);
    agent.stop(2);
}
