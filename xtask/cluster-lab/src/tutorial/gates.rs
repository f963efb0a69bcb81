//! How soon pods are attached to: before they are ready, and with a readiness gate before they can be asked.

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Options, objects,
    objects::text,
    scene::{Counted, Scene},
};

/// The condition that a gated pod waits for.
const GATE: &str = "podmirror.io/attached";

/// The overlay with the right to set it.
const OVERLAY: &str = "overlays/readiness-gate";

/// The right to open gates, in our names.
pub(super) fn rights(namespace: &str, options: &Options) -> Result<Vec<Value>> {
    let mut objects = objects::agent(namespace, OVERLAY, &[], options)?;
    objects.retain(|object| text(object, "/metadata/name").ends_with("-readiness-gate"));
    Ok(objects)
}

/// v1's pods get the gate by a rolling update under load: not one request is missed.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    let v1 = objects::deployment(scene.name, "v1");
    let gated = json!({"spec": {
        "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"spec": {"readinessGates": [{"conditionType": GATE}]}},
    }});
    let updated = |object: &Value| {
        let number = |path: &str| object.pointer(path).and_then(Value::as_u64);
        let wanted = number("/spec/replicas")?;
        let all = ["updatedReplicas", "readyReplicas", "replicas"];
        let mut counts = all
            .iter()
            .map(|it| number(&format!("/status/{it}")).unwrap_or_default());
        let current = number("/status/observedGeneration") == number("/metadata/generation");
        (current && counts.all(|count| count == wanted)).then_some(())
    };
    let before = names(scene).await?;
    let updating = async {
        cluster.change(&v1, &gated).await?;
        cluster
            .wait_until(&v1, "v1's pods to be replaced by gated ones", updated)
            .await
    };
    let ((), counted) = scene.asked_while("act-gated", updating).await?;
    // The log of a pod goes with it, so v1's do not count here.
    let Counted {
        asked,
        answered,
        copies,
        twice,
        ..
    } = counted;
    let missed = answered.saturating_sub(copies);
    scene.tell(
        answered == asked && copies == answered && twice == 0,
        format!(
            "v1 is updated, its pods gated: v1 answered {answered} of {asked} requests; v2 logged {copies} copies, {twice} of \
             them twice, {missed} were missed"
        ),
    );
    let pods = pods(scene).await?;
    let opened = pods.iter().filter(|pod| {
        let gate = condition(pod, GATE);
        let opened = text(gate, "/status") == "True" && text(gate, "/reason") == "Attached";
        let (opens, ready) = (at(gate), at(condition(pod, "Ready")));
        opened && opens.is_some() && opens <= ready
    });
    let (opened, all) = (opened.count(), pods.len());
    scene.tell(
        opened == all && all > 0,
        format!(
            "{opened} of {all} gated pods were ready only after their gate was opened, as Attached"
        ),
    );
    soon(scene, "of those that are gated", &before).await
}

/// The names of v1's pods.
pub(super) async fn names(scene: &Scene<'_>) -> Result<Vec<String>> {
    let label = objects::web_label("v1");
    scene.cluster.pods(scene.name, &label).await
}

/// When those of v1's pods were attached to that were not there before, by what the agents' logs say.
pub(super) async fn soon(scene: &mut Scene<'_>, whose: &str, before: &[String]) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    let mut logs = String::new();
    for agent in cluster.pods(name, objects::AGENT_LABEL).await? {
        logs.push_str(&cluster.dated_logs(name, &agent).await?);
    }
    let mut pods = pods(scene).await?;
    pods.retain(|pod| !before.iter().any(|it| it == text(pod, "/metadata/name")));
    let (mut soon, all, mut longest) = (0, pods.len(), 0.0_f64);
    for pod in pods {
        let line = format!(" {name}/{}: attached to ", text(&pod, "/metadata/name"));
        let Some(attached) = logs.lines().find(|it| it.contains(&line)).and_then(dated) else {
            continue;
        };
        // The API tells whole seconds.
        let ready = at(condition(&pod, "Ready"));
        soon += usize::from(ready.is_some_and(|ready| attached.as_second() <= ready.as_second()));
        if let Some(scheduled) = at(condition(&pod, "PodScheduled")) {
            longest = longest.max(attached.duration_since(scheduled).as_secs_f64());
        }
    }
    scene.tell(
        soon == all && all > 0,
        format!(
            "{whose}, {soon} of {all} pods were attached to before they were ready; from scheduled to attached {longest:.1} s \
             at most, of which up to 1 s is the API's rounding"
        ),
    );
    Ok(())
}

async fn pods(scene: &Scene<'_>) -> Result<Vec<Value>> {
    let label = objects::web_label("v1");
    let mut pods = scene.cluster.all_pods(scene.name, &label).await?;
    pods.retain(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
    Ok(pods)
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a Value {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let mut found = conditions
        .into_iter()
        .flatten()
        .filter(|it| text(it, "/type") == kind);
    found.next().unwrap_or(&Value::Null)
}

fn at(condition: &Value) -> Option<Timestamp> {
    text(condition, "/lastTransitionTime").parse().ok()
}

/// The time that a line of a log begins with.
fn dated(line: &str) -> Option<Timestamp> {
    line.split(' ').next()?.parse().ok()
}
