//! What all agents are told, and what lasts.

use lab::agent_pod;
use serde_json::json;

use super::Cluster;
use crate::{
    node::{PATIENCE, PODS, V1},
    traffic_mirrors::{TRAFFIC_MIRRORS, mirror},
};

#[test]
fn a_rate_is_set_on_all_nodes_and_holds_for_pods_to_come() {
    let cluster = Cluster::new(&[]);
    let (one, two) = (cluster.web("one", 30, 1), cluster.web("two", 31, 2));
    let webs = [&one, &two];
    let request = |target: &str| webs.map(|web| cluster.node.request(web, target));
    let stopped = cluster.kubectl(&["stop"]);
    stopped.assert(0, &["0 % is set on 2 of 2 nodes", "flags"]);
    request("/none");
    // Pods that come do not bring the rate of the flags back, nor do those that are replaced.
    let three = cluster.web("three", 32, 1);
    cluster.node.request(&three, "/none/either");
    cluster.node.forget("one");
    cluster.agents[0].wait_until_detached("one", 1);
    cluster.node.api.apply(PODS, one.pod.object("node-1", V1));
    cluster.agents[0].wait_until_attached("one", 2);
    request("/none/again");
    let status = cluster.status();
    assert_eq!(status["rules"][0]["sample_ratio"], json!(0.0), "{status:#}");
    assert_eq!(status["rules"][0]["sent"], json!(0.0), "{status:#}");

    let set = cluster.kubectl(&["set", "sample-rate", "100%", "--rule", "flags"]);
    set.assert(0, &["100 % is set on 2 of 2 nodes"]);
    request("/all");
    cluster.node.request(&three, "/all/too");
    let copies = cluster.node.v2.wait_for(3, PATIENCE);
    assert!(
        copies.iter().all(|copy| copy.target().starts_with("/all")),
        "{copies:?}"
    );

    let unknown = cluster.kubectl(&["set", "sample-rate", "5%", "--rule", "flag"]);
    unknown.assert(1, &["no node has a rule \"flag\""]);
    let absurd = cluster.kubectl(&["set", "sample-rate", "500%"]);
    absurd.assert(2, &["above 100 %"]);
    cluster.node.api.forbid("podmirror-2/exec");
    let partly = cluster.kubectl(&["set", "sample-rate", "50%"]);
    partly.assert(
        3,
        &[
            "50 % is set on 1 of 2 nodes",
            "node-2 (podmirror-2): the API forbids it",
            "pods/exec",
        ],
    );
    let status = cluster.kubectl(&["status"]);
    status.assert(0, &["50.0%-100 %"]);
    let [first, second] = cluster.agents;
    first.stop(2);
    second.stop(1);
}

/// As while an agent hands over to the next one, which waits for its socket.
#[test]
fn an_agent_whose_socket_is_anothers_is_not_counted() {
    let cluster = Cluster::new(&[]);
    let socket = |number: usize| {
        let socket = cluster.node.scratch.path().join(format!("{number}.sock"));
        socket.to_str().unwrap().to_owned()
    };
    let second = |socket: String| {
        let at = ["node-2".to_owned(), "127.0.0.1:9092".to_owned(), socket];
        cluster.node.api.apply(PODS, agent_pod(2, &at));
    };
    second(socket(1));
    let stopped = cluster.kubectl(&["stop"]);
    stopped.assert(
        3,
        &[
            "0 % is set on 1 of 2 nodes",
            "node-2 (podmirror-2): it was not reached",
            "it mirrors 100 % of flags",
        ],
    );
    second(socket(2));
    let stopped = cluster.kubectl(&["stop"]);
    stopped.assert(0, &["0 % is set on 2 of 2 nodes"]);
    let [first, second] = cluster.agents;
    first.stop(0);
    second.stop(0);
}

