//! What two agents say, added up and shown.

use mirror_kubernetes::cluster::agents::AgentPod;
use serde_json::{Value, json};

use super::{
    status::{Look, Status},
    sum::add_up,
};

/// Books as `GET /ledger` tells them, of one rule to one target.
fn books(uptime: f64, attachments: u64, sample: f64, sent: u64) -> Value {
    let quantiles = json!({"p50": 1_000, "p99": 2_000 * sent, "max": 3_000 * sent});
    json!({
        "version": "0.1.0",
        "uptime_seconds": uptime,
        "rules": [{
            "rule": "flags",
            "attachments": attachments,
            "targets": [{
                "target": "http://v2",
                "sample_ratio": sample,
                "queued": 1,
                "connections": 2,
                "breaker_opened": 0,
                "lag": [[1_000_000, sent], [8_000_000, 1]],
                "latency": [],
            }],
            "v1_latency": [],
            "ledger": {
                "segments": {"seen": sent, "ring_full": 1},
                "http2_most_on_a_connection": sent,
                "v1_latency_us": {"p50": 0, "p99": 0, "max": 0},
                "targets": {"http://v2": {
                    "requests": {"sent": sent, "dropped": {"queue_full": 2}, "filtered": {"loop": 3, "deny": 0}},
                    "replies": {"answered": {"2xx": sent - 1, "5xx": 1}, "failed": {}},
                    "lag_us": quantiles,
                    "latency_us": {"p50": 0, "p99": 0, "max": 0},
                }},
                "balanced": true,
            },
        }],
        "rules_stopped": [],
        "pods": [{"rule": "flags", "namespace": "default", "pod": "web", "state": "attached"}],
        "watches": [{"kind": "pods", "up": sent > 5, "errors": 1}],
        "unclaimed_records": 2,
        "omitted": {"rules": 0, "pods": 0, "namespaces": 0},
    })
}

pub(super) fn agent(node: &str) -> AgentPod {
    AgentPod {
        namespace: "podmirror".into(),
        name: format!("podmirror-{node}"),
        node: node.into(),
        ready: true,
        container: "agent".into(),
        port: Some(9090),
        socket: None,
        flags: Vec::new(),
    }
}

