//! `kubectl podmirror set`, `stop` and `resume`: rates, on all nodes.
//!
//! What is set in agents holds at once and as long as they run. What is written into a TrafficMirror lasts.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use hyper::StatusCode;
use mirror_core::value::Rate;
use mirror_kubernetes::cluster::agents::{self, AgentPod, MirrorChange, MirrorName};
use tokio::time::{self, Instant};

use super::{
    PARTLY,
    fleet::{Fleet, Told, complain, successful},
    status::table,
};
use crate::{admin::client::Over, cli::harmless::harmless};

/// How long `--mirror` waits between two looks at whether the agents have taken it.
const EVERY: Duration = Duration::from_millis(500);

/// What an agent says that has no rule of a name.
const NO_SUCH_RULE: &str = "no such rule";

/// Change how much is mirrored, on all nodes
#[derive(Args, Clone, Debug)]
pub(super) struct SetArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// Change the share that is mirrored; with 0 nothing is, and the agents stay attached
    ///
    /// Holds at once and until an agent starts again or the rule's document gets another share: agents begin with what flags and
    /// documents say. With --mirror, changes the document itself, which lasts.
    SampleRate {
        /// The share, such as 50%, 0.5% or 1/3
        rate: Rate,
        #[command(flatten)]
        whose: Whose,
    },
}

/// Which rules are meant.
#[derive(Args, Clone, Debug)]
struct Whose {
    /// Only this rule, by its name in `status` [default: all rules]
    #[arg(long, value_name = "NAME", conflicts_with = "mirror")]
    rule: Option<String>,

    /// This TrafficMirror: the percent of its targets is changed in the API
    #[arg(long, value_name = "NAMESPACE/NAME")]
    mirror: Option<MirrorName>,

    /// Tell the agents through port-forward, with the token in this file that their --admin-token-file has, instead
    /// of executing podmirror in their pods
    #[arg(long, value_name = "FILE", conflicts_with = "mirror")]
    admin_token_file: Option<PathBuf>,
}

/// Stop mirroring everywhere now: a sample rate of 0 on all nodes
///
/// Agents stay attached, and `set sample-rate 100%` goes on. An agent that starts anew begins with what flags and documents
/// say; --lasting suspends all TrafficMirrors, too.
#[derive(Args, Clone, Debug)]
pub(super) struct StopArgs {
    #[command(flatten)]
    whose: Whose,

    /// Also suspend every TrafficMirror of the cluster, which lasts until `resume`
    #[arg(long, conflicts_with_all = ["rule", "mirror"])]
    lasting: bool,
}

/// Switch a suspended TrafficMirror on again
#[derive(Args, Clone, Debug)]
pub(super) struct ResumeArgs {
    /// The TrafficMirror
    #[arg(long, value_name = "NAMESPACE/NAME")]
    mirror: MirrorName,
}

impl SetArgs {
    pub(super) async fn run(&self, fleet: &Fleet) -> Result<ExitCode> {
        let What::SampleRate { rate, whose } = &self.what;
        whose.set(fleet, *rate).await
    }
}

impl StopArgs {
    pub(super) async fn run(&self, fleet: &Fleet) -> Result<ExitCode> {
        if let Some(mirror) = &self.whose.mirror {
            return write(fleet, mirror, MirrorChange::Suspend(true)).await;
        }
        let stopped = self.whose.set(fleet, Rate::ZERO).await;
        if self.lasting {
            suspend_all(fleet).await?;
        }
        stopped
    }
}

impl ResumeArgs {
    pub(super) async fn run(&self, fleet: &Fleet) -> Result<ExitCode> {
        write(fleet, &self.mirror, MirrorChange::Suspend(false)).await
    }
}

