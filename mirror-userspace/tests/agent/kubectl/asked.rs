//! What all agents are asked.

use std::path::Path;

use lab::agent_pod;
use serde_json::{Value, json};

use super::{Cluster, PODMIRROR};
use crate::node::{PATIENCE, PODS};

#[test]
fn status_adds_up_all_nodes_and_names_those_that_do_not_answer() {
    let cluster = Cluster::new(&[]);
    let (one, two) = (cluster.web("one", 30, 1), cluster.web("two", 31, 2));
    for target in ["/a", "/b", "/c"] {
        cluster.node.request(&one, target);
    }
    cluster.node.request(&two, "/d");
    cluster.node.v2.wait_for(4, PATIENCE);
    let status = cluster.wait_for_status(|it| it["rules"][0]["ended"] == 4.0);
    let rule = &status["rules"][0];
    for (field, value) in [
        ("rule", json!("flags")),
        ("nodes", json!(2.0)),
        ("attachments", json!(2.0)),
        ("sample_ratio", json!(1.0)),
        ("sent", json!(4.0)),
        ("lost", json!(0.0)),
        ("errors", json!(0.0)),
    ] {
        assert_eq!(rule[field], value, "{field}: {status:#}");
    }
    assert!(
        rule["lag_p99_seconds"].as_f64().unwrap() > 0.0,
        "{status:#}"
    );
    assert_eq!(status["balanced"], json!(true), "{status:#}");
    let mut pods: Vec<_> = status["pods"].as_array().unwrap().iter().collect();
    pods.sort_by_key(|pod| pod["pod"].to_string());
    let place = |pod: &Value| [&pod["pod"], &pod["node"], &pod["state"]].map(Value::to_string);
    assert_eq!(place(pods[0]), [r#""one""#, r#""node-1""#, r#""attached""#]);
    assert_eq!(place(pods[1]), [r#""two""#, r#""node-2""#, r#""attached""#]);

    // One whose network nobody gets into, and one where nobody listens.
    let nobody = |number: usize, port: &str| {
        let at = [
            format!("node-{number}"),
            format!("127.0.0.1:{port}"),
            "/none".into(),
        ];
        cluster.node.api.apply(PODS, agent_pod(number, &at));
    };
    nobody(3, "1");
    nobody(4, "9");
    let (network, podmirror) = (&cluster.node.lab.node, Path::new(PODMIRROR));
    let let_in = cluster
        .node
        .api
        .let_in("podmirror", "podmirror-4", network, podmirror);
    let_in.unwrap();
    let said = cluster.kubectl(&["status"]);
    let parts = [
        "on 4 nodes, of which 2 answered",
        "no answer: node-3 (podmirror-3): the API knows none",
        "no answer: node-4 (podmirror-4): Connection refused",
        "default/two  node-2  attached  flags",
        "lost: nothing",
        "books: balanced",
    ];
    said.assert(3, &parts);
    let some = cluster.kubectl(&["status", "--node", "node-1,node-2"]);
    some.assert(0, &["on 2 nodes, of which 2 answered"]);
    let none = cluster.kubectl(&["status", "--node", "node-3"]);
    none.assert(1, &["none of the 1 agents answered"]);
    let nowhere = cluster.kubectl(&["status", "--namespace", "elsewhere"]);
    nowhere.assert(1, &["no agent runs in namespace elsewhere"]);

    let top = cluster.kubectl(&["top", "--node", "node-1,node-2"]);
    top.assert(0, &["> flags"]);
    let diagnosed = cluster.kubectl(&["diagnose"]);
    let parts = [
        "node-1 (podmirror-1): has all that it takes",
        "node-2 (podmirror-2): has all that it takes",
        "node-3 (podmirror-3): the API knows none",
    ];
    diagnosed.assert(3, &parts);
    let [first, second] = cluster.agents;
    first.stop(3);
    second.stop(1);
}

#[test]
fn the_last_losses_of_all_nodes_are_told_by_time() {
    let cluster = Cluster::new(&["--max-rps", "1"]);
    let (one, two) = (cluster.web("one", 30, 1), cluster.web("two", 31, 2));
    for round in 0..4 {
        cluster.node.request(&one, &format!("/one/{round}"));
        cluster.node.request(&two, &format!("/two/{round}"));
    }
    let lost = |status: &Value| status["rules"][0]["losses"]["requests.dropped.max_rps"].as_f64();
    cluster.wait_for_status(|it| lost(it).is_some_and(|lost| lost >= 2.0));
    let said = cluster.kubectl(&["why", "max_rps", "--last", "1000"]);
    said.assert(
        0,
        &[
            "node-1: loss ",
            "node-2: loss ",
            "requests.dropped.max_rps: It was above",
            "GET /one/",
        ],
    );
    cluster
        .kubectl(&["why", "--last", "1"])
        .assert(0, &["others are kept (--last)"]);
    cluster
        .kubectl(&["why", "timeout"])
        .assert(0, &["nothing of that kind was lost"]);
    cluster
        .kubectl(&["why", "nothing"])
        .assert(2, &["no reason is called"]);
    cluster
        .kubectl(&["status"])
        .assert(0, &["requests.dropped.max_rps (flags to "]);
    cluster
        .kubectl(&["verdict"])
        .assert(4, &["nothing is compared"]);
    for agent in cluster.agents {
        let ended = agent.0.stop().unwrap();
        assert!(ended.status.success(), "{}", ended.stderr);
    }
}
