//! An agent that starts while the API is away goes on with what the one before it knew.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, thread, time::Duration};

use lab::Health;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    documents::web_service,
    node::{Agent, Node, PATIENCE, assert_same},
    traffic_mirrors::{TRAFFIC_MIRRORS, mirror},
};

fn file(node: &Node) -> PathBuf {
    node.scratch.path().join("state.json")
}

/// Waits until the file has all of these words.
fn wait_until_kept(node: &Node, agent: &Agent, words: &[&str]) {
    let mut text = String::new();
    for _ in 0..PATIENCE.as_millis() * 2 / 100 {
        text = fs::read_to_string(file(node)).unwrap_or_default();
        if words.iter().all(|word| text.contains(word)) {
            let mode = fs::metadata(file(node)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{words:?}: {text}\n{}", agent.0.stderr());
}

/// Ends it without a chance to tidy up, and waits until it is gone.
fn kill(agent: Agent) {
    agent.0.signal(Signal::SIGKILL).unwrap();
    // It leaves no ledger.
    let _no_ledger = agent.0.wait();
}

#[test]
fn a_mirror_goes_on_though_the_api_is_down_at_a_restart() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    node.api.serve(TRAFFIC_MIRRORS);
    node.api.apply(TRAFFIC_MIRRORS, mirror(&json!({})));
    let path = file(&node);
    let flags = ["--watch-config", "--state", path.to_str().unwrap()];
    let agent = node.agent_with(&flags);
    agent.wait_until_attached("v1", 1);
    let address = v2.pod.ip(lab::Family::V4).to_string();
    wait_until_kept(&node, &agent, &[v1.pod.uid(), "TrafficMirror", &address]);

    node.api.set_health(Health::Down);
    kill(agent);
    let agent = node.agent_with(&flags);
    agent.wait_for("going on with what was known", 1);
    agent.wait_until_attached("v1", 1);
    node.request(&v1, "/without/the/api");
    assert_same(&v2.wait_for(1), &["/without/the/api"], &agent);
    let (status, _) = node.admin("GET", "/readyz", "");
    assert_eq!(status, 503, "it has not heard what there is now");

    // What the API says is what it was: nothing begins anew.
    node.api.set_health(Health::Up);
    node.wait_until_ready(&agent);
    node.request(&v1, "/with/it");
    assert_same(&v2.wait_for(2), &["/without/the/api", "/with/it"], &agent);
    assert_eq!(
        agent.count("default/v1: attached"),
        1,
        "{}",
        agent.0.stderr()
    );
    assert_eq!(agent.count("detached"), 0);

    // And where the API answers, nothing else counts: the document was deleted while no agent ran.
    agent.0.stop().unwrap();
    node.api.delete(TRAFFIC_MIRRORS, "default", "web");
    let agent = node.agent_with(&flags);
    node.wait_until_ready(&agent);
    assert_eq!(agent.count("attached to"), 0, "{}", agent.0.stderr());
    assert_eq!(agent.count("mirrored to"), 0);
    agent.0.stop().unwrap();
}

#[test]
fn of_pods_that_are_gone_nothing_is_made() {
    let node = Node::new();
    let (gone, stays) = (node.web("gone", 30), node.web("stays", 31));
    node.tell(&gone);
    node.tell(&stays);
    let path = file(&node);
    let flags = ["--state", path.to_str().unwrap()];
    let agent = node.agent(&flags);
    agent.wait_until_attached("gone", 1);
    agent.wait_until_attached("stays", 1);
    wait_until_kept(&node, &agent, &[gone.pod.uid(), stays.pod.uid()]);
    node.api.set_health(Health::Down);
    kill(agent);
    gone.end();
    let agent = node.agent(&flags);
    agent.wait_until_attached("stays", 1);
    node.request(&stays, "/one");
    node.assert_mirrored(&agent, &["/one"]);
    assert_eq!(agent.count("default/gone: attached"), 0);
    agent.stop(1);
}

#[test]
fn what_others_could_have_written_is_not_used() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let path = file(&node);
    let flags = ["--state", path.to_str().unwrap()];
    let agent = node.agent(&flags);
    agent.wait_until_attached("web", 1);
    wait_until_kept(&node, &agent, &[web.pod.uid()]);
    node.api.set_health(Health::Down);
    kill(agent);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let agent = node.agent(&flags);
    agent.wait_for("it is not used", 1);
    agent.wait_for("the watch of ", 1);
    assert_eq!(agent.count("attached to"), 0, "{}", agent.0.stderr());
    agent.stop(0);
}

#[test]
fn documents_are_not_acted_on_under_other_flags() {
    let node = Node::new();
    let (_v1, _v2) = web_service(&node);
    node.api.serve(TRAFFIC_MIRRORS);
    node.api.apply(TRAFFIC_MIRRORS, mirror(&json!({})));
    let path = file(&node);
    let state = ["--state", path.to_str().unwrap()];
    let watching = ["--watch-config", state[0], state[1]];
    let narrower = ["--watch-namespace", "bank", state[0], state[1]];
    let agent = node.agent_with(&watching);
    agent.wait_until_attached("v1", 1);
    wait_until_kept(&node, &agent, &["TrafficMirror"]);
    node.api.set_health(Health::Down);
    kill(agent);
    let starts: [&dyn Fn() -> Agent; 2] = [&|| node.agent(&state), &|| node.agent_with(&narrower)];
    for start in starts {
        let agent = start();
        agent.wait_for("of an agent with other flags: it is not used", 1);
        agent.wait_for("the watch of ", 1);
        assert_eq!(agent.count("default/web"), 0, "{}", agent.0.stderr());
        assert_eq!(agent.count("attached to"), 0, "{}", agent.0.stderr());
        kill(agent);
    }
}