impl Whose {
    async fn set(&self, fleet: &Fleet, rate: Rate) -> Result<ExitCode> {
        if let Some(mirror) = &self.mirror {
            return write(fleet, mirror, MirrorChange::Percent(rate)).await;
        }
        let (rule, token) = (self.rule.as_deref(), self.admin_token_file.as_deref());
        let told = set_in_agents(fleet, rule, rate, token).await;
        let taken: Vec<_> = told
            .iter()
            .filter_map(|(_, set)| set.as_ref().ok()?.as_deref())
            .collect();
        let failed = complain(&told);
        if let (Some(rule), true) = (rule, taken.is_empty() && failed == 0) {
            bail!("no node has a rule {rule:?}: `kubectl podmirror status` names them");
        }
        println!("{rate} is set on {} of {} nodes", taken.len(), told.len());
        if failed > 0 {
            println!("{failed} did not take it, and mirror as before");
        }
        show(taken.into_iter());
        Ok(match failed {
            0 => ExitCode::SUCCESS,
            all if all == told.len() => ExitCode::FAILURE,
            _ => ExitCode::from(PARTLY),
        })
    }
}

/// Sets a rate in all agents. What they say is what `GET /sample-rate` does; `None` if they have no such rule.
pub(super) async fn set_in_agents<'a>(
    fleet: &'a Fleet,
    rule: Option<&str>,
    rate: Rate,
    token: Option<&Path>,
) -> Told<'a, Option<String>> {
    let set = async |agent: &AgentPod| match token {
        Some(token) => forwarded(fleet, agent, rule, rate, token).await,
        None => executed(fleet, agent, rule, rate).await,
    };
    fleet.each(set).await
}

async fn forwarded(
    fleet: &Fleet,
    agent: &AgentPod,
    rule: Option<&str>,
    rate: Rate,
    token: &Path,
) -> Result<Option<String>> {
    let set = Over::SetSampleRate(rule, rate, token);
    let (status, body) = fleet.ask(agent, set).await?;
    if status == StatusCode::NOT_FOUND && body.starts_with(NO_SUCH_RULE.as_bytes()) {
        return Ok(None);
    }
    let body = successful((status, body))?;
    Ok(Some(String::from_utf8_lossy(&body).into_owned()))
}

async fn executed(
    fleet: &Fleet,
    agent: &AgentPod,
    rule: Option<&str>,
    rate: Rate,
) -> Result<Option<String>> {
    let socket = agent.socket.as_ref();
    let socket = socket.context("it has no admin socket: name its --admin-token-file")?;
    let rate = rate.to_string();
    let rule = rule.map(|rule| format!("--rule={rule}"));
    let mut words = vec!["set", "sample-rate", &rate, "--admin-socket", socket];
    words.extend(rule.as_deref());
    let done = fleet.execute(agent, &words).await?;
    match done.code {
        0 => Ok(Some(done.stdout)),
        _ if done.stderr.trim_end().ends_with(NO_SUCH_RULE) => Ok(None),
        code => bail!(
            "podmirror set ended with {code}: {}",
            done.stderr.trim_end()
        ),
    }
}

/// What rules have on how many nodes, of the answers of agents.
fn show<'a>(answers: impl Iterator<Item = &'a str>) {
    let mut nodes = BTreeMap::<[&str; 3], usize>::new();
    for line in answers.flat_map(str::lines) {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        let (rate, rule, target) = (cell(), cell(), cell());
        *nodes.entry([rule, target, rate]).or_default() += 1;
    }
    if nodes.is_empty() {
        return;
    }
    let mut rows = vec![["RULE", "TARGET", "SAMPLE", "NODES"].map(str::to_owned)];
    rows.extend(nodes.into_iter().map(|([rule, target, rate], nodes)| {
        [
            rule.to_owned(),
            target.to_owned(),
            rate.to_owned(),
            nodes.to_string(),
        ]
    }));
    table(&rows, &mut |line| {
        println!(
            "{}",
            line.trim_end().chars().map(harmless).collect::<String>()
        );
    });
}

