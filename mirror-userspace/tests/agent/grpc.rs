//! Pods that serve gRPC.

use std::fs;

use lab::{Family, GrpcClient, GrpcServer, Pod};
use serde_json::{Value, json};

use crate::{
    documents::{SERVICES, SLICES, V2, service, slice},
    node::{NODE, Node, PATIENCE, PODS, V1},
};

/// One method of a service is mirrored, others are not.
fn route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"namespace": "default", "name": "echo"},
        "spec": {
            "parentRefs": [{"name": "gateway"}],
            "rules": [{
                "matches": [{"method": {"service": "lab.Echo", "method": "Unary"}}],
                "filters": [{
                    "type": "RequestMirror",
                    "requestMirror": {"backendRef": {"name": "v2-service", "port": 80}},
                }],
                "backendRefs": [{"name": "v1-service", "port": 80}],
            }],
        },
    })
}

#[test]
fn the_method_that_a_route_matches_is_mirrored_from_pod_to_pod() {
    let node = Node::new();
    let start = |name, host| {
        let pod = Pod::start(&node.lab, name, host).unwrap();
        let address = (pod.ip(Family::V4), 80).into();
        let server = GrpcServer::start(pod.namespace(), address, None).unwrap();
        (server, pod)
    };
    let ((v1, v1_pod), (v2, v2_pod)) = (start("v1", 30), start("v2", 31));
    for (pod, labels) in [(&v1_pod, V1), (&v2_pod, V2)] {
        node.api.apply(PODS, pod.object(NODE, labels));
        let name = format!("{}-service", pod.name());
        node.api.apply(SERVICES, service(&name, labels, &json!(80)));
        let address = pod.ip(Family::V4).to_string();
        node.api.apply(SLICES, slice(&name, &[(pod, &address)]));
    }
    let file = node.scratch.path().join("route.yaml");
    fs::write(&file, route().to_string()).unwrap();
    let agent = node.agent_with(&["--config", file.to_str().unwrap()]);
    agent.wait_until_attached("v1", 1);
    node.wait_until_ready(&agent);
    let address = (v1_pod.ip(Family::V4), 80).into();
    for (scene, calls) in [("collect", 5), ("unary", 20)] {
        let played = GrpcClient::play(&node.lab.client, address, scene, calls).unwrap();
        assert_eq!(played.well, calls as u64, "{scene}");
    }
    assert_eq!(v1.wait_for(25, PATIENCE).unwrap().len(), 25);
    let copies = v2.wait_for(20, PATIENCE).unwrap().len();
    assert_eq!(copies, 20, "{}", agent.0.stderr());
    let ended = agent.0.stop().unwrap();
    let rules = ended.ledger.0["rules"].as_object().unwrap();
    let rule = rules.values().next().unwrap();
    assert_eq!(rule["balanced"], json!(true), "{}", ended.stderr);
    assert_eq!(rule["http2_requests"], json!(25), "{}", ended.stderr);
    assert_eq!(
        rule["replies"]["answered"]["2xx"],
        json!(20),
        "{}",
        ended.stderr
    );
    let methods = v2.wait_for(20, PATIENCE).unwrap();
    assert!(methods.iter().all(|call| call.method == "Unary"));
    assert_eq!(methods.len(), 20, "and none came twice");
}
