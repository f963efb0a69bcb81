//! `podmirror set`: tune a running podmirror.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use mirror_core::value::Rate;

use super::{UsageError, supervise};
use crate::admin::{SOCKET, client};

/// Tune a running podmirror
///
/// Talks to its admin server (`--admin-socket` of `run` and `agent`), and prints what is set then.
#[derive(Args, Clone, Debug)]
pub struct SetArgs {
    #[command(subcommand)]
    what: What,

    /// The unix socket of the admin server, which its own user and root may use
    #[arg(long, global = true, value_name = "PATH", default_value = SOCKET)]
    admin_socket: PathBuf,

    /// The address of the admin server instead, such as the end of a kubectl port-forward; takes
    /// --admin-token-file
    #[arg(long, global = true, value_name = "HOST:PORT")]
    admin_address: Option<String>,

    /// The file with the token that the admin server was given by the flag of the same name
    #[arg(long, global = true, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// Change the share that is mirrored; with 0 nothing is, and podmirror stays attached
    SampleRate {
        /// The share, such as 50%, 0.5% or 1/3
        rate: Rate,

        /// Change only this rule, by its name in the metrics and in GET /sample-rate
        /// [default: all rules]
        #[arg(long, value_name = "NAME")]
        rule: Option<String>,
    },
}

impl SetArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let server = self.server()?;
        let What::SampleRate { rate, rule } = self.what;
        let runtime = supervise::runtime()?;
        let set = client::set_sample_rate(&server, rule.as_deref(), rate);
        print!("{}", runtime.block_on(set)?);
        if runtime.block_on(client::is_idle(&server)) {
            eprintln!(
                "podmirror: nothing is mirrored here: an agent is told for the pods of its own node only, so tell \
                 those of other nodes, too"
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn server(&self) -> Result<client::Server, UsageError> {
        let refuse = |problem: &str| Err(UsageError(problem.to_owned()));
        match (self.admin_address.clone(), self.admin_token_file.clone()) {
            (None, None) => Ok(client::Server::Socket(self.admin_socket.clone())),
            (Some(address), Some(token)) => Ok(client::Server::Network(address, Some(token))),
            (Some(_), None) => refuse(
                "--admin-address takes --admin-token-file: over the network nobody tunes without a token",
            ),
            (None, Some(_)) => refuse("--admin-token-file goes with --admin-address"),
        }
    }
}
