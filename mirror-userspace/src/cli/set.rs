//! `podmirror set`: tune a running podmirror.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use mirror_core::value::Rate;

use super::watch;
use crate::admin::client;

/// Tune a running podmirror
///
/// Talks to its admin server (`--admin-address` of `run` and `agent`), and prints what is set then.
#[derive(Args, Clone, Debug)]
pub struct SetArgs {
    #[command(subcommand)]
    what: What,

    /// The admin server
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:9090"
    )]
    admin_address: String,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// The share that is mirrored; 0 stops mirroring, connections stay attached
    SampleRate {
        /// 50%, 0.5%, 1/3
        rate: Rate,

        /// Only of this rule, by the name that the metrics and GET /sample-rate give it
        /// [default: all]
        #[arg(long, value_name = "NAME")]
        rule: Option<String>,
    },
}

impl SetArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let What::SampleRate { rate, rule } = self.what;
        let set = client::set_sample_rate(&self.admin_address, rule.as_deref(), rate);
        print!("{}", watch::runtime()?.block_on(set)?);
        Ok(ExitCode::SUCCESS)
    }
}
