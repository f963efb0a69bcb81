//! Configuration that users already have: from files, and from the cluster as it changes.

use std::fs;

use lab::Pod;
use serde_json::{Map, Value, json};

use crate::node::{NODE, Node, PODS, V1, Web, assert_same};

pub(crate) const SERVICES: &str = "/api/v1/services";
pub(crate) const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
pub(crate) const VIRTUAL_SERVICES: &str = "/apis/networking.istio.io/v1/virtualservices";
pub(crate) const DESTINATION_RULES: &str = "/apis/networking.istio.io/v1/destinationrules";

pub(crate) const V2: &[(&str, &str)] = &[("app", "web"), ("version", "v2")];

/// What mirrors in a mesh: all of v1's requests to v2.
pub(crate) fn virtual_service(percent: u32) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {
            "hosts": ["web-service"],
            "http": [{
                "route": [{"destination": {"host": "web-service", "subset": "v1"}, "weight": 100}],
                "mirror": {"host": "web-service", "subset": "v2"},
                "mirrorPercentage": {"value": percent},
            }],
        },
    })
}

pub(crate) fn destination_rule() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {
            "host": "web-service",
            "subsets": [
                {"name": "v1", "labels": {"version": "v1"}},
                {"name": "v2", "labels": {"version": "v2"}},
            ],
        },
    })
}

/// Serves Istio's kinds, and what is v1 and v2 in a mesh.
pub(crate) fn serve_istio(node: &Node) {
    node.api.serve(VIRTUAL_SERVICES);
    node.api.serve(DESTINATION_RULES);
    node.api.apply(DESTINATION_RULES, destination_rule());
}

/// The service that both versions stand behind, v1 and v2, and both of them in the API.
pub(crate) fn web_service(node: &Node) -> (Web, Web) {
    let (v1, v2) = (node.web("v1", 30), node.web("v2", 31));
    node.api.apply(PODS, v1.pod.object(NODE, V1));
    node.api.apply(PODS, v2.pod.object(NODE, V2));
    let both = service("web-service", &[("app", "web")], &json!("http"));
    node.api.apply(SERVICES, both);
    let addresses = [&v1, &v2].map(|web| web.pod.ip(lab::Family::V4).to_string());
    let slice = endpoints_of_web_service(&[(&v1, &addresses[0]), (&v2, &addresses[1])]);
    node.api.apply(SLICES, slice);
    (v1, v2)
}

/// A service of pods with these labels, at whose port 80 this port of theirs is.
pub(crate) fn service(name: &str, labels: &[(&str, &str)], target_port: &Value) -> Value {
    let selector: Map<String, Value> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "default", "name": name},
        "spec": {
            "selector": selector,
            "ports": [{"port": 80, "targetPort": target_port, "protocol": "TCP"}],
        },
    })
}

/// The slice of a service's endpoints: pods, each with the address that it is said to have.
pub(crate) fn slice(service: &str, pods: &[(&Pod, &str)]) -> Value {
    let endpoints = pods.iter().map(|(pod, address)| {
        json!({
            "addresses": [address],
            "conditions": {"ready": true},
            "targetRef": {
                "kind": "Pod",
                "namespace": "default",
                "name": pod.name(),
                "uid": pod.uid(),
            },
        })
    });
    slice_of(service, endpoints.collect())
}

/// The same of endpoints as the API has them.
pub(crate) fn slice_of(service: &str, endpoints: Vec<Value>) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "default",
            "name": format!("{service}-1"),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"port": 80, "protocol": "TCP"}],
        "endpoints": endpoints,
    })
}

/// The slice of the service that both versions stand behind.
pub(crate) fn endpoints_of_web_service(pods: &[(&Web, &str)]) -> Value {
    let pods: Vec<_> = pods.iter().map(|(web, at)| (&web.pod, *at)).collect();
    slice("web-service", &pods)
}

#[test]
fn a_tutorials_documents_mirror_v1_to_v2_unchanged() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    let file = node.scratch.path().join("istio.yaml");
    fs::write(
        &file,
        format!("{}\n---\n{}", virtual_service(100), destination_rule()),
    )
    .unwrap();
    let agent = node.agent_with(&["--config", file.to_str().unwrap()]);
    agent.wait_until_attached("v1", 1);
    node.wait_until_ready(&agent);
    node.request(&v1, "/tutorial");
    assert_same(&v2.wait_for(1), &["/tutorial"], &agent);
    assert_eq!(agent.count("default/v2: attached"), 0);
    let ended = agent.0.stop().unwrap();
    let rules = ended.ledger.0["rules"].as_object().unwrap();
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert!(rules.values().all(|rule| rule["balanced"] == json!(true)));
}

