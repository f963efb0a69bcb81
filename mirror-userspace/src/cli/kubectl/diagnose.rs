//! `kubectl podmirror diagnose`: whether the nodes have what it takes.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Args;

use super::{
    PARTLY,
    fleet::{Fleet, complain, told_of},
};
use crate::cli::harmless::harmless;

/// How long a node has at least: its kernel verifies programs.
const AT_LEAST: Duration = Duration::from_secs(60);

/// Check on every node whether it has what mirroring takes
///
/// Executes `podmirror check` in every agent's pod, for which each has a minute or --timeout. Ends with exit code 1 if a node lacks something, 3 if some could not be
/// asked.
#[derive(Args, Clone, Debug)]
pub(super) struct DiagnoseArgs {
    /// Also print what is as it should be
    #[arg(short, long)]
    verbose: bool,
}

impl DiagnoseArgs {
    pub(super) async fn run(&self, mut fleet: Fleet) -> Result<ExitCode> {
        fleet.patience = fleet.patience.max(AT_LEAST);
        let checked = fleet.each(|agent| fleet.execute(agent, &["check"])).await;
        let mut lacking = 0;
        for (agent, checked) in &checked {
            let Ok(checked) = checked else { continue };
            let well = checked.code == 0;
            lacking += usize::from(!well);
            let verdict = if well {
                "has all that it takes"
            } else {
                "lacks something"
            };
            let ready = if agent.ready {
                ""
            } else {
                ", and its agent is not ready"
            };
            println!("{}", told_of(agent, &format!("{verdict}{ready}")));
            if self.verbose || !well {
                for line in checked.stdout.lines().chain(checked.stderr.lines()) {
                    println!("  {}", line.chars().map(harmless).collect::<String>());
                }
            }
        }
        let failed = complain(&checked);
        Ok(match (lacking, failed) {
            (0, 0) => ExitCode::SUCCESS,
            (0, failed) if failed < checked.len() => ExitCode::from(PARTLY),
            _ => ExitCode::FAILURE,
        })
    }
}
