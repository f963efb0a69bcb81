//! `kubectl podmirror explain`: what the documents in the cluster make the agents do.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use mirror_kubernetes::{
    cluster::agents,
    config::{Reader, Terms},
};
use tokio::time;

use super::{PARTLY, fleet::Fleet};
use crate::cli::{agent::terms_of, harmless::harmless};

/// Say what the documents in the cluster mirror where, and which of their fields are not acted on
///
/// Reads TrafficMirrors, VirtualServices, DestinationRules, HTTPRoutes, GRPCRoutes, ReferenceGrants and Services, as the
/// agents do. What documents may name beyond their namespaces is what the flags of the agents say.
#[derive(Args, Clone, Debug)]
pub(super) struct ExplainArgs {
    /// Only the documents of this namespace [default: all namespaces]
    #[arg(long, value_name = "NS")]
    of: Option<String>,
}

impl ExplainArgs {
    pub(super) async fn run(&self, fleet: Fleet) -> Result<ExitCode> {
        let client = fleet.client.clone();
        let patience = fleet.patience;
        let terms = match fleet.found().await {
            Ok(fleet) => terms(&fleet),
            Err(error) => Err(error),
        };
        let terms = terms.unwrap_or_else(|error| {
            eprintln!("as agents without flags would have it: {error:#}");
            Terms::default()
        });
        let read = agents::documents(&client, self.of.as_deref());
        let read = time::timeout(patience, read).await;
        let (documents, unread) = read.context("the API does not answer in time")?;
        if documents.is_empty() && !unread.is_empty() {
            bail!("nothing can be read: {}", unread.join("; "));
        }
        let (plan, invalid) = Reader::new(terms).read_each(&documents);
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

/// What documents may do, by the flags of the agents.
fn terms(fleet: &Fleet) -> Result<Terms> {
    let Some(agent) = fleet.agents.first() else {
        bail!("there is no agent");
    };
    let read = terms_of(&agent.flags);
    read.with_context(|| format!("the flags of {} are not understood here", agent.name))
}
