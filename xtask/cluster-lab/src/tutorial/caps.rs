//! A cap holds for all nodes together: the part of it that a node has is the part of v1's ready pods that are there, and
//! follows them when v1 is scaled.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    objects::{self, text},
    scene::Scene,
};

/// Copies per second to each target, from all nodes: more than the client asks for.
const MOST: u32 = 3_000;

/// What one agent's part may differ by from what it should be, in copies per second.
const ABOUT: f64 = 0.01;

/// v1, which has `pods`, is scaled to fewer and back while a TrafficMirror has a cap.
pub(super) async fn play(scene: &mut Scene<'_>, mirror: &Value, pods: u64) -> Result<()> {
    let cluster = scene.cluster;
    let limits = |most: Value| json!({"spec": {"limits": most}});
    let capped = limits(json!({"maxRequestsPerSecond": MOST}));
    cluster.change(mirror, &capped).await?;
    let what = format!("its cap is {MOST} requests/s, and v1 has {pods} pods");
    divided(scene, &what).await?;
    for to in [2, pods] {
        scale(scene, to).await?;
        divided(scene, &format!("v1 is scaled to {to} pods")).await?;
    }
    scene.requests("act-capped", 100, "below its cap").await?;
    // A merge takes what is null away.
    cluster.change(mirror, &limits(Value::Null)).await?;
    scene.wait_for_rate("TrafficMirror", 100).await
}

/// Waits until v1 has so many pods, all of them ready.
async fn scale(scene: &Scene<'_>, pods: u64) -> Result<()> {
    let v1 = objects::deployment(scene.name, "v1");
    let replicas = json!({"spec": {"replicas": pods}});
    scene.cluster.change(&v1, &replicas).await?;
    let scaled = |object: &Value| {
        let counts = ["replicas", "readyReplicas"];
        let status = counts.map(|it| object.pointer(&format!("/status/{it}")));
        let is_current =
            object.pointer("/status/observedGeneration") == object.pointer("/metadata/generation");
        (is_current && status == [Some(&json!(pods)); 2]).then_some(())
    };
    let what = format!("v1 to have {pods} pods");
    scene.cluster.wait_until(&v1, &what, scaled).await
}

/// Waits until each agent says that it has the part of the cap that it should have.
async fn divided(scene: &mut Scene<'_>, what: &str) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    let rule = format!("TrafficMirror {name}/web");
    let start = Instant::now();
    loop {
        let pods = cluster.all_pods(name, &objects::web_label("v1")).await?;
        let agents = cluster.all_pods(name, objects::AGENT_LABEL).await?;
        let mut told = BTreeMap::new();
        for agent in agents.iter().filter(|agent| stays(agent)) {
            let agent_name = text(agent, "/metadata/name");
            let books = cluster.ask(name, agent_name, "ledger").await?;
            let books = serde_json::from_str(&books)?;
            told.insert(text(agent, "/spec/nodeName"), cap(&books, &rule));
        }
        let (good, seen) = judge(&told, &pods);
        let is_late = start.elapsed() > cluster.patience();
        if good || is_late {
            let seconds = start.elapsed().as_secs_f64();
            scene.tell(
                good,
                format!(
                    "{what}: after {seconds:.1} s {seen} copies/s is each node's part of the cap"
                ),
            );
            return Ok(());
        }
        cluster.pause().await;
    }
}

/// Whether what the agents of these nodes send at most is what it should be; and what it is, in words.
fn judge(told: &BTreeMap<&str, Option<f64>>, pods: &[Value]) -> (bool, String) {
    let ready = pods.iter().filter(|pod| stays(pod) && is_ready(pod));
    let nodes: Vec<_> = ready.map(|pod| text(pod, "/spec/nodeName")).collect();
    let expected = |node: &str| {
        let own = nodes.iter().filter(|it| **it == node).count();
        // A node without any has a part for the first that comes.
        let (own, all) = match own {
            0 => (1, nodes.len() + 1),
            own => (own, nodes.len()),
        };
        f64::from(MOST) * own as f64 / all as f64
    };
    let mut caps = told.iter();
    let good = caps.all(|(node, cap)| cap.is_some_and(|it| (it - expected(node)).abs() < ABOUT));
    let words = told.values().map(|cap| match cap {
        Some(cap) => format!("{cap:.2}"),
        None => "no cap".to_owned(),
    });
    let words: Vec<_> = words.collect();
    (good && !told.is_empty(), words.join(" and "))
}

/// What each target of a rule gets at most, by an agent's books: the least, if each has a cap.
fn cap(books: &Value, rule: &str) -> Option<f64> {
    let mut rules = books.pointer("/rules")?.as_array()?.iter();
    let rule = rules.find(|it| text(it, "/rule") == rule)?;
    let targets = rule.pointer("/targets")?.as_array()?.iter();
    let caps = targets.map(|it| it.pointer("/cap_copies_per_second")?.as_f64());
    let caps: Option<Vec<_>> = caps.collect();
    caps?.into_iter().reduce(f64::min)
}

/// Whether it is not ending.
fn stays(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_none()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| text(it, "/type") == "Ready" && text(it, "/status") == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(node: &str, ready: &str) -> Value {
        json!({
            "metadata": {},
            "spec": {"nodeName": node},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    #[test]
    fn the_cap_of_a_rule_is_that_of_all_its_targets() {
        let target = |cap: Value| json!({"target": "v2", "cap_copies_per_second": cap});
        let rule = |name: &str, targets: &[Value]| json!({"rule": name, "targets": targets});
        let books = json!({"rules": [
            rule("TrafficMirror a/web-2", &[target(json!(9.0))]),
            rule("TrafficMirror a/web", &[target(json!(25.5)), target(json!(25.0))]),
            rule("TrafficMirror a/some", &[target(json!(25.0)), target(Value::Null)]),
            rule("TrafficMirror a/none", &[]),
        ]});
        assert_eq!(cap(&books, "TrafficMirror a/web"), Some(25.0));
        for none in ["a/some", "a/none", "b/web"] {
            assert_eq!(
                cap(&books, &format!("TrafficMirror {none}")),
                None,
                "{none}"
            );
        }
        assert_eq!(cap(&Value::Null, "TrafficMirror a/web"), None);
    }

    #[test]
    fn each_node_has_the_part_of_its_ready_pods() {
        let mut ending = pod("a", "True");
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let pods = [
            pod("a", "True"),
            pod("b", "True"),
            pod("b", "True"),
            pod("b", "False"),
            ending,
        ];
        let told = |a, b| BTreeMap::from([("a", a), ("b", b)]);
        let (good, words) = judge(&told(Some(1_000.0), Some(2_000.000_001)), &pods);
        assert_eq!((good, &*words), (true, "1000.00 and 2000.00"));
        assert!(!judge(&told(Some(1_000.0), Some(1_200.0)), &pods).0, "old");
        assert!(!judge(&told(Some(1_000.0), None), &pods).0);
        assert!(!judge(&BTreeMap::new(), &pods).0, "nobody said anything");
        // A node without pods of v1's.
        let mut three = told(Some(1_000.0), Some(2_000.0));
        three.insert("c", Some(750.0));
        assert!(judge(&three, &pods).0);
    }
}
