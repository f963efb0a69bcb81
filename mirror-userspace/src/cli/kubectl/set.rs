//! `kubectl podmirror set`, `stop` and `resume`: rates, on all nodes.
//!
//! What is set in agents holds at once and as long as they run. What is written into a TrafficMirror lasts.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use hyper::StatusCode;
use mirror_core::value::Rate;
use mirror_kubernetes::cluster::agents::{AgentPod, MirrorChange, MirrorName};

use super::{
    PARTLY,
    fleet::{Fleet, Told, complain, successful, told_of},
    lasting::{suspend_all, write},
    status::table,
};
use crate::{admin::client::Over, cli::harmless::harmless};

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
    pub(super) async fn run(&self, fleet: Fleet) -> Result<ExitCode> {
        let What::SampleRate { rate, whose } = &self.what;
        if let Some(mirror) = &whose.mirror {
            return write(fleet, mirror, MirrorChange::Percent(*rate)).await;
        }
        whose.set(&fleet.found().await?, *rate).await
    }
}

impl StopArgs {
    pub(super) async fn run(&self, fleet: Fleet) -> Result<ExitCode> {
        if let Some(mirror) = &self.whose.mirror {
            return write(fleet, mirror, MirrorChange::Suspend(true)).await;
        }
        let (client, patience) = (fleet.client.clone(), fleet.patience);
        let stopped = async { self.whose.set(&fleet.found().await?, Rate::ZERO).await };
        if !self.lasting {
            return stopped.await;
        }
        // Neither waits for the other, nor fails for it: who may change documents need not see agents.
        let (suspended, stopped) = tokio::join!(suspend_all(&client, patience), stopped);
        match (suspended, stopped) {
            (Ok(()), Err(error)) => {
                eprintln!("only the TrafficMirrors are told: {error:#}");
                Ok(ExitCode::from(PARTLY))
            }
            (Err(suspended), Err(error)) => {
                eprintln!("the agents are not told: {error:#}");
                Err(suspended)
            }
            (suspended, stopped) => suspended.and(stopped),
        }
    }
}

impl ResumeArgs {
    pub(super) async fn run(&self, fleet: Fleet) -> Result<ExitCode> {
        write(fleet, &self.mirror, MirrorChange::Suspend(false)).await
    }
}

impl Whose {
    async fn set(&self, fleet: &Fleet, rate: Rate) -> Result<ExitCode> {
        let (rule, token) = (self.rule.as_deref(), self.admin_token_file.as_deref());
        let told = set_in_agents(fleet, rule, rate, token).await;
        let failed = complain(&told);
        println!("{}", outcome(&told, rule, rate)?);
        show(
            told.iter()
                .filter_map(|(_, set)| set.as_ref().ok()?.as_deref()),
        );
        Ok(match failed {
            0 => ExitCode::SUCCESS,
            all if all == told.len() => ExitCode::FAILURE,
            _ => ExitCode::from(PARTLY),
        })
    }
}

/// How many nodes have a rate now, in words.
///
/// # Errors
/// None of them has a rule of this name.
fn outcome<T>(
    told: &[(&AgentPod, Result<Option<T>>)],
    rule: Option<&str>,
    rate: Rate,
) -> Result<String> {
    let taken = told.iter().filter(|(_, set)| matches!(set, Ok(Some(_))));
    let taken = taken.count();
    let failed = told.iter().filter(|(_, set)| set.is_err()).count();
    if let (Some(rule), 0, 0) = (rule, taken, failed) {
        bail!("no node has a rule {rule:?}: `kubectl podmirror status` names them");
    }
    let set = format!("{rate} is set on {taken} of {} nodes", told.len());
    Ok(match failed {
        0 => set,
        _ => format!("{set}\n{failed} did not take it, and mirror as before"),
    })
}

/// The same, with a line for each that did not take it, and whether all did.
///
/// # Errors
/// None of them has a rule of this name.
pub(super) fn outcome_in_full<T>(
    told: &[(&AgentPod, Result<Option<T>>)],
    rule: Option<&str>,
    rate: Rate,
) -> Result<(String, bool)> {
    let mut words = outcome(told, rule, rate)?;
    let failed = told.iter().filter_map(|(agent, set)| {
        let error = set.as_ref().err()?;
        Some(told_of(agent, &format!("{error:#}")))
    });
    let failed: Vec<_> = failed.collect();
    for line in &failed {
        words.push('\n');
        words.push_str(line);
    }
    Ok((words, failed.is_empty()))
}

/// Sets a rate in all agents. What they say is what `GET /sample-rate` does; `None` if they have no such rule.
pub(super) async fn set_in_agents<'a>(
    fleet: &'a Fleet,
    rule: Option<&str>,
    rate: Rate,
    token: Option<&Path>,
) -> Told<'a, Option<String>> {
    let set = |agent| async move {
        match token {
            Some(token) => forwarded(fleet, agent, rule, rate, token).await,
            None => executed(fleet, agent, rule, rate).await,
        }
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
    let (wanted, asked) = (rate, rule);
    let rate = rate.to_string();
    let rule = rule.map(|rule| format!("--rule={rule}"));
    let mut words = vec!["set", "sample-rate", &rate, "--admin-socket", socket];
    words.extend(rule.as_deref());
    let done = fleet.execute(agent, &words).await?;
    match done.code {
        0 => {}
        _ if done.stderr.trim_end().ends_with(NO_SUCH_RULE) => return Ok(None),
        code => bail!(
            "podmirror set ended with {code}: {}",
            done.stderr.trim_end()
        ),
    }
    if agent.port.is_none() {
        return Ok(Some(done.stdout));
    }
    // Two agents of a node share the path of the socket, and one of them has it.
    let own = fleet.ask(agent, Over::Get("/sample-rate")).await;
    let own = own.and_then(successful);
    let own = own.context("it was told, and does not say what it does now")?;
    let own = String::from_utf8_lossy(&own).into_owned();
    holds(&own, asked, wanted).context(
        "it was not reached: another agent of its node has the socket until it ends; repeat this then, or use \
         --admin-token-file",
    )?;
    Ok(Some(own))
}

/// Whether an agent mirrors as it was told, by what it says at `/sample-rate`.
fn holds(own: &str, rule: Option<&str>, wanted: Rate) -> Result<()> {
    for line in own.lines() {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        let (rate, of) = (cell(), cell());
        let is_meant = rule.is_none_or(|rule| rule == of);
        if is_meant && rate.parse::<Rate>().ok() != Some(wanted) {
            bail!("it mirrors {rate} of {of}");
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_does_as_it_was_told_if_it_says_so() {
        let zero = Rate::ZERO;
        let own = "0 %\tflags\thttp://v2\n50 %\tother\thttp://v2\n";
        assert!(holds("", None, zero).is_ok());
        assert!(holds(own, Some("flags"), zero).is_ok());
        let error = holds(own, None, zero).unwrap_err();
        assert_eq!(error.to_string(), "it mirrors 50 % of other");
        assert!(holds(own, Some("other"), zero).is_err());
        assert!(holds(own, Some("other"), "50%".parse().unwrap()).is_ok());
    }
}
