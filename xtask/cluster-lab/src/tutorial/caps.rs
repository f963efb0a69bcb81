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

/// The pods of v1's that are ready on a node, and on all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    own: usize,
    all: usize,
}

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
            let log = cluster.logs(name, text(agent, "/metadata/name")).await?;
            told.insert(text(agent, "/spec/nodeName"), said(&log, &rule));
        }
        let (good, seen) = judge(&told, &pods);
        let is_late = start.elapsed() > cluster.patience();
        if good || is_late {
            let seconds = start.elapsed().as_secs_f64();
            scene.tell(
                good,
                format!("{what}: after {seconds:.1} s {seen} is each node's part of the cap"),
            );
            return Ok(());
        }
        cluster.pause().await;
    }
}

/// Whether what the agents of these nodes have said is what there is; and what they have said, in words.
fn judge(told: &BTreeMap<&str, Option<Part>>, pods: &[Value]) -> (bool, String) {
    let ready = pods.iter().filter(|pod| stays(pod) && is_ready(pod));
    let nodes: Vec<_> = ready.map(|pod| text(pod, "/spec/nodeName")).collect();
    let expected = |node: &str| Part {
        own: nodes.iter().filter(|it| **it == node).count(),
        all: nodes.len(),
    };
    let mut parts = told.iter();
    let good = parts.all(|(node, part)| *part == Some(expected(node)));
    let words = told.values().map(|part| match part {
        Some(Part { own, all }) => format!("{own} of {all}"),
        None => "nothing said".to_owned(),
    });
    let words: Vec<_> = words.collect();
    (good && !told.is_empty(), words.join(" and "))
}

/// What an agent's log said last of a rule: `1 of 3 ready pods here`.
fn said(log: &str, rule: &str) -> Option<Part> {
    let mut parts = log.lines().filter_map(|line| {
        let (_, of_rule) = line.split_once(rule)?;
        let (part, _) = of_rule.strip_prefix(": ")?.split_once(" ready pods here")?;
        let (own, all) = part.split_once(" of ")?;
        let (own, all) = (own.parse().ok()?, all.parse().ok()?);
        Some(Part { own, all })
    });
    parts.next_back()
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
    fn what_an_agent_said_last_of_a_rule_counts() {
        let log = "2026-01-01T00:00:00Z INFO TrafficMirror a/web: 2 of 5 ready pods here: at most 20.00 copies/s to each target\n\
                   2026-01-01T00:00:01Z INFO TrafficMirror a/web-2: 9 of 9 ready pods here: at most 1.00 copies/s to each target\n\
                   2026-01-01T00:00:02Z INFO TrafficMirror a/web: 1 of 2 ready pods here: at most 25.00 copies/s to each target\n\
                   2026-01-01T00:00:03Z INFO TrafficMirror a/web: at most 50.00 copies/s to each target from here\n";
        let part = |own, all| Some(Part { own, all });
        assert_eq!(said(log, "TrafficMirror a/web"), part(1, 2));
        assert_eq!(said(log, "TrafficMirror a/web-2"), part(9, 9));
        assert_eq!(said(log, "TrafficMirror b/web"), None);
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
        let part = |own, all| Some(Part { own, all });
        let told = |a, b| BTreeMap::from([("a", a), ("b", b)]);
        let (good, words) = judge(&told(part(1, 3), part(2, 3)), &pods);
        assert_eq!((good, &*words), (true, "1 of 3 and 2 of 3"));
        assert!(!judge(&told(part(1, 3), part(2, 5)), &pods).0, "old");
        assert!(!judge(&told(part(1, 3), None), &pods).0);
        assert!(!judge(&BTreeMap::new(), &pods).0, "nobody said anything");
        // A node without pods of v1's.
        let mut three = told(part(1, 3), part(2, 3));
        three.insert("c", part(0, 3));
        assert!(judge(&three, &pods).0);
    }
}
