//! A tenant's rule whose daemon can't start, or breaks: the others' go on.

use std::{collections::BTreeSet, process::Command};

use super::*;

/// How the agent shows a pod of a rule that could not be attached to.
const FAILED: &str = "podmirror_pods{rule=\"VirtualService evil/late http[0]\",state=\"failed\"}";

/// How many files the agent has open.
fn open_files(agent: &Agent) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", agent.0.id())).unwrap();
    files.count()
}

/// Allows the agent so many open files from now on.
fn allow_files(agent: &Agent, count: usize) {
    let done = Command::new("prlimit")
        .args(["--pid", &agent.0.id().to_string()])
        .arg(format!("--nofile={count}:"))
        .status();
    assert!(done.unwrap().success());
}

/// Both of a shard's ways to panic: its own thread, and one of its tasks, whose panic tokio keeps to itself.
#[test]
fn a_shard_that_panics_ends_its_own_rule_only() {
    let cluster = Cluster::new();
    cluster.mirror_the_bank();
    cluster.apply(istio("thread", "host: mine", "host: sink"));
    cluster.apply(istio("task", "host: sink", "host: mine"));
    let agent = cluster.agent_where(
        &["PODMIRROR_FAULT=panic=service/evil/sink,task-panic=service/evil/mine"],
        &[],
    );
    agent.wait_for("evil/mine: attached to ", 1);
    agent.wait_for("evil/sink: attached to ", 1);
    cluster.node.wait_until_ready(&agent);
    cluster.assert_bank_is_mirrored("/before", 1);
    cluster.request("mine", "/strikes");
    cluster.request("sink", "/strikes");
    for name in ["thread", "task"] {
        let rule = format!("VirtualService evil/{name} http[0]");
        agent.wait_for(&format!("a shard of {rule} panicked"), 1);
        agent.wait_for(&format!("{rule} has ended: "), 1);
        let stopped = format!("podmirror_rule_stopped{{rule=\"{rule}\"}}");
        cluster.node.wait_for_metric(&agent, &stopped, Some("1"));
        assert_eq!(agent.count(&format!("a shard of {rule} panicked")), 1);
    }
    cluster.node.wait_until_ready(&agent);
    // Nobody reads what is sent to that pod any more.
    cluster.request("mine", "/unread");
    cluster.assert_bank_is_mirrored("/after", 2);
    let attachments = "podmirror_attachments{rule=\"VirtualService bank/legit http[0]\"}";
    cluster.node.wait_for_metric(&agent, attachments, Some("1"));

    // Another document is another mirror.
    cluster.apply(istio("thread", "host: mine", "host: sink, number: 80"));
    agent.wait_for("evil/mine: attached to ", 2);
    cluster.node.wait_until_ready(&agent);
    cluster.request("mine", "/again");
    assert_eq!(cluster.got("sink", 2), ["/strikes", "/again"]);
    let stopped = "podmirror_rule_stopped{rule=\"VirtualService evil/thread http[0]\"}";
    cluster.node.wait_for_metric(&agent, stopped, None);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(cluster.got("next", 2), ["/before", "/after"]);
}

/// Its rings and program take files, of which the agent may open few by now.
#[test]
fn a_daemon_that_cannot_start_fails_its_own_rule_only() {
    let cluster = Cluster::new();
    cluster.mirror_the_bank();
    let agent = cluster.agent(&[]);
    agent.wait_for("bank/ledger: attached to ", 1);
    cluster.node.wait_until_ready(&agent);
    // Its connections are open.
    cluster.assert_bank_is_mirrored("/before", 1);
    allow_files(&agent, open_files(&agent) + 8);
    cluster.apply(istio("late", "host: mine", "host: sink"));
    agent.wait_for("evil/mine: not attached: ", 1);
    cluster.node.wait_for_metric(&agent, FAILED, Some("1"));
    cluster.assert_bank_is_mirrored("/meanwhile", 2);
    assert_eq!(agent.count("evil/mine: attached to "), 0);
    let said = agent.0.stderr();
    let reasons = said
        .lines()
        .filter_map(|line| line.split_once("evil/mine: not attached: "));
    let reasons: Vec<_> = reasons.map(|(_, why)| why).collect();
    let each_once: BTreeSet<_> = reasons.iter().collect();
    assert_eq!(reasons.len(), each_once.len(), "{said}");
    let of_rule = |why: &&str| why.starts_with("VirtualService evil/late http[0]: ");
    assert!(reasons.iter().all(of_rule), "{said}");

    allow_files(&agent, 4096);
    agent.wait_for("evil/mine: attached to ", 1);
    cluster.node.wait_for_metric(&agent, FAILED, Some("0"));
    cluster.request("mine", "/late");
    assert_eq!(cluster.got("sink", 1), ["/late"]);
    cluster.assert_bank_is_mirrored("/after", 3);
    assert!(agent.0.stop().unwrap().status.success());
}
