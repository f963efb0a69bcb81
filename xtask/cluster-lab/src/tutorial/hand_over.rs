//! Agents that take over from those before them, under load: no request is copied twice, and hardly one missed.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    mirrors::{Missed, told},
    objects,
    scene::Scene,
};

/// The first minor version of Kubernetes 1 whose DaemonSets have `maxSurge`.
const WITH_SURGE: u32 = 22;

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<()> {
    if scene.cluster.minor_version().await? >= WITH_SURGE {
        return by_surge(scene).await;
    }
    // There and back.
    by_hand(scene, "podmirror", "podmirror-next", "act-next").await?;
    by_hand(scene, "podmirror-next", "podmirror", "act-next-back").await
}

/// As `deploy/components/hand-over` has it.
async fn by_surge(scene: &mut Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    let agents = objects::daemon_set(scene.name, "podmirror");
    let mut change = objects::mark("handed-over");
    let spec = change
        .get_mut("spec")
        .and_then(Value::as_object_mut)
        .context("no spec")?;
    let surge = json!({"maxSurge": "100%", "maxUnavailable": 0});
    spec.insert("updateStrategy".to_owned(), json!({"rollingUpdate": surge}));
    let updating = async {
        cluster.change(&agents, &change).await?;
        let what = "the agents to hand over";
        cluster
            .wait_until(&agents, what, objects::is_replaced)
            .await
    };
    let ((), counted) = scene.asked_while("act-surge", updating).await?;
    let what = "the agents are replaced by maxSurge";
    told(scene, what, counted, Missed::Few);
    Ok(())
}

/// The same by two DaemonSets: the second one is made, and the first one deleted once its agents are ready.
async fn by_hand(scene: &mut Scene<'_>, old: &str, new: &str, act: &str) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    let before = objects::daemon_set(name, old);
    let found = cluster.find(&before).await?;
    let mut after = objects::daemon_set(name, new);
    let mut spec = found
        .and_then(|mut it| it.get_mut("spec").map(Value::take))
        .context("the agents are gone")?;
    for path in ["/selector/matchLabels", "/template/metadata/labels"] {
        let labels = spec.pointer_mut(path).and_then(Value::as_object_mut);
        labels
            .context("no labels")?
            .insert("podmirror.io/e2e".to_owned(), json!(new));
    }
    if let Some(after) = after.as_object_mut() {
        after.insert("spec".to_owned(), spec);
    }
    let mut of_old = cluster.pods(name, objects::AGENT_LABEL).await?;
    of_old.retain(|it| it.rsplit_once('-').is_some_and(|(set, _)| set == old));
    let handing_over = async {
        cluster.create(&after).await?;
        cluster.wait_for_daemon_set(name, new).await?;
        cluster.delete(&before).await?;
        cluster
            .wait_until_gone(name, objects::AGENT_LABEL, &of_old)
            .await
    };
    let ((), counted) = scene.asked_while(act, handing_over).await?;
    let what = format!("DaemonSet {new} takes over from {old}");
    told(scene, &what, counted, Missed::Few);
    scene
        .requests(&format!("{act}-after"), 100, "the ones that took over")
        .await
}
