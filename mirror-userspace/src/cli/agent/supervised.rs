//! The agent, supervised; and the ledgers it leaves.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path};

use mirror_core::ledger::Ledger;

use super::super::supervise::{Supervised, write_json};
use crate::agent::{Agent, Ended, Work};

/// The ledgers of rules, by name.
type Ledgers = BTreeMap<String, Ledger>;

impl Supervised for Agent {
    type Work = Work;
    type Left = Vec<Ended>;

    async fn next(&mut self) -> Work {
        self.next().await
    }

    async fn perform(&mut self, work: Work) -> anyhow::Result<ControlFlow<()>> {
        self.perform(work).await?;
        Ok(ControlFlow::Continue(()))
    }

    async fn print(&mut self) -> anyhow::Result<()> {
        for (rule, ledger) in self.ledgers().await? {
            eprint!("{rule}\n{}", ledger.while_running());
        }
        Ok(())
    }

    async fn summarize(&mut self) -> anyhow::Result<()> {
        for (rule, ledger) in self.ledgers().await? {
            log::info!("{rule}: {}", ledger.summary());
        }
        Ok(())
    }

    async fn stop(self) -> anyhow::Result<Vec<Ended>> {
        Ok(self.stop().await)
    }
}

/// Prints the ledgers of the rules that have ended, and writes them where asked.
///
/// # Errors
/// A ledger is lost, or can't be written.
pub(super) fn finish(ended: Vec<Ended>, json: Option<&Path>) -> anyhow::Result<()> {
    let mut ledgers = Vec::new();
    let mut outcome = Ok(());
    for rule in ended {
        match rule.ledger {
            Ok(ledger) => ledgers.extend(ledger.map(|ledger| (rule.rule, ledger))),
            Err(error) => outcome = outcome.and(Err(error.context(rule.rule))),
        }
    }
    for (rule, ledger) in &ledgers {
        eprint!("{rule}\n{ledger}");
    }
    if let Some(path) = json {
        write(path, ledgers)?;
    }
    outcome
}

/// `{"rules": {"flags": {…}}}`, each as `run` writes its only one.
fn write(path: &Path, ledgers: Vec<(String, Ledger)>) -> anyhow::Result<()> {
    let rules: Ledgers = ledgers.into_iter().collect();
    let text = serde_json::to_string_pretty(&BTreeMap::from([("rules", rules)]))?;
    write_json(path, &text)
}
