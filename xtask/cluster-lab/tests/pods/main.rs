//! The image, run by the manifests, in real pods: containerd, runc and CNI, beside v1 and v2.
//!
//! What is run is the DaemonSet's pod of `deploy/` as it is. Its service account leads to an API server,
//! over TLS, that only lists and watches. So it is the image that starts in an empty
//! root, the capabilities and the seccomp profile of the manifest that let it attach, the memory
//! limit that it stays below, and its probes that say when it is ready.
//!
//! Needs root, and installs containerd, runc and the CNI plugins from Debian.

#![cfg(test)]

mod front;
mod image;
mod scene;

use serde_json::json;

use scene::Scene;

#[test]
fn a_privileged_agent_mirrors_the_pods() {
    let mut scene = Scene::new();
    let agent = scene.agent("base");
    scene.assert_mirrored(&agent, "first", 20);
    scene.stop(&agent, 20);
}

#[test]
fn five_capabilities_are_enough() {
    let mut scene = Scene::new();
    let agent = scene.agent("overlays/least-privilege");
    scene.assert_mirrored(&agent, "first", 20);
    scene.stop(&agent, 20);
}

/// The UID stays; network namespace and address are new.
#[test]
fn a_sandbox_that_is_restarted_is_mirrored_again() {
    let mut scene = Scene::new();
    let agent = scene.agent("overlays/least-privilege");
    scene.assert_mirrored(&agent, "before", 5);
    let before = scene.v1.ip().to_owned();
    scene.restart_v1(&agent);
    assert_ne!(scene.v1.ip(), before);
    scene.assert_mirrored(&agent, "after", 5);
    scene.stop(&agent, 10);
}

/// The documents of the mirroring tutorial, as they are.
#[test]
fn a_virtual_service_says_what_is_mirrored() {
    let mut scene = Scene::new();
    scene.api.serve(VIRTUAL_SERVICES);
    scene.api.serve(DESTINATION_RULES);
    scene.api.apply(
        "/api/v1/services",
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web-service", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 80}]},
        }),
    );
    scene.endpoints_of("web-service", &["v1", "v2"]);
    scene.api.apply(
        DESTINATION_RULES,
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": "web-service", "namespace": "default"},
            "spec": {
                "host": "web-service",
                "subsets": [
                    {"name": "v1", "labels": {"version": "v1"}},
                    {"name": "v2", "labels": {"version": "v2"}},
                ],
            },
        }),
    );
    scene.api.apply(
        VIRTUAL_SERVICES,
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "web-service", "namespace": "default"},
            "spec": {
                "hosts": ["web-service"],
                "http": [{
                    "route": [{
                        "destination": {"host": "web-service", "subset": "v1"},
                        "weight": 100,
                    }],
                    "mirror": {"host": "web-service", "subset": "v2"},
                    "mirrorPercentage": {"value": 100.0},
                }],
            },
        }),
    );
    let agent = scene.agent("overlays/istio");
    scene.wait_for_log(&agent, "attached");
    scene.assert_mirrored(&agent, "first", 10);
    scene.stop(&agent, 10);
}

const VIRTUAL_SERVICES: &str = "/apis/networking.istio.io/v1/virtualservices";
const DESTINATION_RULES: &str = "/apis/networking.istio.io/v1/destinationrules";