#[test]
fn documents_in_the_cluster_are_followed() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    node.api.serve(VIRTUAL_SERVICES);
    node.api.serve(DESTINATION_RULES);
    let agent = node.agent_with(&["--watch-config"]);
    node.wait_until_ready(&agent);
    node.request(&v1, "/nobody/asked");

    node.api.apply(DESTINATION_RULES, destination_rule());
    node.api.apply(VIRTUAL_SERVICES, virtual_service(100));
    agent.wait_until_attached("v1", 1);
    node.wait_until_ready(&agent);
    node.request(&v1, "/all");
    assert_same(&v2.wait_for(1), &["/all"], &agent);

    // Another share is another rule: the old one ends, and leaves its ledger in the log.
    node.api.apply(VIRTUAL_SERVICES, virtual_service(0));
    agent.wait_for(" has ended: ", 1);
    node.wait_until_ready(&agent);
    node.request(&v1, "/none");

    // A document that makes no sense changes nothing for others.
    let mut broken = virtual_service(100);
    broken["metadata"]["name"] = json!("broken");
    broken["spec"]["http"][0]["mirror"]["host"] = json!(7);
    node.api.apply(VIRTUAL_SERVICES, broken);
    agent.wait_for("VirtualService default/broken", 1);

    node.api.apply(VIRTUAL_SERVICES, virtual_service(100));
    agent.wait_for("default/v1: attached", 2);
    node.wait_until_ready(&agent);
    node.request(&v1, "/again");
    assert_same(&v2.wait_for(2), &["/all", "/again"], &agent);

    node.api.delete(VIRTUAL_SERVICES, "default", "web");
    agent.wait_for(" has ended: ", 2);
    node.request(&v1, "/gone");
    assert_eq!(v2.wait_for(2).len(), 2);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}

/// Nobody is attached to anew, and no request is missed in between, for another share or another route.
#[test]
fn what_changes_of_a_route_changes_its_running_mirror() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    serve_istio(&node);
    node.api.apply(VIRTUAL_SERVICES, virtual_service(1));
    let agent = node.agent_with(&["--watch-config"]);
    agent.wait_until_attached("v1", 1);
    node.wait_until_ready(&agent);

    node.api.apply(VIRTUAL_SERVICES, virtual_service(100));
    agent.wait_for("http[0]: goes on", 1);
    node.request(&v1, "/all");
    assert_same(&v2.wait_for(1), &["/all"], &agent);

    let mut inserted = virtual_service(100);
    let routes = inserted["spec"]["http"].as_array_mut().unwrap();
    routes.insert(
        0,
        json!({
            "match": [{"uri": {"prefix": "/other"}}],
            "route": [{"destination": {"host": "web-service", "subset": "v1"}}],
        }),
    );
    node.api.apply(VIRTUAL_SERVICES, inserted);
    agent.wait_for("http[1]: goes on", 1);
    node.request(&v1, "/other/route");
    node.request(&v1, "/more");
    assert_same(&v2.wait_for(2), &["/all", "/more"], &agent);
    let attachments = "podmirror_attachments{rule=\"VirtualService default/web http[1]\"}";
    node.wait_for_metric(&agent, attachments, Some("1"));

    assert_eq!(agent.count("default/v1: attached"), 1);
    assert_eq!(agent.count("detached"), 0);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let rules = ended.ledger.0["rules"].as_object().unwrap();
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert!(rules.values().all(|rule| rule["balanced"] == json!(true)));
}

#[test]
fn several_rules_may_mirror_one_pod() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    let file = node.scratch.path().join("istio.json");
    fs::write(
        &file,
        format!("{}\n---\n{}", virtual_service(100), destination_rule()),
    )
    .unwrap();
    let target = format!("http://{}", node.v2.address());
    let by_flags = [
        "--pod-selector",
        "version=v1",
        "--port",
        "80",
        "--target",
        &target,
    ];
    let by_file = ["--config", file.to_str().unwrap()];
    let agent = node.agent_with(&[&by_flags[..], &by_file].concat());
    agent.wait_until_attached("v1", 2);
    node.wait_until_ready(&agent);
    node.request(&v1, "/twice");
    assert_same(&v2.wait_for(1), &["/twice"], &agent);
    node.assert_mirrored(&agent, &["/twice"]);
    agent.stop(1);
}
