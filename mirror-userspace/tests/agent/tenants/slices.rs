//! What a tenant writes into the slices of his own service's endpoints.

use serde_json::json;

use super::*;

const NO_POD: &str = "service/evil/sink:80: what is ready is no pod of its namespace";

/// A service of one's own may be given any endpoint. Copies go to pods that have the address.
#[test]
fn an_endpoint_that_is_no_pod_of_the_tenant_gets_nothing() {
    let cluster = Cluster::new();
    cluster.mirror_the_bank();
    let next = cluster.ip("next");
    let pod = |namespace: &str, name: &str| {
        let uid = cluster.pods[name].pod.uid();
        Some(json!({"kind": "Pod", "namespace": namespace, "name": name, "uid": uid}))
    };
    let nameless = Some(json!({"kind": "Pod", "namespace": "evil", "name": "sink"}));
    let node = Some(json!({"kind": "Node", "name": NODE}));
    // Nobody selects them: the tenant writes the slice himself.
    cluster
        .node
        .api
        .apply(SERVICES, service("evil", "sink", Value::Null));
    cluster.slice("evil", "sink", &next, None);
    cluster.apply(gateway(
        "HTTPRoute",
        "r",
        "name: mine, port: 80",
        "name: sink, port: 80",
    ));
    let agent = cluster.agent(&[]);
    agent.wait_for("evil/mine: attached to ", 1);
    agent.wait_for(NO_POD, 1);
    cluster.node.wait_until_ready(&agent);
    for (address, reference) in [
        // The agent's own, the node's, the metadata server, and the bank's pod.
        ("127.0.0.1", None),
        ("10.77.0.1", node),
        ("169.254.169.254", pod("evil", "sink")),
        ("::1", pod("evil", "sink")),
        ("::ffff:127.0.0.1", pod("evil", "sink")),
        (&next, pod("evil", "sink")),
        (&next, nameless),
        (&next, pod("bank", "next")),
        (&next, pod("evil", "next")),
    ] {
        cluster.slice("evil", "sink", address, reference);
    }
    let mut named = service("evil", "sink", json!({"app": "sink"}));
    named["spec"]["type"] = json!("ExternalName");
    named["spec"]["externalName"] = json!("localhost");
    cluster.node.api.apply(SERVICES, named);
    agent.wait_for(
        "the service has no such TCP port (an ExternalName service has none)",
        1,
    );
    cluster.request("mine", "/nowhere");

    // As it should be, at last.
    cluster
        .node
        .api
        .apply(SERVICES, service("evil", "sink", json!({"app": "sink"})));
    cluster.slice("evil", "sink", &cluster.ip("sink"), pod("evil", "sink"));
    agent.wait_for("service/evil/sink:80: 1 endpoint", 1);
    cluster.node.wait_until_ready(&agent);
    let mut sent = 0;
    while cluster.pods["sink"].count() == 0 && sent < 100 {
        // The shards are told after this is said.
        cluster.request("mine", "/own");
        sent += 1;
    }
    assert!(!cluster.got("sink", 1).is_empty());
    cluster.assert_bank_is_mirrored("/legit", 1);
    assert_eq!(cluster.got("next", 1), ["/legit"], "{}", agent.0.stderr());
    assert!(agent.0.stop().unwrap().status.success());
}
