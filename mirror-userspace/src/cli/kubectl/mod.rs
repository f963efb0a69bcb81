//! `kubectl podmirror`: the whole cluster from one place.
//!
//! The same program under another name, which kubectl finds as its plugin. It runs wherever there is a kubeconfig, asks
//! all agents at once through the API, and adds up what they say. What an agent does not answer in time is named, and
//! the rest is shown: nothing here waits for the slowest node of a cluster.

mod books;
mod diagnose;
mod explain;
mod fleet;
mod lasting;
mod live;
mod newest;
mod set;
mod source;
mod status;
mod sum;
#[cfg(test)]
mod tests;
mod top;
mod ui;
mod verdict;
mod why;

use std::{env, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};

use super::supervise;
use fleet::{Fleet, FleetArgs};

/// How kubectl finds a plugin.
const NAME: &str = "kubectl-podmirror";

/// The exit code where some of the nodes did not answer, or did not do as they were told.
const PARTLY: u8 = 3;

/// Whether this program was started as kubectl's plugin.
pub(super) fn is_called() -> bool {
    let called = env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name();
    name.is_some_and(|name| name.as_encoded_bytes().starts_with(NAME.as_bytes()))
}

/// See and steer what podmirror mirrors in a cluster, on all of its nodes at once
///
/// Asks every agent through the API (port-forward), and adds up what they say. It takes the rights of the Role
/// podmirror-viewer, and to change rates those of podmirror-operator.
///
/// Exit code: 0 done, 1 it can't be done, 2 wrong usage, 3 some nodes did not answer, or none could be asked whether
/// they do what was written into the API.
#[derive(Parser, Clone, Debug)]
#[command(
    name = NAME,
    bin_name = "kubectl podmirror",
    version,
    max_term_width = 100
)]
pub(super) struct KubectlCli {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    Status(status::StatusArgs),
    Set(set::SetArgs),
    Stop(set::StopArgs),
    Resume(set::ResumeArgs),
    Why(why::WhyArgs),
    Verdict(verdict::VerdictArgs),
    Top(top::TopArgs),
    Ui(ui::UiArgs),
    Explain(explain::ExplainArgs),
    Diagnose(diagnose::DiagnoseArgs),
}

impl KubectlCli {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        supervise::runtime()?.block_on(async {
            let fleet = Fleet::connect(&self.fleet).await?;
            match self.command {
                Command::Status(status) => status.run(&fleet.found().await?).await,
                Command::Set(set) => set.run(fleet).await,
                Command::Stop(stop) => stop.run(fleet).await,
                Command::Resume(resume) => resume.run(fleet).await,
                Command::Why(why) => why.run(&fleet.found().await?).await,
                Command::Verdict(verdict) => Ok(verdict.run(fleet.found().await).await),
                Command::Top(top) => top.run(fleet.found().await?).await,
                Command::Ui(ui) => ui.run(fleet.found().await?).await,
                Command::Explain(explain) => explain.run(fleet).await,
                Command::Diagnose(diagnose) => diagnose.run(fleet.found().await?).await,
            }
        })
    }
}
