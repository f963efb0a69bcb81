//! `kubectl podmirror top`: what all agents do, in a terminal.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;
use mirror_core::value::Rate;
use mirror_kubernetes::cluster::agents::AgentPod;
use serde_json::{Value, json};

use super::{fleet::Fleet, set::set_in_agents, sum::add_up};
use crate::cli::top::{self, Look, Watched, books::count};

/// How long it is waited until agents are looked for again, and the same if some are silent.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_IF_SILENT: Duration = Duration::from_secs(5);

/// Show what all agents do, added up, as it happens
///
/// As `podmirror top`: up and down choose a row, s sorts, / filters by name, + and - change the sample rate of the row's rule
/// on all nodes and 0 stops it, q ends. Where the output is no terminal, prints it once.
#[derive(Args, Clone, Debug)]
pub(super) struct TopArgs {
    /// Change rates through port-forward, with the token in this file, instead of executing podmirror in the agents' pods
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl TopArgs {
    pub(super) async fn run(self, fleet: Fleet) -> Result<ExitCode> {
        let mut all = All {
            fleet,
            token: self.admin_token_file,
            last: Last::default(),
            found: Instant::now(),
        };
        top::show(&mut all).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// All agents, as one.
struct All {
    fleet: Fleet,
    token: Option<PathBuf>,
    last: Last,
    /// When the agents were looked for.
    found: Instant,
}

/// The last books of each agent, by its pod's name: a node has two while one hands over to the next, and one that is silent
/// for a while has not lost what it counted.
#[derive(Default)]
struct Last(BTreeMap<String, Told>);

/// What an agent has told, and when.
struct Told {
    node: String,
    books: Value,
    at: Instant,
}

impl Last {
    fn tell(&mut self, agent: &AgentPod, books: Value, at: Instant) {
        let node = agent.node.clone();
        self.0.insert(agent.name.clone(), Told { node, books, at });
    }

    /// Forgets agents that are gone.
    fn keep(&mut self, agents: &[AgentPod]) {
        self.0
            .retain(|name, _| agents.iter().any(|agent| agent.name == *name));
    }

    /// All of them added up. Those that are silent are taken to run on: time passes for the sum, whoever tells.
    fn sum(&self, now: Instant) -> Value {
        let aged = self.0.values().map(|told| {
            let mut books = told.books.clone();
            let passed = now.duration_since(told.at).as_secs_f64();
            let uptime = count(&books, "uptime_seconds") + passed;
            if let Some(books) = books.as_object_mut() {
                books.insert("uptime_seconds".to_owned(), json!(uptime));
            }
            (told.node.as_str(), books)
        });
        let aged: Vec<_> = aged.collect();
        let all: Vec<_> = aged.iter().map(|(node, books)| (*node, books)).collect();
        add_up(&all)
    }
}

impl All {
    /// Looks for the agents again, if it is time: an update of theirs gives each another name, and nodes come.
    async fn refresh(&mut self, silent: bool) -> Result<()> {
        let after = if silent { AGAIN_IF_SILENT } else { AGAIN };
        if self.found.elapsed() < after {
            return Ok(());
        }
        let found = self.fleet.find().await;
        self.found = Instant::now();
        found?;
        self.last.keep(&self.fleet.agents);
        Ok(())
    }
}

impl Watched for All {
    async fn look(&mut self) -> Result<Look> {
        let told = self.fleet.read("/ledger").await;
        // One time for all: the slowest of them does not age the others.
        let (now, mut silent) = (Instant::now(), Vec::new());
        for (agent, books) in told {
            match books.and_then(|it| Ok(serde_json::from_slice(&it)?)) {
                Ok(books) => self.last.tell(agent, books, now),
                Err(error) => silent.push(format!("{}: {error:#}", agent.node)),
            }
        }
        let mut trouble = Vec::new();
        if !silent.is_empty() {
            let (count, silent) = (silent.len(), silent.join("; "));
            trouble.push(format!("{count} nodes do not answer: {silent}"));
        }
        if let Err(error) = self.refresh(!silent.is_empty()).await {
            trouble.push(format!("{error:#}"));
        }
        let trouble = (!trouble.is_empty()).then(|| trouble.join("; "));
        if self.last.0.is_empty() {
            bail!("no agent answers: {}", trouble.unwrap_or_default());
        }
        Ok(Look {
            books: self.last.sum(now),
            differences: Value::Null,
            trouble,
        })
    }

    async fn set(&mut self, rule: &str, rate: Rate) -> Result<String> {
        let told = set_in_agents(&self.fleet, Some(rule), rate, self.token.as_deref()).await;
        let failed = told.iter().filter_map(|(agent, set)| {
            let error = set.as_ref().err()?;
            Some(format!("{}: {error:#}", agent.node))
        });
        let failed: Vec<_> = failed.collect();
        let taken = told
            .iter()
            .filter(|(_, set)| matches!(set, Ok(Some(_))))
            .count();
        if !failed.is_empty() {
            bail!(
                "{} nodes did not take it: {}",
                failed.len(),
                failed.join("; ")
            );
        }
        Ok(format!(
            "the sample of {rule} is {rate} now, on {taken} nodes"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::kubectl::tests::agent;

    fn books(uptime: f64) -> Value {
        json!({"version": "0.1.0", "uptime_seconds": uptime, "rules": [
            {"rule": "flags", "attachments": 1, "targets": [], "ledger": {"segments": {"seen": 5}}},
        ]})
    }

    #[test]
    fn time_goes_on_where_the_youngest_is_silent() {
        let (mut last, start) = (Last::default(), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        let (old, young) = (agent("a"), agent("b"));
        last.tell(&old, books(100.0), start);
        last.tell(&young, books(10.0), start);
        assert_eq!(last.sum(start)["uptime_seconds"], 10.0);
        last.tell(&old, books(103.0), later(3));
        assert_eq!(last.sum(later(3))["uptime_seconds"], 13.0);
        last.tell(&young, books(14.0), later(4));
        assert_eq!(last.sum(later(4))["uptime_seconds"], 14.0);
    }

    #[test]
    fn two_agents_of_a_node_are_two_until_one_is_gone() {
        let (mut last, now) = (Last::default(), Instant::now());
        let (one, mut next) = (agent("a"), agent("a"));
        next.name = "podmirror-next".to_owned();
        last.tell(&one, books(100.0), now);
        last.tell(&next, books(1.0), now);
        let seen = |last: &Last| last.sum(now)["rules"][0]["ledger"]["segments"]["seen"].clone();
        assert_eq!(seen(&last), 10);
        last.keep(&[next]);
        assert_eq!(seen(&last), 5);
    }
}
