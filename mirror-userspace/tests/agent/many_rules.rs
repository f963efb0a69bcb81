//! As many rules as a node has: they share rings and threads, and nothing else.

use std::{collections::BTreeSet, env, fs};

use serde_json::json;

use crate::{
    documents::{destination_rule, virtual_service, web_service},
    node::{Agent, NODE, Node, PODS, V1},
};

/// Rules, each of them attached to two pods. `PODMIRROR_RULES` has others for measuring, up to 60: a hook has room
/// for no more programs.
fn rules() -> usize {
    let wanted = env::var("PODMIRROR_RULES").ok();
    let count = wanted.map_or(12, |wanted| wanted.parse().unwrap());
    assert!(count <= 60, "PODMIRROR_RULES={count}");
    count
}

/// Documents with a rule each.
fn documents(count: usize) -> String {
    let documents = (0..count).map(|number| {
        let mut service = virtual_service(100);
        service["metadata"]["name"] = json!(format!("web-{number}"));
        service["spec"]["http"][0]["match"] = json!([{"uri": {"prefix": format!("/{number}/")}}]);
        format!("{service}\n---\n")
    });
    documents.collect()
}

/// Of the agent: the threads that read rings, and the rings.
fn shards_and_rings(agent: &Agent) -> (usize, usize) {
    let process = format!("/proc/{}", agent.0.id());
    let read = |path: &str| -> Vec<String> {
        let entries = fs::read_dir(format!("{process}/{path}")).unwrap();
        let names = entries.map(|entry| entry.unwrap().path());
        names.filter_map(|it| fs::read_to_string(it).ok()).collect()
    };
    let threads = fs::read_dir(format!("{process}/task")).unwrap();
    let names = threads.filter_map(|it| fs::read_to_string(it.unwrap().path().join("comm")).ok());
    let shards = names.filter(|name| name.starts_with("shard-")).count();
    // BPF_MAP_TYPE_RINGBUF; a map may have several files.
    let files = read("fdinfo").into_iter();
    let rings = files.filter(|info| info.lines().any(|line| line == "map_type:\t27"));
    let log = |info: &String| info.lines().any(|line| line == "max_entries:\t4096");
    let id = |info: String| {
        info.lines()
            .find(|line| line.starts_with("map_id:"))
            .map(str::to_owned)
    };
    // What programs would log goes into a ring of a page.
    let rings: BTreeSet<_> = rings.filter(|info| !log(info)).filter_map(id).collect();
    (shards, rings.len())
}

fn resident(agent: &Agent) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.0.id())).unwrap();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmRSS:") || line.starts_with("Threads:"));
    lines.collect::<Vec<_>>().join(", ").replace('\t', " ")
}

/// Starts an agent with so many rules; has each of them mirror one request, beside the others; and stops it.
#[track_caller]
fn mirror_with(flags: &[&str], rings_of: impl Fn(usize) -> usize) {
    let count = rules();
    let node = Node::new();
    let (v1, v2) = web_service(&node);
    let second = node.web("v1-b", 32);
    node.api.apply(PODS, second.pod.object(NODE, V1));
    let file = node.scratch.path().join("istio.yaml");
    fs::write(&file, documents(count) + &destination_rule().to_string()).unwrap();
    let needed = ["--config", file.to_str().unwrap(), "--shards", "1"];
    // Room for all of them, whoever has the rings.
    let room = ["--max-memory", "64M", "--documents-memory", "1G"];
    let agent = node.agent_with(&[&needed[..], &room, flags].concat());
    for pod in ["v1", "v1-b"] {
        agent.wait_until_attached(pod, count);
    }
    node.wait_until_ready(&agent);
    println!(
        "{count} rules, {} pods, {flags:?}: {}",
        2 * count,
        resident(&agent)
    );
    assert_eq!(shards_and_rings(&agent), (rings_of(count), rings_of(count)));

    for number in 0..count {
        node.request(&v1, &format!("/{number}/first"));
        node.request(&second, &format!("/{number}/second"));
    }
    let mut got: Vec<_> = v2
        .wait_for(2 * count)
        .iter()
        .map(|it| it.target().to_owned())
        .collect();
    got.sort();
    let mut all: Vec<_> = (0..count)
        .flat_map(|number| [format!("/{number}/first"), format!("/{number}/second")])
        .collect();
    all.sort();
    assert_eq!(got, all);
    println!("with traffic: {}", resident(&agent));

    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let rules = ended.ledger.0["rules"].as_object().unwrap();
    assert_eq!(rules.len(), count);
    for (name, books) in rules {
        assert_eq!(books["balanced"], json!(true), "{name}: {books}");
        // Each rule sees all requests of its pods, and wants two.
        assert_eq!(
            books["requests"]["framed"],
            json!(2 * count),
            "{name}: {books}"
        );
        assert_eq!(
            books["replies"]["answered"]["2xx"],
            json!(2),
            "{name}: {books}"
        );
    }
    assert!(
        !ended.stderr.contains("belonged to no rule"),
        "{}",
        ended.stderr
    );
}

#[test]
fn many_rules_have_the_rings_and_threads_of_one() {
    mirror_with(&[], |_| 1);
}

#[test]
fn each_rule_has_its_own_if_that_is_wanted() {
    mirror_with(&["--rings", "each", "--ring-size", "1M"], |rules| rules);
}