/// Changes a TrafficMirror in the API, and waits until the agents that act on it do as it says.
async fn write(fleet: &Fleet, mirror: &MirrorName, change: MirrorChange) -> Result<ExitCode> {
    let acting = rates(fleet, mirror).await;
    let changed = agents::change(&fleet.client, mirror, change);
    let changed = time::timeout(fleet.patience, changed).await;
    changed
        .context("the API does not answer in time")?
        .with_context(|| format!("TrafficMirror {mirror}"))?;
    println!("TrafficMirror {mirror}: {}", words(change));
    let had = acting
        .iter()
        .filter(|(_, it)| it.as_ref().is_ok_and(|it| !it.is_empty()));
    let had = had.count();
    if had == 0 && change != MirrorChange::Suspend(false) {
        println!(
            "no node has acted on it so far: `kubectl describe tmirror` says why, if it is not suspended"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let until = Instant::now() + fleet.patience;
    loop {
        let now = rates(fleet, mirror).await;
        let taken = now
            .iter()
            .filter(|(_, it)| it.as_ref().is_ok_and(|it| taken(change, it)));
        let (taken, silent) = (
            taken.count(),
            now.iter().filter(|(_, it)| it.is_err()).count(),
        );
        let late = Instant::now() >= until;
        if taken == now.len() || late {
            println!("{taken} of {} nodes do as it says", now.len());
            complain(&now);
            if silent == 0 && taken < now.len() {
                println!(
                    "the others have not heard of it yet, or are told otherwise by their flags"
                );
            }
            return Ok(match taken == now.len() {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(PARTLY),
            });
        }
        time::sleep(EVERY).await;
    }
}

fn words(change: MirrorChange) -> String {
    match change {
        MirrorChange::Percent(rate) => format!("{rate} of every target's requests"),
        MirrorChange::Suspend(true) => "suspended".to_owned(),
        MirrorChange::Suspend(false) => "no longer suspended".to_owned(),
    }
}

/// The rates of the rules of a TrafficMirror, as each agent has them.
async fn rates<'a>(fleet: &'a Fleet, mirror: &MirrorName) -> Told<'a, Vec<Rate>> {
    let title = format!("TrafficMirror {mirror}");
    let of = |body: &[u8]| {
        let text = String::from_utf8_lossy(body).into_owned();
        let lines = text
            .lines()
            .map(|line| line.split_once('\t').unwrap_or_default());
        let own = lines.filter(|(_, rule)| {
            let rest = rule.strip_prefix(&title);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        });
        own.filter_map(|(rate, _)| rate.parse().ok()).collect()
    };
    let told = fleet.read("/sample-rate").await.into_iter();
    told.map(|(agent, body)| (agent, body.map(|body| of(&body))))
        .collect()
}

fn taken(change: MirrorChange, rates: &[Rate]) -> bool {
    match change {
        MirrorChange::Percent(rate) => rates.iter().all(|it| *it == rate),
        MirrorChange::Suspend(true) => rates.is_empty(),
        MirrorChange::Suspend(false) => !rates.is_empty(),
    }
}

async fn suspend_all(fleet: &Fleet) -> Result<()> {
    let (documents, unread) = agents::documents(&fleet.client, None).await;
    let mut failed = 0;
    let field = |value: &serde_json::Value, path| {
        let found = value.pointer(path).and_then(serde_json::Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    for document in documents {
        if field(&document.value, "/kind") != "TrafficMirror" {
            continue;
        }
        let mirror = MirrorName {
            namespace: field(&document.value, "/metadata/namespace"),
            name: field(&document.value, "/metadata/name"),
        };
        let suspended = agents::change(&fleet.client, &mirror, MirrorChange::Suspend(true));
        match time::timeout(fleet.patience, suspended).await {
            Ok(Ok(())) => println!("TrafficMirror {mirror}: suspended"),
            Ok(Err(error)) => {
                failed += 1;
                eprintln!("TrafficMirror {mirror}: {error:#}");
            }
            Err(_) => {
                failed += 1;
                eprintln!("TrafficMirror {mirror}: the API does not answer in time");
            }
        }
    }
    if let Some(why) = unread.iter().find(|why| why.starts_with("TrafficMirror")) {
        bail!("{why}");
    }
    if failed > 0 {
        bail!("{failed} TrafficMirrors are not suspended");
    }
    Ok(())
}
