//! The agent's turns: its work, signals and reports, its end, and the ledgers it leaves.

use std::{collections::BTreeMap, path::Path, pin::pin, time::Duration};

use crate::agent::Agent;
use anyhow::bail;
use mirror_core::ledger::Ledger;
use tokio::time;

use super::super::{
    ReportArgs,
    watch::{NEVER, Signals, write_json},
};

/// The ledgers of rules, by name.
type Ledgers = BTreeMap<String, Ledger>;

/// Has the agent work until a signal or `--duration` ends it; then stops it, and prints its ledgers
/// and writes them where asked.
///
/// # Errors
/// A shard panicked, a second SIGINT came while copies were under way, or a ledger can't be read or
/// written.
pub(super) async fn take(
    mut agent: Agent,
    mut signals: Signals,
    report: &ReportArgs,
) -> anyhow::Result<()> {
    let mut every = time::interval(report.report_every.map_or(NEVER, Duration::from_secs));
    every.tick().await;
    let mut end = pin!(time::sleep(report.duration.unwrap_or(Duration::MAX)));
    loop {
        let work = tokio::select! {
            _ = signals.interrupt.recv() => break,
            _ = signals.terminate.recv() => break,
            () = &mut end => break,
            _ = signals.ask.recv() => {
                for (rule, ledger) in agent.ledgers().await? {
                    eprint!("{rule}\n{}", ledger.while_running());
                }
                continue;
            }
            _ = every.tick() => {
                for (rule, ledger) in agent.ledgers().await? {
                    log::info!("{rule}: {}", ledger.summary());
                }
                continue;
            }
            work = agent.next() => work,
        };
        agent.perform(work).await?;
    }
    let ended = tokio::select! {
        ended = agent.stop() => ended,
        _ = signals.interrupt.recv() => {
            bail!("interrupted again: stopped without finishing the copies under way")
        }
    };
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
    if let Some(path) = &report.ledger_json {
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
