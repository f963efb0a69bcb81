//! `kubectl podmirror explain`: what the documents in the cluster make the agents do.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;
use mirror_kubernetes::{cluster::agents, config::Reader};
use tokio::time;

use super::{PARTLY, fleet::Fleet};
use crate::cli::{harmless::harmless, terms_args::TermsArgs};

/// Say what the documents in the cluster mirror where, and which of their fields are not acted on
///
/// Reads TrafficMirrors, VirtualServices, DestinationRules, HTTPRoutes, GRPCRoutes, ReferenceGrants and Services, as the
/// agents do; what they may name beyond their namespaces is what the flags here say, which are those of the agents.
#[derive(Args, Clone, Debug)]
pub(super) struct ExplainArgs {
    /// Only the documents of this namespace [default: all namespaces]
    #[arg(long, value_name = "NS")]
    of: Option<String>,
    #[command(flatten)]
    terms: TermsArgs,
}

impl ExplainArgs {
    pub(super) async fn run(&self, fleet: &Fleet) -> Result<ExitCode> {
        let read = agents::documents(&fleet.client, self.of.as_deref());
        let read = time::timeout(fleet.patience, read).await;
        let (documents, unread) = read.context("the API does not answer in time")?;
        let (plan, invalid) = Reader::new(self.terms.clone().into()).read_each(&documents);
        let said: String = plan
            .to_string()
            .lines()
            .map(|line| line.chars().map(harmless).collect::<String>() + "\n")
            .collect();
        match io::stdout().write_all(said.as_bytes()) {
            // Whoever reads may have seen enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
            _ => {}
        }
        for error in &invalid {
            eprintln!("invalid: {error}");
        }
        for why in &unread {
            eprintln!("not read: {why}");
        }
        Ok(match (invalid.len(), unread.len()) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(PARTLY),
            _ => ExitCode::from(2),
        })
    }
}
