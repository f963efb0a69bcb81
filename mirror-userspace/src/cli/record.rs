//! `podmirror record`: what `run` would mirror, to capture files.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use clap::Args;
use mirror_core::{ledger::Ledger, verdict::Terms};
use mirror_dispatch::DispatchConfig;
use mirror_runtime::{
    Daemon, DaemonConfig, Sink, clock,
    record::{Files, RecordTo, Recording, Rotation},
};
use tokio::time;

use super::{
    UsageError,
    capture_args::CaptureArgs,
    limit_args::LimitArgs,
    only_daemon::OnlyDaemon,
    place_args::PlaceArgs,
    policy_args::RedactArgs,
    report_args::ReportArgs,
    select_args::SelectArgs,
    supervise::{self, Signals, finish, supervise},
    value::{duration, size},
};
use crate::admin::Questions;

/// How often to check whether the disk still takes what is written.
const DISK_CHECK: Duration = Duration::from_millis(200);

/// Record the requests that arrive at an interface to capture files
///
/// Writes the requests that `podmirror run` would mirror to a pcapng file that Wireshark and
/// `podmirror replay` can read: each request with its bytes and times, as segments of its connection.
/// Retransmissions and packet sizes are not kept. Runs until SIGINT, SIGTERM or the end of --duration,
/// or until the file can't be written; then prints the ledger, which is also the comment that closes
/// the file.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// File to write, readable by its owner only; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Recording")]
    write: PathBuf,

    /// Start another file at this size; files are numbered FILE-00001 and so on
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Recording")]
    rotate_size: Option<usize>,

    /// Start another file after this time; files are numbered FILE-00001 and so on
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Recording")]
    rotate_every: Option<Duration>,

    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    redact: RedactArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    report: ReportArgs,
}

impl RecordArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        supervise::runtime()?.block_on(self.record())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn record(self) -> anyhow::Result<()> {
        let files = self.files()?;
        let name = files.path.display().to_string();
        let report = self.report.clone();
        // The file first: what can't be written needs no capture.
        let created = Recording::create(files).with_context(|| format!("--write {name}"))?;
        let recording = Arc::new(Mutex::new(created));
        let place = self.place.clone();
        let (config, banner) = self.configure(&recording)?;
        let place = place.place()?;
        let signals = Signals::listen()?;
        let mut daemon = Daemon::start(config).await?;
        daemon.attach(place).await?;
        eprintln!("{banner}");
        let failed = failed(Arc::clone(&recording));
        let daemon = OnlyDaemon::new(daemon, Questions::none()).until(failed);
        let ledger = supervise(daemon, signals, &report).await?;
        finish(&ledger, report.ledger_json.as_deref())?;
        close(recording, &ledger).with_context(|| format!("--write {name}"))
    }

    fn files(&self) -> anyhow::Result<Files> {
        let files = Files {
            path: self.write.clone(),
            rotation: Rotation {
                size: self.rotate_size.map(|size| size as u64),
                age: self.rotate_every,
            },
        };
        if files.is_stdout() && files.are_numbered() {
            let text = "--write -: standard output can't be rotated; accepted: a file";
            return Err(UsageError(text.into()).into());
        }
        Ok(files)
    }

    fn configure(
        self,
        recording: &Arc<Mutex<Recording>>,
    ) -> anyhow::Result<(DaemonConfig, String)> {
        let sink = Sink::Record(RecordTo {
            recording: Arc::clone(recording),
            redact: self.redact.redact_header,
            epoch: clock::epoch(),
        });
        let policy = sink
            .policy(self.select.into())
            .map_err(|error| UsageError(error.to_string()))?;
        let capture = self.capture.config(self.place.receives_copies())?;
        let banner = format!(
            "recording {} -> {} (sample {})",
            self.place.describe()?,
            self.write.display(),
            policy.share()
        );
        let config = DaemonConfig {
            limits: self
                .limits
                .for_shard(capture.shards as usize, capture.reply_head > 0),
            dispatch: DispatchConfig::default(),
            terms: Terms::default(),
            capture,
            policy,
            sink,
        };
        Ok((config, banner))
    }
}

/// Returns when the disk no longer takes what is written.
async fn failed(recording: Arc<Mutex<Recording>>) {
    let mut look = time::interval(DISK_CHECK);
    loop {
        look.tick().await;
        let recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
        if recording.failure().is_some() {
            return;
        }
    }
}

fn close(recording: Arc<Mutex<Recording>>, ledger: &Ledger) -> anyhow::Result<()> {
    let recording = Arc::into_inner(recording).ok_or_else(|| anyhow!("a shard still writes"))?;
    let recording = recording
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(recording.finish(&ledger.to_string())?)
}
