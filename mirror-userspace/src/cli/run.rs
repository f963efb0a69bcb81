//! `podmirror run`: mirror one interface until told to stop.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    time,
};

use super::{
    UsageError, capture_args::CaptureArgs, dispatch_args::DispatchArgs,
    interface_args::InterfaceArgs, limit_args::LimitArgs, policy_args::PolicyArgs,
    report_args::ReportArgs,
};
use crate::{
    capture::LiveConfig,
    ledger::Ledger,
    policy::{Policy, PolicyConfig},
    runtime::{Daemon, DaemonConfig},
    target::TargetSpec,
};

/// Mirror the requests that arrive at an interface
///
/// Attaches to the interface, prints one line once it captures, and runs until SIGINT, SIGTERM or
/// --duration; then detaches and prints the ledger: what became of every segment and request.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    place: InterfaceArgs,
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    dispatch: DispatchArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    report: ReportArgs,
}

impl RunArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.mirror())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn mirror(self) -> anyhow::Result<()> {
        let report = self.report.clone();
        let (config, banner) = self.configure()?;
        // Handlers first: a signal during start-up must still detach.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut ask = signal(SignalKind::user_defined1())?;
        let mut daemon = Daemon::start(config).await?;
        eprintln!("{banner}");

        let mut every = time::interval(Duration::from_secs(
            report.report_every.unwrap_or(u64::MAX >> 32),
        ));
        every.tick().await;
        let end = time::sleep(report.duration.unwrap_or(Duration::MAX));
        tokio::pin!(end);
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                () = &mut end => break,
                () = daemon.broken() => anyhow::bail!("a shard panicked (its message is above): detached"),
                _ = ask.recv() => eprintln!("{}", daemon.ledger().await?),
                _ = every.tick() => log::info!("{}", daemon.ledger().await?.summary()),
            }
        }
        let ledger = tokio::select! {
            ledger = daemon.stop() => ledger?,
            _ = interrupt.recv() => anyhow::bail!("interrupted again: stopped without finishing the copies under way"),
        };
        finish(&ledger, report.ledger_json.as_deref())
    }

    fn configure(self) -> anyhow::Result<(DaemonConfig, String)> {
        let targets = self.dispatch.specs()?;
        let policy = PolicyConfig {
            targets: targets.iter().map(Into::into).collect(),
            ..self.policy.into()
        };
        // Only to be asked: each shard compiles its own.
        let asked = Policy::new(policy.clone()).map_err(|error| UsageError(error.to_string()))?;
        let capture = self.capture.config(self.place, asked.kernel_sampling())?;
        let banner = banner(&capture, &policy, &targets);
        let shards = capture.shards as usize;
        let config = DaemonConfig {
            limits: self.limits.for_shard(shards),
            dispatch: self.dispatch.for_shard(shards)?,
            capture,
            policy,
            targets,
            record: None,
        };
        Ok((config, banner))
    }
}

/// `mirroring eth0 port 80 -> http://v2:80 (sample 25 % of connections)`
fn banner(capture: &LiveConfig, policy: &PolicyConfig, targets: &[TargetSpec]) -> String {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    let ports = list(&mut capture.ports.iter().map(u16::to_string));
    let urls = list(&mut targets.iter().map(|target| target.url.to_string()));
    let (rate, unit) = (policy.sample_rate, policy.sample_by.unit());
    format!(
        "mirroring {} port {ports} -> {urls} (sample {rate} of {unit})",
        capture.interface
    )
}

/// Prints the ledger, and writes it where asked.
pub(super) fn finish(ledger: &Ledger, json: Option<&Path>) -> anyhow::Result<()> {
    eprint!("{ledger}");
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(ledger)?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("--ledger-json {}", path.display()))?;
    }
    Ok(())
}
