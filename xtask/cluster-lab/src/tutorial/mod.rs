//! The mirroring tutorial on any cluster: v1, v2, a client and the agent; one verdict per line.
//!
//! v1 answers all requests of the client whatever is mirrored, and v2's log shows the copies: all,
//! a half, a tenth, none. What counts is what the two servers wrote into their logs, not what
//! podmirror says of itself. The agent is installed from `deploy/base`, under names of its own, and
//! told its rate as an operator would: `PUT /sample-rate`.
//!
//! Then it is replaced by one that mirrors what documents say, and the same is done with a TrafficMirror and with the
//! VirtualServices that a rollout's controller writes.

mod caps;
mod cluster;
mod compared;
mod definitions;
mod gates;
mod hand_over;
mod mirrors;
mod objects;
mod outage;
mod people;
mod roles;
mod rollout;
mod scene;

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use kube::Client;

use cluster::Cluster;
use scene::Scene;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// podmirror's image, where the cluster's nodes can pull it (or have it).
    pub image: String,
    /// The image of v1, v2 and the client: nginx with BusyBox' shell and wget.
    pub web_image: String,
    /// The folder of `deploy/` that is installed: `base`, `overlays/least-privilege`.
    pub overlay: String,
    /// Requests of the client at each rate, at least 100.
    pub requests: u32,
    /// How long anything may take: an image to be pulled, a pod to be ready.
    pub patience: Duration,
    /// The pause between two looks.
    pub pause: Duration,
    /// What is played.
    pub parts: Parts,
    /// Shell commands that stop the API server, and start it again.
    pub outage: Option<(String, String)>,
    /// What else is stopped while v1 is asked.
    pub disturbances: Vec<Disturbance>,
    /// podmirror on this machine, as kubectl's plugin, and the kubeconfig file for it.
    pub plugin: Option<(PathBuf, PathBuf)>,
}

/// Something of the cluster's that is away for a while, of which nothing of ours depends.
#[derive(Clone, Debug)]
pub struct Disturbance {
    /// Its name for people.
    pub name: String,
    /// How long.
    pub lasts: Duration,
    /// The shell command that stops it. `NODE` in its environment is a node without a pod of v2, if there is one.
    pub stop: String,
    /// The one that starts it again.
    pub start: String,
}

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Only what flags and the admin server do.
    Flags,
    /// Only what documents do.
    Documents,
    /// All of it.
    All,
}

/// What became of one thing that was to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is as it should be.
    pub good: bool,
    /// What was seen, for people.
    pub what: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.good { "ok    " } else { "FAILED" };
        write!(f, "{mark}  {}", self.what)
    }
}

/// The folder of `deploy/` with the rights to read and tell of all kinds.
const DOCUMENTS: &str = "overlays/all";

/// The rates of the tutorial, in percent.
const RATES: [u32; 4] = [100, 50, 10, 0];

/// Plays the tutorial in a namespace with this name, and removes everything that it made. Each
/// verdict is given to `tell` as it falls.
///
/// # Errors
///
/// When the cluster refuses, or something is not ready in time. What was created is removed in any case.
pub async fn play(
    client: Client,
    name: &str,
    options: &Options,
    mut tell: impl FnMut(Verdict),
) -> Result<()> {
    let cluster = Cluster::new(client, options.patience, options.pause);
    let played = acts(&cluster, name, options, &mut tell).await;
    let removed = clean_up(&cluster, name, options).await;
    tell(Verdict {
        good: removed.is_ok(),
        what: match &removed {
            Ok(()) => format!("namespace {name} and what belongs to it is removed"),
            Err(error) => format!("removing namespace {name}: {error:#}"),
        },
    });
    played
}

/// Removes what a run of this name has made: also for one that was interrupted.
///
/// # Errors
///
/// When the cluster refuses.
pub async fn remove(client: Client, name: &str, options: &Options) -> Result<()> {
    clean_up(
        &Cluster::new(client, options.patience, options.pause),
        name,
        options,
    )
    .await
}

async fn acts(
    cluster: &Cluster,
    name: &str,
    options: &Options,
    tell: &mut dyn FnMut(Verdict),
) -> Result<()> {
    cluster.create(&objects::namespace(name)).await?;
    for version in ["v1", "v2"] {
        for object in objects::web(name, version, &options.web_image) {
            cluster.create(&object).await?;
        }
    }
    for version in ["v1", "v2"] {
        let deployment = format!("web-{version}");
        cluster.wait_for_deployment(name, &deployment).await?;
        tell(good(format!("{version} runs")));
    }
    let token = objects::token()?;
    cluster.create(&objects::secret(name, &token)).await?;
    let mut scene = Scene::new(cluster, name, options, tell);
    if options.parts != Parts::Documents {
        by_flags(&mut scene, &token).await?;
    }
    if options.parts != Parts::Flags {
        by_documents(&mut scene).await?;
    }
    Ok(())
}

/// What flags say, at each rate.
async fn by_flags(scene: &mut Scene<'_>, token: &str) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    let agent = objects::agent(
        name,
        &scene.options.overlay,
        &objects::by_flags(name),
        scene.options,
    )?;
    scene.install(&agent).await?;
    for rate in RATES {
        for agent in &cluster.pods(name, objects::AGENT_LABEL).await? {
            cluster
                .put(name, agent, "sample-rate", token, &format!("{rate}%"))
                .await
                .with_context(|| format!("setting the rate of {agent}"))?;
        }
        scene
            .requests(&format!("rate-{rate}"), rate, &format!("{rate} %"))
            .await?;
    }
    // As it was, for those who look at it from their own machine.
    for agent in &cluster.pods(name, objects::AGENT_LABEL).await? {
        cluster
            .put(name, agent, "sample-rate", token, "100%")
            .await?;
    }
    people::compare(scene).await?;
    scene.remove(&agent).await
}

/// What documents say.
async fn by_documents(scene: &mut Scene<'_>) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    cluster.make(&definitions::traffic_mirrors(name)?).await?;
    let agent = objects::agent(name, DOCUMENTS, &objects::by_documents(name), scene.options)?;
    for right in gates::rights(name, scene.options)? {
        cluster.create(&right).await?;
    }
    scene.install(&agent).await?;
    mirrors::play(scene).await?;
    // Its kind may come only now.
    rollout::play(scene).await
}

async fn clean_up(cluster: &Cluster, name: &str, options: &Options) -> Result<()> {
    let mut failed = None;
    let mut objects = vec![objects::namespace(name)];
    // The agents first, so that they detach before their rights are taken; the namespace takes the rest.
    for (folder, part) in [
        (options.overlay.as_str(), Parts::Documents),
        (DOCUMENTS, Parts::Flags),
    ] {
        if options.parts != part {
            objects.extend(objects::agent(name, folder, &[], options)?);
        }
    }
    if options.parts != Parts::Flags {
        objects.extend(gates::rights(name, options)?);
        objects.extend(roles::all(name)?);
    }
    for object in objects.iter().rev() {
        if let Err(error) = cluster.delete(object).await {
            failed.get_or_insert(error);
        }
    }
    if options.parts != Parts::Flags {
        for definition in definitions::all(name)? {
            if let Err(error) = cluster.unmake(&definition).await {
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn good(what: String) -> Verdict {
    Verdict { good: true, what }
}
