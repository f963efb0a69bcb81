//! `kubectl podmirror top`: what all agents do, in a terminal.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Result, anyhow, bail};
use clap::Args;
use mirror_core::value::Rate;
use serde_json::Value;

use super::{
    fleet::Fleet,
    live::{Live, turn},
    set::{outcome_in_full, set_in_agents},
};
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
            live: Live::new(fleet),
            token: self.admin_token_file,
        };
        top::show(&mut all).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// All agents, as one.
struct All {
    live: Live,
    token: Option<PathBuf>,
}

impl Watched for All {
    async fn look(&mut self) -> Result<Look> {
        self.live.look().await;
        self.seen()
    }

    async fn look_at_all(&mut self) -> Result<Look> {
        self.live.look_at_all().await;
        self.seen()
    }

    async fn set(&mut self, rule: &str, rate: Rate) -> Result<String> {
        let told = set_in_agents(self.live.fleet(), Some(rule), rate, self.token.as_deref()).await;
        let (words, is_set) = outcome_in_full(&told, Some(rule), rate)?;
        // There is a line for it.
        let words = words.replace('\n', "; ");
        match is_set {
            true => Ok(words),
            false => Err(anyhow!(words)),
        }
    }
}

impl All {
    fn seen(&self) -> Result<Look> {
        let trouble = self.live.trouble();
        if !self.live.knows_any() {
            bail!("no agent answers: {}", trouble.unwrap_or_default());
        }
        Ok(Look {
            books: self.live.sum(Instant::now()),
            differences: Value::Null,
            trouble,
            turn: turn(self.live.fleet().agents.len()),
        })
    }
}
