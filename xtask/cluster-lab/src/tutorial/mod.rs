//! The mirroring tutorial on any cluster: v1, v2, a client and the agent; one verdict per line.
//!
//! v1 answers all requests of the client whatever is mirrored, and v2's log shows the copies: all,
//! a half, a tenth, none. What counts is what the two servers wrote into their logs, not what
//! podmirror says of itself. The agent is installed from `deploy/base`, under names of its own, and
//! told its rate as an operator would: `PUT /sample-rate`.

mod cluster;
mod objects;

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result};
use kube::Client;

use cluster::Cluster;

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
    tell: &mut impl FnMut(Verdict),
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
    for object in objects::agent(name, options)? {
        cluster.create(&object).await?;
    }
    // Ready means: attached to every selected pod of its node.
    let nodes = cluster.wait_for_daemon_set(name, "podmirror").await?;
    tell(good(format!("the agent is ready on {nodes} nodes")));
    for rate in RATES {
        tell(act(cluster, name, &token, options, rate).await?);
    }
    Ok(())
}

/// The client's requests at one rate.
async fn act(
    cluster: &Cluster,
    name: &str,
    token: &str,
    options: &Options,
    rate: u32,
) -> Result<Verdict> {
    let agents = cluster.pods(name, objects::AGENT_LABEL).await?;
    for agent in &agents {
        cluster
            .put(name, agent, "sample-rate", token, &format!("{rate}%"))
            .await
            .with_context(|| format!("setting the rate of {agent}"))?;
    }
    let client = objects::client(name, rate, options);
    cluster.create(&client).await?;
    let pod = objects::client_name(rate);
    cluster.wait_for_end(name, &pod).await?;
    let said = cluster.logs(name, &pod).await?;
    let answered = said.lines().filter(|line| line.trim() == "v1").count();
    let marker = objects::path(rate);
    let served = lines_with(cluster, name, "v1", &marker).await?;
    let copies = settled(cluster, name, &marker, options).await?;
    Ok(judge(rate, options.requests, answered, served, copies))
}

/// v2's copies, when no more come.
async fn settled(cluster: &Cluster, name: &str, marker: &str, options: &Options) -> Result<usize> {
    // Ten looks without a change: the agent sends within milliseconds, logs take up to a second.
    let (mut before, mut unchanged) = (0, 0);
    while unchanged < 10 {
        tokio::time::sleep(options.pause).await;
        let now = lines_with(cluster, name, "v2", marker).await?;
        unchanged = if now == before { unchanged + 1 } else { 0 };
        before = now;
    }
    Ok(before)
}

/// Lines in a version's log that are about requests of this act.
async fn lines_with(cluster: &Cluster, name: &str, version: &str, marker: &str) -> Result<usize> {
    let mut count = 0;
    for pod in cluster.pods(name, &objects::web_label(version)).await? {
        let log = cluster.logs(name, &pod).await?;
        count += log.lines().filter(|line| line.contains(marker)).count();
    }
    Ok(count)
}

/// v1 has to have answered everything. Sampling is by the client's connection, one for each
/// request, so the number of copies is binomial: five standard deviations are allowed for.
fn judge(rate: u32, requests: u32, answered: usize, served: usize, copies: usize) -> Verdict {
    let all = usize::try_from(requests).unwrap_or(usize::MAX);
    let share = f64::from(rate) / 100.0;
    let expected = f64::from(requests) * share;
    let spread = 5.0 * (expected * (1.0 - share)).sqrt();
    let seen = f64::from(u32::try_from(copies).unwrap_or(u32::MAX));
    Verdict {
        good: answered == all && served == all && (seen - expected).abs() <= spread,
        what: format!(
            "{rate} %: v1 answered {answered} of {requests} requests and logged {served}; v2 logged \
             {copies} copies, expected {expected:.0} ± {spread:.0}"
        ),
    }
}

async fn clean_up(cluster: &Cluster, name: &str, options: &Options) -> Result<()> {
    let mut failed = None;
    // The agent first, so that it detaches before its rights are taken; the namespace takes the rest.
    let agent = objects::agent(name, options)?;
    for object in agent.iter().rev().chain([&objects::namespace(name)]) {
        if let Err(error) = cluster.delete(object).await {
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

fn good(what: String) -> Verdict {
    Verdict { good: true, what }
}
