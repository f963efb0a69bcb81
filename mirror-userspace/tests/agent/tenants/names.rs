//! What a tenant names that is not his.

use serde_json::json;

use super::*;

/// Documents of `evil`, each with the reason for which it is refused; whatever their kind and spelling.
fn hostile(node: &str) -> Vec<(&'static str, Value)> {
    let ledger = "name: ledger, namespace: bank, port: 80";
    let sink = "name: sink, port: 80";
    let mut exported = istio(
        "exported",
        "host: ledger.bank.svc.cluster.local",
        "host: sink",
    );
    exported["spec"]["exportTo"] = json!(["*"]);
    let mut subset = istio("subset", "host: ledger.bank.svc", "host: sink");
    subset["spec"]["http"][0]["route"][0]["destination"]["subset"] = json!("v1");
    let mut parent = gateway("HTTPRoute", "parent", ledger, sink);
    parent["spec"]["parentRefs"] =
        json!([{"kind": "Service", "group": "", "name": "ledger", "namespace": "bank"}]);
    vec![
        (
            "source",
            istio("svc", "host: ledger.bank.svc", "host: sink"),
        ),
        (
            "source",
            istio("fqdn", "host: ledger.bank.svc.cluster.local", "host: sink"),
        ),
        (
            "source",
            istio("dot", "host: ledger.bank.svc.cluster.local.", "host: sink"),
        ),
        (
            "source",
            istio(
                "in-name",
                "host: ledger.bank.svc.cluster.local:80",
                "host: sink",
            ),
        ),
        (
            "source",
            istio("by-port", "host: ledger.bank.svc, number: 80", "host: sink"),
        ),
        ("source", exported),
        ("source", subset),
        ("source", parent),
        ("source", gateway("HTTPRoute", "http", ledger, sink)),
        ("source", gateway("GRPCRoute", "grpc", ledger, sink)),
        (
            "target",
            istio("into", "host: mine", "host: next.bank.svc.cluster.local"),
        ),
        (
            "target",
            gateway(
                "HTTPRoute",
                "into",
                "name: mine, port: 80",
                "name: next, namespace: bank, port: 80",
            ),
        ),
        (
            "external",
            istio("loop", "host: mine", "host: 127.0.0.1, number: 9090"),
        ),
        (
            "external",
            istio("meta", "host: mine", "host: 169.254.169.254"),
        ),
        (
            "external",
            istio("node", "host: mine", &format!("host: {node}, number: 9090")),
        ),
        ("external", istio("pod", "host: mine", "host: 10.77.0.31")),
        ("external", istio("dns", "host: mine", "host: next.bank")),
        (
            "external",
            istio(
                "pod-dns",
                "host: mine",
                "host: 10-77-0-31.bank.pod.cluster.local",
            ),
        ),
        ("invalid", istio("six", "host: mine", "host: [::1]")),
        (
            "invalid",
            istio("mapped", "host: mine", "host: ::ffff:127.0.0.1"),
        ),
        (
            "invalid",
            istio("line", "host: mine", "host: a\nERROR forged"),
        ),
    ]
}

