//! `kubectl podmirror top`: what all agents do, in a terminal.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use mirror_core::value::Rate;
use serde_json::Value;

use super::{fleet::Fleet, set::set_in_agents, sum::add_up};
use crate::cli::top::{self, Look, Watched};

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
            last: BTreeMap::new(),
        };
        top::show(&mut all).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// All agents, as one.
struct All {
    fleet: Fleet,
    token: Option<PathBuf>,
    /// The last books of each: one that is silent for a while has not lost what it counted.
    last: BTreeMap<String, Value>,
}

impl Watched for All {
    async fn look(&mut self) -> Result<Look> {
        let mut silent = Vec::new();
        for (agent, books) in self.fleet.read("/ledger").await {
            match books.and_then(|it| Ok(serde_json::from_slice(&it)?)) {
                Ok(books) => {
                    self.last.insert(agent.node.clone(), books);
                }
                Err(error) => silent.push(format!("{}: {error:#}", agent.node)),
            }
        }
        if self.last.is_empty() {
            bail!("no agent answers: {}", silent.join("; "));
        }
        let all: Vec<_> = self
            .last
            .iter()
            .map(|(node, it)| (node.as_str(), it))
            .collect();
        let trouble = format!(
            "{} nodes do not answer: {}",
            silent.len(),
            silent.join("; ")
        );
        Ok(Look {
            books: add_up(&all),
            differences: Value::Null,
            trouble: (!silent.is_empty()).then_some(trouble),
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
