//! What a tenant may write, or be root for in his pod, and gets nothing by.

use lab::{Behaviour, Family, Namespace, RawClient, RecordingServer};
use nix::net::if_::if_nametoindex;
use serde_json::json;
use std::{os::unix::fs::MetadataExt as _, process::Command};

use crate::{
    documents::{
        SLICES, V2, VIRTUAL_SERVICES, endpoints_of_web_service, serve_istio, virtual_service,
        web_service,
    },
    node::{NODE, Node, PODS, Web},
};

/// v2's pod and the slice of its endpoint, which both claim this address.
fn claim(node: &Node, v2: &Web, address: &str) {
    let mut pod = v2.pod.object(NODE, V2);
    pod["status"]["podIP"] = json!(address);
    pod["status"]["podIPs"] = json!([{"ip": address}]);
    node.api.apply(PODS, pod);
    node.api
        .apply(SLICES, endpoints_of_web_service(&[(v2, address)]));
}

/// Who may write EndpointSlices may write any address into them, and a pod of the host's network has the
/// node's own.
#[test]
fn an_endpoint_with_an_address_of_the_node_gets_no_copy_of_a_document() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    let own = "10.77.0.1";
    // The agent's network is that of the node here.
    node.lab
        .node
        .ip(&format!("address replace {own}/24 dev lab0"))
        .unwrap();
    let at_own = format!("{own}:80").parse().unwrap();
    let kubelet = RecordingServer::start(&node.lab.node, at_own, Behaviour::Answer).unwrap();
    claim(&node, &v2, own);
    serve_istio(&node);
    node.api.apply(VIRTUAL_SERVICES, virtual_service(100));
    let agent = node.agent_with(&["--watch-config", "--deny-target", "203.0.113.0/24"]);
    agent.wait_until_attached("v1", 1);
    node.wait_until_ready(&agent);
    for target in ["/1", "/2", "/3"] {
        node.request(&v1, target);
    }
    agent.wait_for("10.77.0.1 is this node's own: copies are not sent there", 1);
    wait_for_refused(&node, 3);
    assert_eq!(kubelet.requests().len(), 0, "{}", agent.0.stderr());

    let real = v2.pod.ip(Family::V4).to_string();
    claim(&node, &v2, &real);
    // When the agent has heard of it is not for the test to know: what comes before is refused.
    let mut asked = 0;
    while v2.wait_for(0).is_empty() {
        asked += 1;
        assert!(asked < 300, "{}", agent.0.stderr());
        node.request(&v1, "/real");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(v2.wait_for(1)[0].target(), "/real");
    assert_eq!(kubelet.requests().len(), 0, "{}", agent.0.stderr());
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let rules = &ended.ledger.0["rules"];
    for (name, ledger) in rules.as_object().unwrap() {
        assert_eq!(ledger["balanced"], json!(true), "{name}: {}", ended.stderr);
        let refused = ledger["replies"]["failed"]["target_refused"].as_u64();
        assert!(refused >= Some(3), "{name}: {}", ended.stderr);
    }
}

/// Until the metrics have so many copies that were refused for their target.
fn wait_for_refused(node: &Node, count: u64) {
    for _ in 0..300 {
        let (_, metrics) = node.admin("GET", "/metrics", "");
        let refused = metrics.lines().filter(|line| {
            line.starts_with("podmirror_replies_failed_total") && line.contains("target_refused")
        });
        let refused: u64 = refused
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        if refused >= count {
            return assert_eq!(refused, count);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("no {count} copies were refused");
}

#[test]
fn a_denied_network_is_for_documents_only() {
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    serve_istio(&node);
    node.api.apply(VIRTUAL_SERVICES, virtual_service(100));
    let target = format!("http://{}", node.v2.address());
    let agent = node.agent_with(&[
        "--watch-config",
        "--deny-target",
        "10.77.0.0/24",
        "--pod-selector",
        "version=v1",
        "--port",
        "80",
        "--target",
        &target,
    ]);
    agent.wait_until_attached("v1", 2);
    node.wait_until_ready(&agent);
    node.request(&v1, "/denied");
    // The operator's own target is in that network as well.
    node.assert_mirrored(&agent, &["/denied"]);
    agent.wait_for("is in a network of --deny-target", 1);
    agent.stop(1);
    assert_eq!(v2.wait_for(0).len(), 0);
}

/// A pod that is root in a network of its own gives the interface there the pod's address, and the
/// numbers of another pod's.
#[test]
fn forged_interface_numbers_do_not_attach_to_another_pod() {
    for known_on_the_host in [false, true] {
        forged_numbers(known_on_the_host);
    }
}

/// A namespace is known on the host by a number of its own, once an interface leads there.
fn forged_numbers(known_on_the_host: bool) {
    let node = Node::new();
    let victim = node.web("victim", 31);
    let index = |namespace: &Namespace, name: &str| {
        let index = namespace.run(|| if_nametoindex(name)).unwrap();
        index.unwrap()
    };
    let inside = index(victim.pod.namespace(), "eth0");
    let outside = index(&node.lab.node, victim.pod.peer());
    let [forged, behind] = ["forged", "behind"].map(|role| Namespace::unique(role).unwrap());
    behind
        .ip(&format!(
            "link add far index {outside} type veth peer name eth0 index {inside} netns {}",
            forged.name()
        ))
        .unwrap();
    forged
        .ip("address add 10.77.0.30/24 dev eth0\nlink set eth0 up")
        .unwrap();
    if known_on_the_host {
        let set = format!("netns set {} auto", forged.name());
        node.lab.node.ip(&set).unwrap();
    }
    let mut sleep = Command::new("sleep");
    // Older than the pod's own, so that it is looked at first.
    let stranger = forged.spawn(sleep.arg("86400")).unwrap();
    let mut mine = node.web("mine", 30);
    mine.pod.adopt(&stranger).unwrap();
    node.tell(&mine);
    let agent = node.agent(&["--attach", "host"]);
    agent.wait_for("the other end of `eth0` is not on the host", 1);
    node.request(&victim, "/secret");
    node.wait_for_readiness(&agent, |status, why| status == 503 && why.contains("mine"));
    assert_eq!(agent.count("attached to"), 0, "{}", agent.0.stderr());
    assert_eq!(node.v2.requests().len(), 0);
    agent.stop(0);
}

#[test]
fn the_admin_socket_is_for_us_alone_and_copies_get_no_answer() {
    let node = Node::new();
    let agent = node.agent(&[]);
    let made = std::fs::symlink_metadata(node.socket()).unwrap();
    assert_eq!(made.mode() & 0o777, 0o600);
    let mut client = RawClient::connect(&node.lab.node, ([127, 0, 0, 1], 9090).into()).unwrap();
    client
        .write(b"GET /metrics HTTP/1.1\r\nhost: agent\r\nx-mirrored-by: podmirror\r\n\r\n")
        .unwrap();
    assert_eq!(client.read_reply("GET").unwrap().status, 403);
    agent.stop(0);
    assert!(!node.socket().exists(), "it goes with the agent");
}