#[test]
fn counts_are_added_and_what_is_no_count_is_not() {
    let (one, two) = (books(10.0, 1, 1.0, 99), books(5.0, 2, 0.5, 300));
    let sum = add_up(&[("a", &one), ("b", &two)]);
    let rule = &sum["rules"][0];
    assert_eq!(sum["uptime_seconds"], 5.0);
    assert_eq!(sum["version"], "0.1.0");
    assert_eq!(
        (&rule["attachments"], &rule["nodes"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(
        rule["ledger"]["segments"],
        json!({"seen": 399, "ring_full": 2})
    );
    assert_eq!(rule["ledger"]["http2_most_on_a_connection"], 300);
    assert_eq!(rule["ledger"]["balanced"], true);
    let book = &rule["ledger"]["targets"]["http://v2"];
    assert_eq!(
        book["requests"],
        json!({"sent": 399, "dropped": {"queue_full": 4}, "filtered": {"loop": 6, "deny": 0}})
    );
    // 399 of the 401 took a millisecond.
    assert_eq!(
        book["lag_us"],
        json!({"p50": 1_000, "p99": 1_000, "max": 900_000})
    );
    let target = &rule["targets"][0];
    assert_eq!(
        (&target["queued"], &target["connections"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(target["lag"], json!([[1_000_000, 399], [8_000_000, 2]]));
    assert_eq!(target["sample_ratio"], 1.0);
    assert_eq!(target["sample_ratio_least"], 0.5);
    assert_eq!(sum["pods"][1]["node"], "b");
    assert_eq!(sum["unclaimed_records"], 4.0);
    assert_eq!(
        sum["watches"],
        json!([{"kind": "pods", "up": true, "errors": 2.0}])
    );
}

#[test]
fn agents_without_pods_of_a_rule_do_not_count_for_its_rate() {
    let (one, two) = (books(1.0, 1, 0.0, 9), books(1.0, 0, 1.0, 9));
    let sum = add_up(&[("a", &one), ("b", &two)]);
    assert_eq!(
        sum["rules"][0]["targets"][0]["sample_ratio"], 0.0,
        "stopped is stopped"
    );
    let sum = add_up(&[("b", &two)]);
    assert_eq!(sum["rules"][0]["targets"][0]["sample_ratio"], 1.0);
}

/// An agent without pods of the rule has a part for the first that comes.
#[test]
fn caps_are_those_of_all_agents_that_have_pods_of_the_rule() {
    let cap = |attachments, cap: Value| {
        let mut books = books(1.0, attachments, 1.0, 9);
        books["rules"][0]["targets"][0]["cap_copies_per_second"] = cap;
        books
    };
    let sum = |books: &[Value]| {
        let all: Vec<_> = books.iter().map(|books| ("a", books)).collect();
        add_up(&all)["rules"][0]["targets"][0]["cap_copies_per_second"].clone()
    };
    let some = [cap(1, json!(10.5)), cap(0, json!(7.0)), cap(3, json!(20.0))];
    assert_eq!(sum(&some), json!(30.5));
    assert_eq!(sum(&[cap(1, Value::Null)]), Value::Null);
    let older = books(1.0, 1, 1.0, 9);
    assert_eq!(sum(std::slice::from_ref(&older)), Value::Null);
    for other in [older, cap(1, Value::Null)] {
        for mixed in [
            [cap(1, json!(10.5)), other.clone()],
            [other, cap(1, json!(10.5))],
        ] {
            assert_eq!(sum(&mixed), Value::Null, "it may send more than that");
        }
    }
    let idle = books(1.0, 0, 1.0, 9);
    assert_eq!(sum(&[idle, cap(1, json!(10.5))]), json!(10.5));
}

#[test]
fn one_unbalanced_agent_unbalances_the_sum() {
    let (one, mut two) = (books(1.0, 1, 1.0, 9), books(1.0, 1, 1.0, 9));
    two["rules"][0]["ledger"]["balanced"] = json!(false);
    let sum = add_up(&[("a", &one), ("b", &two)]);
    assert_eq!(sum["rules"][0]["ledger"]["balanced"], false);
}

#[test]
fn nothing_adds_up_to_nothing() {
    assert_eq!(add_up(&[])["rules"], json!([]));
    let odd = json!({"rules": [{"rule": 5, "targets": "no list", "ledger": []}, null]});
    assert_eq!(add_up(&[("a", &odd)])["rules"][0]["attachments"], 0);
}

#[test]
fn status_says_what_is_mirrored_where_and_who_is_silent() {
    let agents = ["a", "b", "c\u{1b}[2J"].map(agent);
    let answers = [
        Ok([books(10.0, 1, 1.0, 10), books(12.0, 1, 1.0, 30)]),
        Ok([books(20.0, 2, 0.1, 10), books(22.0, 2, 0.1, 20)]),
        Err(anyhow::anyhow!("no answer in 10 s")),
    ];
    let looks: Vec<_> = agents
        .iter()
        .zip(answers)
        .map(|(agent, books)| Look { agent, books })
        .collect();
    let status = Status::of(&looks);
    let said = status.text(1);
    for part in [
        "podmirror 0.1.0 on 3 nodes, of which 2 answered\n",
        "  no answer: c?[2J (podmirror-c?[2J): no answer in 10 s\n",
        "flags  v2      2      3     10.0%-100 %  15.0    50    4.0%    8.0ms    0       4\n",
        "lost: 4 requests.dropped.queue_full (flags to http://v2): ",
        "filtered: 6 by loop (flags to http://v2)\n",
        "default/web  a     attached  flags\n",
        "and 1 other pods (-o wide)\n",
        "books: balanced\n",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let json = status.json();
    assert_eq!(json["balanced"], true);
    assert_eq!(json["omitted"]["pods"], 0);
    assert_eq!((&json["agents"], &json["answered"]), (&json!(3), &json!(2)));
    assert_eq!(json["rules"][0]["sent_per_second"], 15.0);
    assert_eq!(
        json["rules"][0]["losses"]["requests.dropped.queue_full"],
        4.0
    );
    assert_eq!(json["nodes"][2]["error"], "no answer in 10 s");
    assert_eq!(json["nodes"][1]["attachments"], 2.0);
}

#[test]
fn books_under_way_are_no_false_alarm() {
    let agents = ["a", "b"].map(agent);
    let told = |sent: [u64; 2]| {
        let looks = [10.0, 12.0].into_iter().zip(sent);
        let looks: Vec<_> = looks
            .map(|(uptime, sent)| {
                let mut books = books(uptime, 1, 1.0, sent);
                books["rules"][0]["ledger"]["balanced"] = json!(false);
                books["omitted"] = json!({"rules": 1, "pods": 4, "namespaces": 0});
                books
            })
            .collect();
        let fine = [books(10.0, 1, 1.0, 1), books(12.0, 1, 1.0, 2)];
        let both = [fine, looks.try_into().unwrap()];
        let looks = agents.iter().zip(both);
        let looks: Vec<_> = looks
            .map(|(agent, books)| Look {
                agent,
                books: Ok(books),
            })
            .collect();
        let status = Status::of(&looks);
        (status.text(9), status.json())
    };
    let (said, json) = told([10, 30]);
    assert!(said.contains("\nbooks: being counted on b\n"), "{said}");
    assert!(said.contains("\n1 rules and 4 pods are not told"), "{said}");
    assert_eq!(json["balanced"], json!(null));
    assert_eq!(json["nodes"][0]["balanced"], true);
    let (said, json) = told([30, 30]);
    assert!(said.contains("\nbooks: do not balance on b\n"), "{said}");
    assert_eq!(json["balanced"], false);
}

#[test]
fn it_is_kubectls_plugin_by_its_name_alone() {
    use clap::CommandFactory as _;
    assert!(!super::is_called());
    super::KubectlCli::command().debug_assert();
}

#[test]
fn what_two_agents_say_alike_is_said_once() {
    let mut one = books(10.0, 1, 1.0, 99);
    one["rules_stopped"] = json!(["b", "a"]);
    let mut two = one.clone();
    two["pods"][0]["state"] = json!("waiting");
    let sum = add_up(&[("a", &one), ("a", &two), ("b", &two)]);
    assert_eq!(sum["rules_stopped"], json!(["a", "b"]));
    let pods = sum["pods"].as_array().unwrap();
    let shown: Vec<_> = pods
        .iter()
        .map(|pod| (&pod["node"], &pod["state"]))
        .collect();
    let wanted =
        [("a", "attached"), ("b", "waiting")].map(|(node, state)| (json!(node), json!(state)));
    assert_eq!(shown, wanted.each_ref().map(|(node, state)| (node, state)));
}
