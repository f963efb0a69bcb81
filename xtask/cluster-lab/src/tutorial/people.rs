//! `kubectl podmirror`, as somebody uses it who knows kubectl only: what is mirrored where, at what rate, what was lost and
//! why, and how to stop it everywhere now.

use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{
    objects::{self, text},
    roles,
    scene::Scene,
};

/// Who asks: their name for people, and their kubeconfig file.
pub(super) type Person<'a> = Option<(&'a str, &'a Path)>;

/// What a command said.
struct Said {
    code: i32,
    all: String,
}

/// Runs the plugin, as a person or as whoever plays this; `None` where nobody gave one.
async fn ask(scene: &Scene<'_>, person: Person<'_>, words: &[&str]) -> Result<Option<Said>> {
    let Some((plugin, kubeconfig)) = &scene.options.plugin else {
        return Ok(None);
    };
    let mut command = Command::new(plugin);
    command
        .arg0("kubectl-podmirror")
        .env(
            "KUBECONFIG",
            person.map_or(kubeconfig.as_path(), |(_, file)| file),
        )
        .args(["--namespace", scene.name, "--timeout", "60s"])
        .args(words);
    let output = spawn_blocking(move || command.output()).await?;
    let output = output.with_context(|| format!("running {}", plugin.display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Some(Said {
        code: output.status.code().unwrap_or(-1),
        all: text(&output.stdout) + &text(&output.stderr),
    }))
}

/// A command that has to end with one of these codes, and to say these words.
async fn says(
    scene: &mut Scene<'_>,
    words: &[&str],
    codes: &[i32],
    expected: &[&str],
) -> Result<()> {
    says_to(scene, None, words, codes, expected).await
}

/// The same, as somebody else asks.
pub(super) async fn says_to(
    scene: &mut Scene<'_>,
    person: Person<'_>,
    words: &[&str],
    codes: &[i32],
    expected: &[&str],
) -> Result<()> {
    let Some(Said { code, all }) = ask(scene, person, words).await? else {
        return Ok(());
    };
    let good = codes.contains(&code) && expected.iter().all(|it| all.contains(it));
    // The line that has what was asked for.
    let mut lines = all.lines().filter(|line| !line.trim().is_empty());
    let last = expected.last().copied().unwrap_or_default();
    let line = lines.find(|line| line.contains(last)).unwrap_or_default();
    let shown = if good { line } else { all.as_str() };
    let words = words.join(" ");
    let who = person.map_or(String::new(), |(name, _)| format!("as {name}, "));
    scene.tell(
        good,
        format!("{who}kubectl podmirror {words}: {code}: {shown}"),
    );
    Ok(())
}

/// What can be asked and done while a TrafficMirror mirrors all.
pub(super) async fn play(scene: &mut Scene<'_>, kind: &str) -> Result<()> {
    if scene.options.plugin.is_none() {
        return Ok(());
    }
    let (cluster, name) = (scene.cluster, scene.name.to_owned());
    let mirror = format!("{name}/web");
    scene.wait_for_rate(kind, 100).await?;
    let target = format!("{name}/web-v2");
    says(scene, &["status"], &[0], &["100 %", "attached", &target]).await?;
    // Its output is no terminal: once.
    says(scene, &["top"], &[0], &["SAMPLE", "100 %"]).await?;
    says(
        scene,
        &["explain", "--of", &name],
        &[0],
        &["copies requests"],
    )
    .await?;
    says(scene, &["diagnose"], &[0], &["has all that it takes"]).await?;

    let half = ["set", "sample-rate", "50%", "--mirror", &mirror];
    says(scene, &half, &[0], &["do as it says"]).await?;
    scene.requests("act-set", 50, "after that").await?;
    let all = ["set", "sample-rate", "100%", "--mirror", &mirror];
    says(scene, &all, &[0], &["do as it says"]).await?;

    says(scene, &["stop"], &[0], &["0 % is set on"]).await?;
    scene.requests("act-stopped", 0, "stopped").await?;
    says(
        scene,
        &["set", "sample-rate", "100%"],
        &[0],
        &["100 % is set on"],
    )
    .await?;
    scene.requests("act-on", 100, "set on again").await?;

    says(scene, &["stop", "--mirror", &mirror], &[0], &[&mirror]).await?;
    scene.requests("act-off-mirror", 0, "it is off").await?;
    says(scene, &["resume", "--mirror", &mirror], &[0], &[&mirror]).await?;
    scene.wait_for_rate(kind, 100).await?;
    scene.requests("act-resumed", 100, "resumed").await?;

    for_good(scene, kind, &mirror).await?;
    roles::play(scene, kind).await?;

    // v2 goes away, so copies are lost.
    let v2 = objects::deployment(&name, "v2");
    let replicas = |number: u32| json!({"spec": {"replicas": number}});
    cluster.change(&v2, &replicas(0)).await?;
    cluster
        .wait_for_no_pods(&name, &objects::web_label("v2"))
        .await?;
    scene.ask("act-lost").await?;
    let lost = scene.count("act-lost").await?;
    scene.tell(
        lost.copies == 0 && lost.answered == lost.asked,
        format!(
            "v2 has no pods: v1 answered {} of {} requests",
            lost.answered, lost.asked
        ),
    );
    says(scene, &["why", "--last", "3"], &[0], &["/act-lost/"]).await?;
    says(scene, &["status"], &[0], &["lost: "]).await?;
    cluster.change(&v2, &replicas(1)).await?;
    cluster.wait_for_deployment(&name, "web-v2").await?;
    until_v2_is_back(scene).await
}

/// What is stopped for good stays so when all agents are new, until somebody says that it goes on.
async fn for_good(scene: &mut Scene<'_>, kind: &str, mirror: &str) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    let all = json!({"apiVersion": "podmirror.io/v1alpha1", "kind": "TrafficMirror"});
    let mirrors = cluster.list(&all).await?;
    if mirrors
        .iter()
        .any(|it| text(it, "/metadata/namespace") != name)
    {
        let what = "stop --lasting is left out: it would suspend TrafficMirrors that are not ours";
        scene.tell(true, what.to_owned());
        return Ok(());
    }
    let suspended = format!("TrafficMirror {mirror}: suspended");
    let said = ["0 % is set on", &suspended];
    says(scene, &["stop", "--lasting"], &[0], &said).await?;
    scene.wait_for_rate(kind, 0).await?;
    cluster.replace_pods(name, objects::AGENT_LABEL).await?;
    cluster.wait_for_daemon_set(name, "podmirror").await?;
    let what = "stopped for good, and all agents are new";
    scene.requests("act-for-good", 0, what).await?;
    let said = ["no longer suspended", "do as it says"];
    says(scene, &["resume", "--mirror", mirror], &[0], &said).await?;
    scene.wait_for_rate(kind, 100).await?;
    scene.requests("act-goes-on", 100, "it goes on").await
}

/// Waits until the mirror has an endpoint again, as its status says.
async fn until_v2_is_back(scene: &Scene<'_>) -> Result<()> {
    let mirror = json!({
        "apiVersion": "podmirror.io/v1alpha1",
        "kind": "TrafficMirror",
        "metadata": {"name": "web", "namespace": scene.name},
    });
    let good = |object: &Value| {
        let conditions = object.pointer("/status/conditions")?.as_array()?;
        let mut degraded = conditions.iter().filter(|it| it["type"] == "Degraded");
        degraded
            .any(|it| it["reason"] != "NoEndpoint")
            .then_some(())
    };
    scene
        .cluster
        .wait_until(&mirror, "v2's endpoint to be known", good)
        .await
}

/// Whether v2 does as well as v1: what all nodes have counted.
pub(super) async fn compare(scene: &mut Scene<'_>) -> Result<()> {
    // 0 the same, 3 not enough yet.
    says(scene, &["verdict"], &[0, 3], &["verdict"]).await?;
    says(scene, &["stop"], &[0], &["0 % is set on"]).await
}
