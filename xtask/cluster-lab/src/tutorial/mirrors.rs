//! TrafficMirrors: what is refused, what becomes of one, and what its status and Events say.

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    caps, compared, gates, hand_over,
    objects::{self, text},
    outage, people,
    scene::{Counted, Scene},
};

/// The first minor version of Kubernetes 1 that heeds a definition's rules in CEL.
const WITH_RULES: u32 = 25;

/// The pods that v1 is scaled to.
const PODS: u64 = 5;

/// All requests of v1 to this target.
fn mirror(namespace: &str, name: &str, target: &Value) -> Value {
    json!({
        "apiVersion": "podmirror.io/v1alpha1",
        "kind": "TrafficMirror",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "source": {"service": "web-v1"},
            "targets": [target],
            // The kubelet's probes are not requests of the client.
            "filters": {"allow": [{"path": {"prefix": "/act-"}}]},
        },
    })
}

/// Of how many requests one may be missed where that is to be few.
const FEW: usize = 50;

/// How many requests may be missed.
#[derive(Clone, Copy)]
pub(super) enum Missed {
    None,
    /// One of [`FEW`].
    Few,
    /// But not all.
    Some,
}

/// Plays all of it, and removes the mirror.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<()> {
    let target = json!({"service": "web-v2", "percent": 100});
    let mirror = mirror(scene.name, "web", &target);
    refused_by_its_definition(scene, &mirror).await?;
    accepted(scene, &mirror).await?;
    changed(scene, &mirror).await?;
    refused_by_the_agent(scene).await?;
    switched(scene, &mirror).await?;
    people::play(scene, "TrafficMirror").await?;
    scaled(scene, &mirror).await?;
    caps::play(scene, &mirror, PODS).await?;
    compared::play(scene, &mirror).await?;
    gates::play(scene).await?;
    updated(scene).await?;
    hand_over::play(scene).await?;
    outage::play(scene).await?;
    off_lasts(scene, &mirror).await?;
    scene.cluster.delete(&mirror).await
}

/// The API server refuses what makes no sense, and says where.
async fn refused_by_its_definition(scene: &mut Scene<'_>, mirror: &Value) -> Result<()> {
    let cases = [
        ("/spec/targets/0/percent", json!(101), "percent"),
        ("/spec/targets", json!([]), "spec.targets"),
        // By a rule in CEL.
        (
            "/spec/source",
            json!({}),
            "exactly one of service and selector",
        ),
    ];
    let rules = scene.cluster.minor_version().await? >= WITH_RULES;
    let most = if rules { cases.len() } else { cases.len() - 1 };
    for (path, value, words) in cases.into_iter().take(most) {
        let mut wrong = mirror.clone();
        if let Some(field) = wrong.pointer_mut(path) {
            *field = value.clone();
        }
        let said = scene.cluster.refusal(&wrong).await?;
        let good = said.as_ref().is_some_and(|said| said.contains(words));
        let said = said.unwrap_or_else(|| "accepted".to_owned());
        let field = path.trim_start_matches('/').replace('/', ".");
        scene.tell(
            good,
            format!("a TrafficMirror with {field} = {value}: {said}"),
        );
    }
    Ok(())
}

async fn accepted(scene: &mut Scene<'_>, mirror: &Value) -> Result<()> {
    let start = Instant::now();
    scene.cluster.create(mirror).await?;
    let good = [
        "Accepted=True/Accepted",
        "Attached=True/AllPods",
        "Degraded=False/AsExpected",
    ];
    conditions(scene, mirror, "a TrafficMirror is created", start, &good).await?;
    scene
        .requests("act-all", 100, "a TrafficMirror of 100 %")
        .await
}

