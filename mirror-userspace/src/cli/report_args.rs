//! Flags for how long to run and what to say about it.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::value::duration;

/// What is reported, and when.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// Stop after this time [default: run until SIGINT or SIGTERM]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Log a one-line summary at this interval; SIGUSR1 prints the whole ledger [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub report_every: Option<u64>,

    /// Write the ledger to this file, as JSON, at the end
    #[arg(long, value_name = "FILE")]
    pub ledger_json: Option<PathBuf>,
}
