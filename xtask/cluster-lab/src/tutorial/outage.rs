//! What is away for a while: the API server, and whatever else of the cluster whoever plays this can stop.

use std::{process::Command, time::Duration};

use anyhow::{Result, bail};
use serde_json::json;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{
    Disturbance,
    mirrors::{Missed, told},
    objects::{self, text},
    scene::Scene,
};

/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(20);

/// The seconds that the client asks beyond what it asks for.
const MORE: u32 = 60;

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<()> {
    if let Some((stop, start)) = scene.options.outage.clone() {
        let outage = Disturbance {
            name: "the API server".to_owned(),
            lasts: AWAY,
            stop,
            start,
        };
        without(scene, "act-outage", &outage).await?;
        scene
            .requests("act-back", 100, "the API server is back")
            .await?;
    }
    for (number, disturbance) in scene.options.disturbances.clone().iter().enumerate() {
        without(scene, &format!("act-without-{number}"), disturbance).await?;
    }
    Ok(())
}

/// Nothing of ours needs it to go on with what is mirrored.
async fn without(scene: &mut Scene<'_>, act: &str, what: &Disturbance) -> Result<()> {
    let node = node_without_v2(scene).await?;
    // The client can't have ended before this is over.
    let seconds = u32::try_from(what.lasts.as_secs())?.saturating_add(MORE);
    let begun = Instant::now();
    scene.begin_to_ask_for(act, seconds).await?;
    shell(&what.stop, &node).await?;
    sleep(what.lasts).await;
    let asked = begun.elapsed().as_secs() < u64::from(seconds);
    shell(&what.start, &node).await?;
    let deadline = Instant::now() + scene.cluster.patience();
    while let Err(error) = scene.cluster.pods(scene.name, objects::AGENT_LABEL).await {
        if Instant::now() > deadline {
            return Err(error);
        }
        scene.cluster.pause().await;
    }
    let name = &what.name;
    scene.tell(
        asked,
        format!("v1 was asked for as long as {name} was away"),
    );
    let counted = scene.count(act).await?;
    let long = what.lasts.as_secs();
    told(
        scene,
        &format!("while {name} was away for {long} s"),
        counted,
        Missed::None,
    );
    Ok(())
}

/// The name of a node where v2 has no pod: what is stopped there takes no endpoint of v2's away.
async fn node_without_v2(scene: &Scene<'_>) -> Result<String> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": scene.name}});
    let pods = scene.cluster.list(&pod).await?;
    let of_v2 = pods
        .iter()
        .filter(|pod| text(pod, "/metadata/labels/version") == "v2");
    let taken: Vec<_> = of_v2.map(|pod| text(pod, "/spec/nodeName")).collect();
    let nodes = pods.iter().map(|pod| text(pod, "/spec/nodeName"));
    let free = nodes.into_iter().find(|node| !taken.contains(node));
    Ok(free
        .or(taken.first().copied())
        .unwrap_or_default()
        .to_owned())
}

async fn shell(command: &str, node: &str) -> Result<()> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("NODE", node)
        .spawn()?;
    let status = spawn_blocking(move || child.wait()).await??;
    if !status.success() {
        bail!("{command}: {status}");
    }
    Ok(())
}