/// The rate is changed in the API, and mirroring suspended, where everybody sees it.
async fn changed(scene: &mut Scene<'_>, mirror: &Value) -> Result<()> {
    let good = [
        "Accepted=True/Accepted",
        "Attached=True/AllPods",
        "Degraded=False/AsExpected",
    ];
    for (percent, act) in [(50, "act-half"), (10, "act-tenth")] {
        let start = Instant::now();
        let change = json!({"spec": {"targets": [{"service": "web-v2", "percent": percent}]}});
        scene.cluster.change(mirror, &change).await?;
        let what = format!("its percent is {percent}");
        conditions(scene, mirror, &what, start, &good).await?;
        scene.wait_for_rate("TrafficMirror", percent).await?;
        scene.requests(act, percent, &what).await?;
    }
    let start = Instant::now();
    scene
        .cluster
        .change(mirror, &json!({"spec": {"suspend": true}}))
        .await?;
    let off = [
        "Accepted=True/Suspended",
        "Attached=False/Suspended",
        "Degraded=False/AsExpected",
    ];
    conditions(scene, mirror, "it is suspended", start, &off).await?;
    scene.wait_for_rate("TrafficMirror", 0).await?;
    scene.requests("act-suspended", 0, "suspended").await?;
    let all =
        json!({"spec": {"suspend": false, "targets": [{"service": "web-v2", "percent": 100}]}});
    let start = Instant::now();
    scene.cluster.change(mirror, &all).await?;
    conditions(scene, mirror, "it goes on", start, &good).await?;
    scene.wait_for_rate("TrafficMirror", 100).await
}

/// A target that nobody has consented to: its status and an Event say so.
async fn refused_by_the_agent(scene: &mut Scene<'_>) -> Result<()> {
    let target = json!({"service": "kubernetes", "namespace": "default", "port": 443});
    let refused = mirror(scene.name, "elsewhere", &target);
    let start = Instant::now();
    scene.cluster.create(&refused).await?;
    let no = [
        "Accepted=False/TargetRefused",
        "Attached=False/NotAccepted",
        "Degraded=False/AsExpected",
    ];
    conditions(
        scene,
        &refused,
        "a TrafficMirror to another namespace",
        start,
        &no,
    )
    .await?;
    let like = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"namespace": scene.name}});
    let found = loop {
        let events = scene.cluster.list(&like).await?;
        let mut of_it = events
            .into_iter()
            .filter(|event| text(event, "/involvedObject/name") == "elsewhere");
        if let Some(event) = of_it.next() {
            break Some(event);
        }
        if start.elapsed() > scene.cluster.patience() {
            break None;
        }
        scene.cluster.pause().await;
    };
    let found = found.unwrap_or_default();
    let text = |name: &str| text(&found, &format!("/{name}"));
    let what = format!(
        "an Event says it: {} {}: {}",
        text("type"),
        text("reason"),
        text("message")
    );
    let good = text("reason") == "TargetRefused";
    scene.tell(good, what);
    scene.cluster.delete(&refused).await
}

/// As where blue and green change places: the target's service is led to the pods that are mirrored, which get no copies.
async fn switched(scene: &mut Scene<'_>, mirror: &Value) -> Result<()> {
    let service = objects::service(scene.name, "v2");
    let lead_to = |version: &str| json!({"spec": {"selector": {"version": version}}});
    for (version, degraded, act, percent, what) in [
        (
            "v1",
            "Degraded=True/TargetIsSource",
            "act-switched",
            0,
            "web-v2 leads to v1's pods",
        ),
        (
            "v2",
            "Degraded=False/AsExpected",
            "act-switched-back",
            100,
            "web-v2 leads to v2's pods again",
        ),
    ] {
        let start = Instant::now();
        scene.cluster.change(&service, &lead_to(version)).await?;
        let expected = ["Accepted=True/Accepted", "Attached=True/AllPods", degraded];
        conditions(scene, mirror, what, start, &expected).await?;
        scene.requests(act, percent, what).await?;
    }
    Ok(())
}

/// v1 is scaled out under load.
async fn scaled(scene: &mut Scene<'_>, mirror: &Value) -> Result<()> {
    let cluster = scene.cluster;
    let v1 = objects::deployment(scene.name, "v1");
    let before = gates::names(scene).await?;
    let start = Instant::now();
    let attached = |object: &Value| {
        let pods = object.pointer("/status/pods")?;
        (pods["selected"] == PODS && pods["attached"] == PODS).then_some(())
    };
    let scaling = async {
        let replicas = json!({"spec": {"replicas": PODS}});
        cluster.change(&v1, &replicas).await?;
        cluster
            .wait_until(mirror, "all pods to be attached to", attached)
            .await?;
        Ok(start.elapsed().as_secs_f64())
    };
    let (seconds, counted) = scene.asked_while("act-scaled", scaling).await?;
    scene.tell(true, format!("v1 is scaled to {PODS} pods: its status says that all are attached to, after {seconds:.1} s"));
    told(scene, "while it was scaled", counted, Missed::Some);
    gates::soon(scene, "of those that were scaled up", &before).await?;
    scene
        .requests("act-five", 100, &format!("{PODS} pods"))
        .await
}

