//! The image, run by the manifests, in real pods: containerd, runc and CNI, beside v1 and v2.
//!
//! What is run is the DaemonSet's pod of `deploy/` as it is. Its service account leads to an API server,
//! over TLS, that only lists and watches. So it is the image that starts in an empty
//! root, the capabilities and the seccomp profile of the manifest that let it attach, the memory
//! limit that it stays below, and its probes that say when it is ready.
//!
//! Needs root, and installs containerd, runc and the CNI plugins from Debian.

#![cfg(test)]

mod early;
mod front;
mod image;
mod objects;
mod scene;
mod tenant;

use scene::Scene;
use tenant::Tenant;

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
    scene.apply_the_tutorials_documents();
    let agent = scene.agent("overlays/istio");
    scene.wait_for_log(&agent, "attached");
    scene.assert_mirrored(&agent, "first", 10);
    scene.stop(&agent, 10);
}

/// What a pod's root says of its interface is not believed: a pod whose interface has the numbers of the victim's
/// gets none of the victim's requests.
#[test]
fn a_pod_that_forges_its_interfaces_numbers_gets_nothing() {
    let mut scene = Scene::new();
    scene.apply_the_tutorials_documents();
    scene.ask_v1("/before");
    let tenant = Tenant::forging(&mut scene);
    let agent = scene.agent_with("overlays/istio", &["--attach=host"]);
    tenant.wait_until_refused(&scene, &agent);
    // The victim's own mirror is at the very interface that the tenant wants.
    scene.wait_for_log(&agent, "default/v1: attached to ");
    scene.assert_mirrored(&agent, "secret", 20);
    tenant.assert_empty_handed(&scene, &agent);
    scene.stop(&agent, 20);
}