#[test]
fn a_tenant_gets_nothing_that_is_not_his() {
    let cluster = Cluster::new();
    let subset = json!({"host": "ledger.bank.svc", "subsets": [{"name": "v1", "labels": {}}]});
    cluster.apply(document(ISTIO, "DestinationRule", "own", subset.clone()));
    cluster.apply_in(
        "istio-system",
        document(ISTIO, "DestinationRule", "mesh", subset),
    );
    cluster.mirror_the_bank();
    let agent = cluster.agent(&[]);
    agent.wait_for("bank/ledger: attached to ", 1);
    let mut counts = BTreeMap::new();
    for (reason, document) in hostile("10.77.0.1") {
        let (kind, name) = (
            document["kind"].as_str().unwrap().to_owned(),
            document["metadata"]["name"].as_str().unwrap().to_owned(),
        );
        cluster.apply(document);
        agent.wait_for(&format!("{kind} evil/{name}: spec."), 1);
        *counts.entry(reason).or_insert(0) += 1;
    }
    for (reason, count) in counts {
        let name = format!("podmirror_documents_refused{{namespace=\"evil\",reason=\"{reason}\"}}");
        cluster
            .node
            .wait_for_metric(&agent, &name, Some(&count.to_string()));
    }
    // With what would allow it, and once, however often other documents change.
    for line in [
        "VirtualService evil/svc: spec.http[0].route[0].destination: the requests of service \
         bank/ledger are namespace bank's: copying them takes a ReferenceGrant there (from \
         VirtualService of namespace evil to Service), or --watch-cross-namespace=evil",
        "VirtualService evil/into: spec.http[0].mirror: service bank/next is namespace bank's: sending \
         copies to it takes a ReferenceGrant there (from VirtualService of namespace evil to Service), \
         or --allow-target-namespace=bank",
        "VirtualService evil/loop: spec.http[0].mirror: http://127.0.0.1:9090 is no service of the \
         cluster: sending copies to it takes --allow-external-target=127.0.0.1",
    ] {
        assert_eq!(agent.count(line), 1, "{line}\n{}", agent.0.stderr());
    }
    assert!(
        !agent.0.stderr().contains("\nERROR forged"),
        "{}",
        agent.0.stderr()
    );

    // What is his own is mirrored, and the bank's goes where the bank says.
    cluster.apply(istio("own", "host: mine", "host: sink"));
    agent.wait_for("evil/mine: attached to ", 1);
    cluster.node.wait_until_ready(&agent);
    cluster.request("mine", "/mine");
    assert_eq!(cluster.got("sink", 1), ["/mine"]);
    cluster.request("ledger", "/secret");
    assert_eq!(cluster.got("next", 1), ["/secret"]);
    cluster.node.wait_until_ready(&agent);
    assert_eq!(agent.count("bank/ledger: attached to "), 1);
    assert_eq!(agent.count("evil/mine: attached to "), 1);
    assert_eq!(cluster.got("sink", 1), ["/mine"]);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let rules = ended.ledger.0["rules"].as_object().unwrap();
    assert_eq!(rules.len(), 2, "{rules:?}");
}

/// Consent opens what it is for, as long as it is there.
#[test]
fn a_grant_lets_a_tenants_document_in_and_its_end_shuts_it_out() {
    let cluster = Cluster::new();
    cluster.apply(istio("allowed", "host: ledger.bank.svc", "host: sink"));
    let agent = cluster.agent(&[]);
    agent.wait_for("VirtualService evil/allowed: spec.", 1);
    // Of another kind, and in the wrong namespace: neither is the bank's word for this document.
    cluster.apply_in("bank", grant("routes", GATEWAY, "HTTPRoute"));
    cluster.apply(grant("mine", ISTIO, "VirtualService"));
    cluster.apply_in("bank", grant("services", ISTIO, "VirtualService"));
    agent.wait_for("bank/ledger: attached to ", 1);
    cluster.node.wait_until_ready(&agent);
    cluster.request("ledger", "/allowed");
    assert_eq!(cluster.got("sink", 1), ["/allowed"]);
    cluster.delete(GATEWAY, "referencegrants", "bank", "services");
    agent.wait_for(" has ended: ", 1);
    cluster.request("ledger", "/shut");
    let name = "podmirror_documents_refused{namespace=\"evil\",reason=\"source\"}";
    cluster.node.wait_for_metric(&agent, name, Some("1"));
    assert_eq!(cluster.got("sink", 1), ["/allowed"]);
    assert!(agent.0.stop().unwrap().status.success());
}

#[test]
fn the_operators_flags_let_documents_out() {
    let cluster = Cluster::new();
    cluster.apply(istio("source", "host: ledger.bank.svc", "host: sink"));
    cluster.apply(istio("target", "host: mine", "host: next.bank.svc"));
    let v2 = cluster.node.v2.address();
    let external = format!("host: {}", v2.ip());
    cluster.apply(istio("external", "host: mine", &external));
    let allowed = format!("--allow-external-target={}", v2.ip());
    let agent = cluster.agent(&[
        "--watch-cross-namespace=evil",
        "--allow-target-namespace=bank",
        &allowed,
    ]);
    agent.wait_for("bank/ledger: attached to ", 1);
    agent.wait_for("evil/mine: attached to ", 2);
    cluster.node.wait_until_ready(&agent);
    cluster.request("ledger", "/source");
    assert_eq!(cluster.got("sink", 1), ["/source"]);
    cluster.request("mine", "/mine");
    assert_eq!(cluster.got("next", 1), ["/mine"]);
    cluster.node.assert_mirrored(&agent, &["/mine"]);
    assert_eq!(agent.count("refused: "), 0, "{}", agent.0.stderr());
    assert!(agent.0.stop().unwrap().status.success());
}