/// The agents are replaced under load, as by a new version.
async fn updated(scene: &mut Scene<'_>) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    let agents = objects::daemon_set(name, "podmirror");
    let mark = objects::mark("updated");
    let start = Instant::now();
    let updating = async {
        cluster.change(&agents, &mark).await?;
        cluster
            .wait_until(&agents, "the agents to be replaced", objects::is_replaced)
            .await?;
        Ok(start.elapsed().as_secs_f64())
    };
    let (seconds, counted) = scene.asked_while("act-updated", updating).await?;
    let what = format!("all agents are replaced in {seconds:.1} s");
    told(scene, &what, counted, Missed::Some);
    scene.requests("act-after", 100, "the new agents").await
}

/// What is off stays off, whatever becomes of pods and agents: the rate is in the API.
async fn off_lasts(scene: &mut Scene<'_>, mirror: &Value) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    let start = Instant::now();
    let zero = json!({"spec": {"targets": [{"service": "web-v2", "percent": 0}]}});
    cluster.change(mirror, &zero).await?;
    let off = [
        "Accepted=False/NothingToMirror",
        "Attached=False/NotAccepted",
        "Degraded=False/AsExpected",
    ];
    conditions(scene, mirror, "its percent is 0", start, &off).await?;
    for label in [objects::web_label("v1"), objects::AGENT_LABEL.to_owned()] {
        cluster.replace_pods(name, &label).await?;
    }
    cluster.wait_for_daemon_set(name, "podmirror").await?;
    cluster.wait_for_deployment(name, "web-v1").await?;
    scene
        .requests(
            "act-off",
            0,
            "0 % after all pods of v1 and of the agent are new",
        )
        .await
}

/// Waits for these conditions, of the newest generation.
async fn conditions(
    scene: &mut Scene<'_>,
    mirror: &Value,
    what: &str,
    start: Instant,
    expected: &[&str; 3],
) -> Result<()> {
    let as_expected = |object: &Value| {
        let status = object.get("status")?;
        let generation = object.pointer("/metadata/generation");
        let current = status.get("observedGeneration") == generation;
        (current && shown(status) == *expected).then_some(())
    };
    scene
        .cluster
        .wait_until(
            mirror,
            &format!("{what}: {}", expected.join(", ")),
            as_expected,
        )
        .await?;
    let seconds = start.elapsed().as_secs_f64();
    scene.tell(
        true,
        format!(
            "{what}: its status says {} after {seconds:.1} s",
            expected.join(", ")
        ),
    );
    Ok(())
}

/// `Accepted=True/Accepted`.
fn shown(status: &Value) -> Vec<String> {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let shown = |it: &Value| {
        let [kind, holds, reason] = ["/type", "/status", "/reason"].map(|path| text(it, path));
        format!("{kind}={holds}/{reason}")
    };
    conditions.into_iter().flatten().map(shown).collect()
}

/// v1 has to have answered everything, and there may be no copy too many. How much is `missed` depends on how soon pods are
/// attached to.
pub(super) fn told(scene: &mut Scene<'_>, what: &str, counted: Counted, missed: Missed) {
    let Counted {
        asked: requests,
        answered,
        served,
        copies,
        twice,
    } = counted;
    let all = answered == requests && served == answered && twice == 0;
    let left_out = served.saturating_sub(copies);
    let fit = match missed {
        Missed::None => copies == served,
        Missed::Few => copies <= served && left_out * FEW <= served,
        Missed::Some => (1..=served).contains(&copies),
    };
    let what = format!(
        "{what}: v1 answered {answered} of {requests} requests and logged {served}; v2 logged {copies} copies, {twice} of \
         them twice, {left_out} were missed"
    );
    scene.tell(all && fit, what);
}
