//! What rollout controllers write, step by step: Argo Rollouts' `setMirrorRoute`, and Flagger's `mirror: true`. Both change
//! VirtualServices, here without a mesh.

use serde_json::{Value, json};

use crate::{
    documents::{
        DESTINATION_RULES, SERVICES, SLICES, VIRTUAL_SERVICES, serve_istio, service, slice,
        web_service,
    },
    node::{Node, Web, assert_same},
};

fn virtual_service(routes: &[Value]) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {"hosts": ["web-service"], "http": routes},
    })
}

/// The route whose weights Argo Rollouts sets, by subsets.
fn weighted(stable: u32, canary: u32) -> Value {
    json!({
        "name": "primary",
        "route": [
            {"destination": {"host": "web-service", "subset": "v1"}, "weight": stable},
            {"destination": {"host": "web-service", "subset": "v2"}, "weight": canary},
        ],
    })
}

/// What `setMirrorRoute` puts before it: the same destinations, and a mirror for what matches.
fn mirror_route(percentage: f64) -> Value {
    let mut route = weighted(100, 0);
    route["name"] = json!("mirror-route");
    route["match"] = json!([{"method": {"exact": "GET"}, "uri": {"prefix": "/"}}]);
    route["mirror"] = json!({"host": "web-service", "subset": "v2"});
    route["mirrorPercentage"] = json!({"value": percentage});
    route
}

#[test]
fn the_steps_of_argo_rollouts_mirror_without_a_mesh() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    serve_istio(&node);
    let step = |routes: &[Value]| node.api.apply(VIRTUAL_SERVICES, virtual_service(routes));
    step(&[weighted(100, 0)]);
    let agent = node.agent_with(&["--watch-config"]);
    node.wait_until_ready(&agent);
    node.request(&v1, "/before");

    step(&[mirror_route(1.0), weighted(100, 0)]);
    agent.wait_until_attached("v1", 1);
    step(&[mirror_route(100.0), weighted(100, 0)]);
    agent.wait_for("http[0]: goes on", 1);
    node.wait_until_ready(&agent);
    node.request(&v1, "/mirrored");
    assert_same(&v2.wait_for(1), &["/mirrored"], &agent);

    // `setMirrorRoute` without a match takes the route away, and `setWeight` follows.
    step(&[weighted(100, 0)]);
    agent.wait_for(" has ended: ", 1);
    node.request(&v1, "/after");
    step(&[weighted(80, 20)]);
    node.wait_until_ready(&agent);
    assert_eq!(agent.count(": attached to "), 1, "{}", agent.0.stderr());
    assert_same(&v2.wait_for(1), &["/mirrored"], &agent);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}

/// A service that stands for a version.
fn serve(node: &Node, name: &str, web: &Web, version: &str) {
    let labels = [("version", version)];
    node.api
        .apply(SERVICES, service(name, &labels, &json!("http")));
    let address = web.pod.ip(lab::Family::V4).to_string();
    node.api.apply(SLICES, slice(name, &[(&web.pod, &address)]));
}

/// The only route that Flagger writes, whose destinations are services of its own.
fn of_flagger(primary: u32, canary: u32) -> Value {
    json!({
        "route": [
            {"destination": {"host": "web-primary"}, "weight": primary},
            {"destination": {"host": "web-canary"}, "weight": canary},
        ],
    })
}

#[test]
fn the_steps_of_flagger_mirror_without_a_mesh() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    serve(&node, "web-primary", &v1, "v1");
    serve(&node, "web-canary", &v2, "v2");
    node.api.serve(VIRTUAL_SERVICES);
    node.api.serve(DESTINATION_RULES);
    let step = |route: Value| node.api.apply(VIRTUAL_SERVICES, virtual_service(&[route]));
    step(of_flagger(100, 0));
    let agent = node.agent_with(&["--watch-config"]);
    node.wait_until_ready(&agent);
    node.request(&v1, "/before");

    // `mirror: true` without `mirrorWeight`: all.
    let mut mirrored = of_flagger(100, 0);
    mirrored["mirror"] = json!({"host": "web-canary"});
    step(mirrored.clone());
    agent.wait_until_attached("v1", 1);
    node.wait_until_ready(&agent);
    node.request(&v1, "/mirrored");
    assert_same(&v2.wait_for(1), &["/mirrored"], &agent);

    // The canary is promoted with weights.
    step(of_flagger(90, 10));
    agent.wait_for(" has ended: ", 1);
    node.request(&v1, "/after");
    node.wait_until_ready(&agent);
    assert_eq!(agent.count(": attached to "), 1, "{}", agent.0.stderr());
    assert_same(&v2.wait_for(1), &["/mirrored"], &agent);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}