#[test]
fn with_its_token_agents_are_told_without_executing_anything() {
    let token = lab::Scratch::create("token").unwrap();
    let file = token.path().join("token");
    std::fs::write(&file, "a token of some length\n").unwrap();
    let file = file.to_str().unwrap();
    let cluster = Cluster::new(&["--admin-token-file", file]);
    cluster.node.api.forbid("/exec");
    let set = ["set", "sample-rate", "25%"];
    cluster
        .kubectl(&set)
        .assert(1, &["0 of 2 nodes", "pods/exec"]);
    let with_token = [&set[..], &["--admin-token-file", file]].concat();
    cluster
        .kubectl(&with_token)
        .assert(0, &["25 % is set on 2 of 2 nodes"]);
    let status = cluster.status();
    assert_eq!(
        status["rules"][0]["sample_ratio"],
        json!(0.25),
        "{status:#}"
    );
    let [first, second] = cluster.agents;
    first.stop(0);
    second.stop(0);
}

#[test]
fn the_rate_of_a_traffic_mirror_is_written_where_it_lasts() {
    let cluster = Cluster::with(|_| vec!["--watch-config".to_owned()]);
    cluster.node.api.apply(TRAFFIC_MIRRORS, mirror(&json!({})));
    let _one = cluster.web("one", 30, 1);
    let _two = cluster.web("two", 31, 2);
    cluster.wait_for_status(|it| it["rules"][0]["attachments"] == 2.0);
    let written = |pointer: &str| {
        let object = cluster
            .node
            .api
            .object(TRAFFIC_MIRRORS, "default", "web")
            .unwrap();
        object.pointer(pointer).cloned().unwrap_or_default()
    };
    let of_web = ["--mirror", "default/web"];
    let set = cluster.kubectl(&[&["set", "sample-rate", "12.5%"], &of_web[..]].concat());
    set.assert(
        0,
        &[
            "TrafficMirror default/web: 12.5 %",
            "2 of 2 nodes do as it says",
        ],
    );
    assert_eq!(written("/spec/targets/0/percent"), json!(12.5));
    assert_eq!(
        written("/spec/targets/0/port"),
        json!(80),
        "the rest is as it was"
    );
    let status = cluster.status();
    assert_eq!(
        status["rules"][0]["sample_ratio"],
        json!(0.125),
        "{status:#}"
    );
    let explained = cluster.kubectl(&["explain"]);
    explained.assert(0, &["TrafficMirror default/web"]);

    let stopped = cluster.kubectl(&["stop", "--lasting"]);
    stopped.assert(
        0,
        &[
            "0 % is set on 2 of 2 nodes",
            "TrafficMirror default/web: suspended",
        ],
    );
    assert_eq!(written("/spec/suspend"), json!(true));
    cluster.wait_for_status(|it| it["rules"].as_array().unwrap().is_empty());
    let resumed = cluster.kubectl(&[&["resume"], &of_web[..]].concat());
    resumed.assert(0, &["no longer suspended", "2 of 2 nodes do as it says"]);
    let status = cluster.status();
    assert_eq!(
        status["rules"][0]["sample_ratio"],
        json!(0.125),
        "{status:#}"
    );
    let stopped = cluster.kubectl(&[&["stop"], &of_web[..]].concat());
    stopped.assert(0, &["suspended", "2 of 2 nodes do as it says"]);
    let unknown = cluster.kubectl(&["stop", "--mirror", "default/none"]);
    unknown.assert(1, &["TrafficMirror default/none: the API knows none"]);
    // Who may see no agents may change documents all the same.
    let unseen = |words: &[&str]| cluster.kubectl(&[words, &["--namespace", "elsewhere"]].concat());
    let resumed = unseen(&[&["resume"], &of_web[..]].concat());
    resumed.assert(3, &["no longer suspended", "no agent runs in namespace"]);
    assert_eq!(written("/spec/suspend"), json!(false));
    let stopped = unseen(&["stop", "--lasting"]);
    stopped.assert(3, &["TrafficMirror default/web: suspended", "only the"]);
    assert_eq!(written("/spec/suspend"), json!(true));
    unseen(&["stop"]).assert(1, &["no agent runs in namespace"]);
    cluster
        .kubectl(&["stop", "--mirror", "web"])
        .assert(2, &["NAMESPACE/NAME"]);
    for agent in cluster.agents {
        let ended = agent.0.stop().unwrap();
        assert!(ended.status.success(), "{}", ended.stderr);
    }
}
