//! How much a tenant may use of what all share.

use std::fs;

use serde_json::json;

use super::*;

/// What the manifests limit the agent to.
const LIMIT_KIB: u64 = 384 * 1024;

/// The most memory that a process has had, in KiB.
fn peak(agent: &Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

/// A `VirtualService` with so many routes, each made by `route`.
fn routes(name: &str, count: usize, route: impl Fn(usize) -> Value) -> Value {
    let routes: Vec<_> = (0..count).map(route).collect();
    document(
        ISTIO,
        "VirtualService",
        name,
        json!({"hosts": ["any"], "http": routes}),
    )
}

/// A route of the tenant's own, to a port of its own: it takes a mirror.
fn to_port(number: usize) -> Value {
    json!({
        "match": [{"uri": {"prefix": format!("/{number}")}}],
        "route": [{"destination": {"host": "mine"}}],
        "mirror": {"host": "sink", "port": {"number": 1000 + number}},
    })
}

fn assert_bounded(agent: Agent) {
    let peak = peak(&agent);
    println!("peak RSS: {} MiB", peak / 1024);
    assert!(peak < LIMIT_KIB, "{peak} KiB");
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}

/// Whether by one document or by many, by a name that comes first, or by mirrors of one pod.
#[test]
fn mirrors_without_end_leave_the_banks_mirrored() {
    let cluster = Cluster::new();
    cluster.apply_in(
        "aaa",
        routes("one", 256, |number| {
            json!({
                "match": [{"uri": {"prefix": format!("/{number}")}}],
                "route": [{"destination": {"host": "nobody"}}],
                "mirror": {"host": "nobody-else", "port": {"number": 1000 + number}},
            })
        }),
    );
    for number in 0..256 {
        cluster.apply_in("aaa", routes(&format!("d{number}"), 1, to_port));
    }
    // As many as a namespace may have, all of them of one pod of this node.
    cluster.apply(routes("all", 64, to_port));
    cluster.mirror_the_bank();
    let agent = cluster.agent(&[]);
    // Two programs for each mirror: so many take a while to load, in any order.
    agent.wait_long_for("bank/ledger: attached to ");
    agent.wait_long_for("see --documents-memory, --max-memory and --rings");
    cluster.assert_bank_is_mirrored("/legit", 1);
    let quota = "podmirror_documents_refused{namespace=\"aaa\",reason=\"quota\"}";
    cluster.node.wait_for_metric(&agent, quota, Some("193"));
    // A new namespace gets its share though all is used up.
    cluster.apply_in(
        "bank",
        istio("more", "host: next", "host: ledger, number: 80"),
    );
    agent.wait_long_for("bank/next: attached to ");
    assert_bounded(agent);
}

/// Ten thousand documents, each with as many expressions as are compiled of one, and large ones.
#[test]
fn ten_thousand_hostile_documents_leave_the_banks_mirrored() {
    let cluster = Cluster::new();
    let regex = |document: usize, number: usize| {
        format!("/([a-z0-9]{{1,8}}|[A-Z_]{{2,9}}x){{1,95}}y{document}.{number}")
    };
    for document in 0..10_000 {
        cluster.apply(routes(&format!("r{document:05}"), 1, |_| {
            let matches: Vec<_> = (0..8)
                .map(|number| json!({"uri": {"regex": regex(document, number)}}))
                .collect();
            json!({
                "match": matches,
                "route": [{"destination": {"host": "mine"}}],
                "mirror": {"host": "sink"},
            })
        }));
    }
    for document in 0..8 {
        let odd = vec![json!([]); 100_000];
        let mut large = istio(&format!("large{document}"), "host: mine", "host: sink");
        large["spec"]["odd"] = json!(odd);
        cluster.apply(large);
    }
    cluster.mirror_the_bank();
    let agent = cluster.agent(&[]);
    agent.wait_for("bank/ledger: attached to ", 1);
    cluster.assert_bank_is_mirrored("/legit", 1);
    let size = "podmirror_documents_refused{namespace=\"evil\",reason=\"size\"}";
    cluster.node.wait_for_metric(&agent, size, Some("8"));
    // Whatever comes later, what is there goes on, and what is not hostile is heard.
    cluster.apply_in("bank", istio("more", "host: next", "host: ledger"));
    agent.wait_for("bank/next: attached to ", 1);
    cluster.assert_bank_is_mirrored("/still", 2);
    assert_bounded(agent);
}
