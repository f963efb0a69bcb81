//! podmirror's own kind of document: acted on as it comes, changes and goes, and so does its definition.

use serde_json::{Value, json};

use crate::{
    documents::web_service,
    node::{Node, assert_same},
};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub(crate) const TRAFFIC_MIRRORS: &str = "/apis/podmirror.io/v1alpha1/trafficmirrors";

/// v1's pods to v2's, by their labels.
pub(crate) fn mirror(more: &Value) -> Value {
    let mut mirror = json!({
        "apiVersion": "podmirror.io/v1alpha1",
        "kind": "TrafficMirror",
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {
            "source": {"selector": {"matchLabels": {"version": "v1"}}, "ports": [80]},
            "targets": [{"selector": {"matchLabels": {"version": "v2"}}, "port": 80}],
            "filters": {"deny": [{"path": {"prefix": "/admin"}}]},
            "rewrites": {"setHeaders": [{"name": "X-Env", "value": "shadow"}]},
        },
    });
    for (name, value) in more.as_object().unwrap() {
        mirror["spec"][name] = value.clone();
    }
    mirror
}

#[test]
fn a_traffic_mirror_is_acted_on_though_its_kind_comes_later() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    node.api.serve(DEFINITIONS);
    let agent = node.agent_with(&["--watch-config"]);
    node.wait_until_ready(&agent);
    agent.wait_for("trafficmirrors are not installed", 1);

    // As `kubectl apply` of the definition does, with the agent running.
    node.api.serve(TRAFFIC_MIRRORS);
    node.api.apply(TRAFFIC_MIRRORS, mirror(&json!({})));
    node.api.apply(
        DEFINITIONS,
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "trafficmirrors.podmirror.io"},
        }),
    );
    agent.wait_until_attached("v1", 1);
    node.wait_until_ready(&agent);
    node.request(&v1, "/all");
    node.request(&v1, "/%61dmin/x");
    node.request(&v1, "/more");
    let copies = v2.wait_for(2);
    assert_same(&copies, &["/all", "/more"], &agent);
    for copy in &copies {
        let head = String::from_utf8_lossy(&copy.head).to_lowercase();
        assert!(head.contains("\r\nx-env: shadow\r\n"), "{head}");
    }

    node.api
        .apply(TRAFFIC_MIRRORS, mirror(&json!({"suspend": true})));
    agent.wait_for(" has ended: ", 1);
    node.request(&v1, "/suspended");
    node.api.apply(TRAFFIC_MIRRORS, mirror(&json!({})));
    agent.wait_until_attached("v1", 2);
    node.wait_until_ready(&agent);
    node.request(&v1, "/again");
    assert_same(&v2.wait_for(3), &["/all", "/more", "/again"], &agent);

    node.api.delete(TRAFFIC_MIRRORS, "default", "web");
    agent.wait_for(" has ended: ", 2);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}
