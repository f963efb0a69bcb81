//! Targets that the API knows: services and pods.

use std::time::Duration;

use lab::{Behaviour, Family, Host, RecordingServer};
use serde_json::{Value, json};

use crate::{
    documents::{SERVICES, SLICES, service, slice_of},
    node::{NODE, Node, PATIENCE, PODS, assert_same},
};

/// A service whose port has a name, as that of its endpoints has.
fn web_v2() -> Value {
    let mut web = service("web-v2", &[("version", "v2")], &json!(80));
    web["spec"]["ports"][0]["name"] = json!("http");
    web["spec"]["ports"][0]["port"] = json!(8080);
    web
}

/// The endpoints of the service; those that are not ready are listed, too.
fn slice(endpoints: &[(&str, bool)]) -> Value {
    let endpoints = endpoints
        .iter()
        .map(|(ip, ready)| json!({"addresses": [ip], "conditions": {"ready": ready}}));
    let mut slice = slice_of("web-v2", endpoints.collect());
    slice["ports"][0]["name"] = json!("http");
    slice
}

#[test]
fn a_services_ready_endpoints_get_the_copies_and_follow_its_changes() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let other = ([10, 77, 0, 21], 80).into();
    node.lab
        .v2
        .ip("address add 10.77.0.21/24 dev eth0")
        .unwrap();
    let other = RecordingServer::start(&node.lab.v2, other, Behaviour::Answer).unwrap();
    let first = Host::V2.ip(Family::V4).to_string();
    node.api.apply(SERVICES, web_v2());
    node.api
        .apply(SLICES, slice(&[(&first, true), ("10.77.0.21", false)]));
    let flags = ["--pod-selector", "version=v1", "--port", "80"];
    let target = ["--target", "service/default/web-v2:8080"];
    let agent = node.agent_with(&[&flags[..], &target].concat());
    agent.wait_until_attached("web", 1);
    for n in 0..3 {
        node.request(&web, &format!("/{n}"));
    }
    node.assert_mirrored(&agent, &["/0", "/1", "/2"]);

    node.api
        .apply(SLICES, slice(&[(&first, false), ("10.77.0.21", true)]));
    agent.wait_for("service/default/web-v2:8080: 1 endpoint", 2);
    // The shards are told after this is said, and a copy may be faster than the news.
    let mut asked = 0;
    while other.requests().is_empty() && asked < 100 {
        node.request(&web, "/moved");
        asked += 1;
        other.wait_until_quiet(Duration::from_millis(50), PATIENCE);
    }
    assert!(!other.requests().is_empty(), "{}", agent.0.stderr());
    agent.stop(3 + asked);
}

#[test]
fn labelled_pods_get_the_copies() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let v2 = node.web("v2", 31);
    let flags = ["--pod-selector", "version=v1", "--port", "80"];
    let target = ["--target", "pods/default/app=web,version=v2:80"];
    let agent = node.agent_with(&[&flags[..], &target].concat());
    agent.wait_until_attached("web", 1);
    agent.wait_for("no endpoint is ready", 1);
    let said = agent.0.stderr();
    let mut lines = said.lines();
    let line = lines.find(|line| line.contains("no endpoint is ready"));
    assert!(line.unwrap().contains("WARN"), "{said}");
    let labels = &[("app", "web"), ("version", "v2")];
    node.api.apply(PODS, v2.pod.object(NODE, labels));
    // One for each version of IP.
    agent.wait_for("2 endpoints", 1);
    node.request(&web, "/copied");
    assert_same(&v2.wait_for(1), &["/copied"], &agent);
    agent.stop(1);
}
