//! A daemon, watched: signals, reports, its end, and the ledger it leaves.

use std::{
    io::{self, Write as _},
    path::Path,
    pin::pin,
    time::Duration,
};

use anyhow::{Context as _, bail};
use mirror_core::ledger::Ledger;
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    time,
};

use super::{ReportArgs, only_mirror::OnlyMirror};
use crate::{admin::Questions, record::create_private, runtime::Daemon};

/// The default of `--report-every`: longer than this process will live.
pub(super) const NEVER: Duration = Duration::from_secs(u64::MAX >> 32);

/// The runtime of the main thread; shards have their own.
pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The signals that a daemon obeys. They are listened to before it starts, since one that arrives
/// meanwhile must still detach.
pub(super) struct Signals {
    pub(super) interrupt: Signal,
    pub(super) terminate: Signal,
    pub(super) ask: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            ask: signal(SignalKind::user_defined1())?,
        })
    }
}

/// Prints reports and answers the admin server's questions until a signal, `--duration` or `enough` ends
/// the daemon; then stops it, prints its ledger, and writes it where asked.
///
/// # Errors
/// A shard panicked, a second SIGINT came while copies were in flight, or the ledger can't be read or
/// written.
pub(super) async fn watch(
    mut daemon: Daemon,
    mut signals: Signals,
    mut questions: Questions,
    report: &ReportArgs,
    enough: impl Future<Output = ()>,
) -> anyhow::Result<Ledger> {
    let mut every = time::interval(report.report_every.map_or(NEVER, Duration::from_secs));
    every.tick().await;
    let mut end = pin!(time::sleep(report.duration.unwrap_or(Duration::MAX)));
    let mut enough = pin!(enough);
    loop {
        tokio::select! {
            _ = signals.interrupt.recv() => break,
            _ = signals.terminate.recv() => break,
            () = &mut end => break,
            () = &mut enough => break,
            () = daemon.broken() => bail!("a shard panicked (its message is above): detached"),
            _ = signals.ask.recv() => eprintln!("{}", daemon.ledger().await?.while_running()),
            _ = every.tick() => log::info!("{}", daemon.ledger().await?.summary()),
            question = questions.next() => question.answer(&mut OnlyMirror(&mut daemon)).await,
        }
    }
    drop(questions);
    let ledger = tokio::select! {
        ledger = daemon.stop() => ledger?,
        _ = signals.interrupt.recv() => {
            bail!("interrupted again: stopped without finishing the copies under way")
        }
    };
    finish(&ledger, report.ledger_json.as_deref())?;
    Ok(ledger)
}

/// Writes a ledger where only we may read it: it names hosts and rules.
pub(super) fn write_json(path: &Path, text: &str) -> anyhow::Result<()> {
    create_private(path)
        .and_then(|mut file| writeln!(file, "{text}"))
        .with_context(|| format!("--ledger-json {}", path.display()))
}

/// Prints the ledger, and writes it where asked.
pub(super) fn finish(ledger: &Ledger, json: Option<&Path>) -> anyhow::Result<()> {
    eprint!("{ledger}");
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(ledger)?;
        write_json(path, &text)?;
    }
    Ok(())
}
