//! The loop of every command that goes on until it is told to stop: signals, reports, its end, and the ledger
//! that it leaves.

use std::{
    io::{self, Write as _},
    ops::ControlFlow,
    path::Path,
    pin::pin,
    time::Duration,
};

use anyhow::{Context as _, bail};
use mirror_core::ledger::Ledger;
use mirror_runtime::record::create_private;
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    time,
};

use super::ReportArgs;

/// The default of `--report-every`: longer than this process will live.
const NEVER: Duration = Duration::from_secs(u64::MAX >> 32);

/// The runtime of the main thread; shards have their own.
pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The signals that are obeyed. They are listened to before anything starts, since one that arrives
/// meanwhile must still detach.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    ask: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            ask: signal(SignalKind::user_defined1())?,
        })
    }

    /// Returns when the command is to end.
    pub(super) async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What [`supervise`] has work: a daemon, an agent, a file that is replayed.
pub(super) trait Supervised {
    /// Something to be done.
    type Work;
    /// What is left to report once it has stopped.
    type Left;

    /// Waits for something to do. Nothing is lost if this is dropped before it is done.
    async fn next(&mut self) -> Self::Work;

    /// Does it, to its end; says whether there is more to come.
    ///
    /// # Errors
    /// It can't go on: a shard panicked, for one.
    async fn perform(&mut self, work: Self::Work) -> anyhow::Result<ControlFlow<()>>;

    /// Prints the books as they stand.
    ///
    /// # Errors
    /// Counters can't be read.
    async fn print(&mut self) -> anyhow::Result<()>;

    /// Logs one line about the books.
    ///
    /// # Errors
    /// Counters can't be read.
    async fn summarize(&mut self) -> anyhow::Result<()>;

    /// Ends it, once copies in flight have ended.
    ///
    /// # Errors
    /// The last counters can't be read.
    async fn stop(self) -> anyhow::Result<Self::Left>;
}

/// Has `subject` work, and reports, until a signal, `--duration` or the subject ends that; then stops it.
///
/// # Errors
/// Those of the subject, or a second SIGINT came while copies were in flight.
pub(super) async fn supervise<S: Supervised>(
    mut subject: S,
    mut signals: Signals,
    report: &ReportArgs,
) -> anyhow::Result<S::Left> {
    let mut every = time::interval(report.report_every.map_or(NEVER, Duration::from_secs));
    every.tick().await;
    let mut end = pin!(time::sleep(report.duration.unwrap_or(Duration::MAX)));
    loop {
        let work = tokio::select! {
            // A subject that always has work must not keep a signal waiting.
            biased;
            _ = signals.interrupt.recv() => break,
            _ = signals.terminate.recv() => break,
            () = &mut end => break,
            _ = signals.ask.recv() => {
                subject.print().await?;
                continue;
            }
            _ = every.tick() => {
                subject.summarize().await?;
                continue;
            }
            work = subject.next() => work,
        };
        if subject.perform(work).await?.is_break() {
            break;
        }
    }
    tokio::select! {
        left = subject.stop() => left,
        _ = signals.interrupt.recv() => {
            bail!("interrupted again: stopped without finishing the copies under way")
        }
    }
}

/// Writes a ledger where only we may read it: it names hosts and rules.
pub(super) fn write_json(path: &Path, text: &str) -> anyhow::Result<()> {
    create_private(path)
        .and_then(|mut file| writeln!(file, "{text}"))
        .with_context(|| format!("--ledger-json {}", path.display()))
}

/// Prints the ledger, with what to try where it has no requests, and writes it where asked.
pub(super) fn finish(ledger: &Ledger, json: Option<&Path>) -> anyhow::Result<()> {
    eprint!("{ledger}");
    for hint in ledger.hints() {
        eprintln!("hint: {hint}");
    }
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(ledger)?;
        write_json(path, &text)?;
    }
    Ok(())
}
