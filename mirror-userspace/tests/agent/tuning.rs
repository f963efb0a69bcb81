//! What is asked and told while the agent runs, and how it ends.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::node::Node;

#[test]
fn the_rate_is_set_while_it_runs_and_shown() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&[]);
    agent.wait_until_attached("web", 1);
    node.request(&web, "/all");
    node.assert_mirrored(&agent, &["/all"]);
    let set = |rate| {
        let mut podmirror = Command::new(env!("CARGO_BIN_EXE_podmirror"));
        let output = node
            .lab
            .node
            .output(
                podmirror
                    .args(["set", "sample-rate", rate, "--admin-socket"])
                    .arg(node.socket()),
            )
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    set("0%");
    assert!(node.admin("GET", "/sample-rate", "").1.starts_with("0 %"));
    let (status, why) = node.admin("PUT", "/sample-rate", "100%");
    assert_eq!(status, 403, "over the network one only looks");
    assert!(why.contains("podmirror set"), "{why}");
    node.request(&web, "/none");
    set("100%");
    node.request(&web, "/again");
    node.assert_mirrored(&agent, &["/all", "/again"]);

    let attached = "podmirror_pod_attached{rule=\"flags\",namespace=\"default\",pod=\"web\"}";
    node.wait_for_metric(&agent, attached, Some("1"));
    agent.stop(2);
}

/// `kubectl exec daemonset/podmirror` picks any node, which may have none of the pods.
#[test]
fn where_nothing_is_mirrored_set_says_so() {
    let node = Node::new();
    let agent = node.agent(&[]);
    node.wait_until_ready(&agent);
    let set = || {
        let mut podmirror = Command::new(env!("CARGO_BIN_EXE_podmirror"));
        podmirror.args(["set", "sample-rate", "10%", "--admin-socket"]);
        let output = node.lab.node.output(podmirror.arg(node.socket())).unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(set().contains("nothing is mirrored here"));
    let web = node.web("web", 30);
    node.tell(&web);
    agent.wait_until_attached("web", 1);
    assert_eq!(set(), "");
    agent.stop(0);
}

#[test]
fn it_reports_on_sigusr1_and_ends_on_sigterm() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&["--report-every", "1"]);
    agent.wait_until_attached("web", 1);
    node.request(&web, "/");
    node.assert_mirrored(&agent, &["/"]);
    agent.0.signal(Signal::SIGUSR1).unwrap();
    agent.wait_for("requests framed", 1);
    agent.wait_for("flags: ", 1);
    agent.stop(1);
    // v1 notices neither its life nor its end.
    node.request(&web, "/after");
}

/// In the image there are no certificates to fall back to.
#[test]
fn a_kubeconfig_without_a_certificate_authority_is_told_what_it_lacks() {
    let scratch = lab::Scratch::create("kubeconfig").unwrap();
    let kubeconfig = scratch.path().join("config");
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "a", "user": {"token": "a"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let mut podmirror = Command::new(env!("CARGO_BIN_EXE_podmirror"));
    let output = podmirror
        .args([
            "agent",
            "--node-name",
            "n",
            "--watch-config",
            "--kubeconfig",
        ])
        .arg(&kubeconfig)
        .envs([("SSL_CERT_FILE", "/none"), ("SSL_CERT_DIR", "/none")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let told =
        "can't make a client for the API server: name its certificate-authority in the kubeconfig";
    assert!(said.contains(told), "{said}");
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let node = Node::new();
    for (flags, code, word) in [
        (
            &["--node-name", "n", "--target", "http://v2"][..],
            2,
            "--pod-selector",
        ),
        (
            &["--node-name", "n", "--pod-selector", "a=b", "--port", "80"],
            2,
            "--target",
        ),
        (
            &[
                "--node-name",
                "n",
                "--pod-selector",
                "a=b",
                "--target",
                "http://v2",
            ],
            2,
            "--port",
        ),
        (
            &[
                "--pod-selector",
                "a=b",
                "--port",
                "80",
                "--target",
                "http://v2",
            ],
            2,
            "--node-name",
        ),
        (
            &[
                "--node-name",
                "n",
                "--pod-selector",
                "a=b",
                "--port",
                "80",
                "--target",
                "http://v2",
                "--kubeconfig",
                "/no/such/file",
            ],
            1,
            "/no/such/file",
        ),
    ] {
        let mut podmirror = Command::new(env!("CARGO_BIN_EXE_podmirror"));
        podmirror.arg("agent").args(flags).env_remove("NODE_NAME");
        let output = node.lab.node.output(&mut podmirror).unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {text}");
        assert!(text.contains(word), "{flags:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}
