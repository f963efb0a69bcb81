//! `kubectl podmirror ui`: one page of all agents.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;

use super::{
    fleet::{AT_ONCE, Fleet, told_of},
    live::Live,
    source::All,
};
use crate::{admin::OwnPage, cli::supervise::Signals};

/// Show what all agents do, added up, on a page in the browser
///
/// Serves the page of `--ui` on this machine, of all agents at once: what is mirrored on which node, what is lost and why,
/// the verdict, the last losses, and the rates to set. Prints its address, which nobody can guess: who has it may see and
/// do there what you may. Ends with Ctrl-C.
#[derive(Args, Clone, Debug)]
pub(super) struct UiArgs {
    /// The port of 127.0.0.1 that it is at [default: any that is free]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    port: u16,

    /// Rates can't be changed on the page
    #[arg(long)]
    read_only: bool,

    /// Change rates through port-forward, with the token in this file, instead of executing podmirror in the agents' pods
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl UiArgs {
    pub(super) async fn run(self, fleet: Fleet) -> Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let batches = u32::try_from(fleet.agents.len().div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
        // Twice: a rate is set, and asked for.
        let answer_time = fleet
            .patience
            .saturating_mul(batches.saturating_mul(2).max(2));
        let mut live = Live::new(fleet);
        tokio::select! {
            () = signals.end() => return Ok(ExitCode::SUCCESS),
            () = live.look() => {}
        }
        // What is wrong at once is said where it was started.
        let silent: Vec<_> = live.silent().collect();
        for (agent, why) in &silent {
            eprintln!("{}", told_of(agent, why));
        }
        let (all, silent) = (live.fleet().agents.len(), silent.len());
        if silent == all {
            bail!("none of the {silent} agents answered");
        }
        let source = All::new(live, self.admin_token_file);
        let page = OwnPage::start(self.port, source, answer_time, !self.read_only).await?;
        println!("{}", page.url());
        eprintln!(
            "the page of {all} agents, until Ctrl-C; who has this address may see and do there what you may"
        );
        signals.end().await;
        Ok(ExitCode::SUCCESS)
    }
}
