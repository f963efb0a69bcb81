//! `podmirror run`: mirror one interface until told to stop.

use std::{future, process::ExitCode};

use clap::Args;

use super::{
    UsageError,
    capture_args::CaptureArgs,
    dispatch_args::DispatchArgs,
    interface_args::InterfaceArgs,
    limit_args::LimitArgs,
    policy_args::PolicyArgs,
    report_args::ReportArgs,
    watch::{self, Signals, watch},
};
use crate::{
    capture::LiveConfig,
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
        watch::runtime()?.block_on(self.mirror())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn mirror(self) -> anyhow::Result<()> {
        let report = self.report.clone();
        let (config, banner) = self.configure()?;
        let signals = Signals::listen()?;
        let daemon = Daemon::start(config).await?;
        eprintln!("{banner}");
        watch(daemon, signals, &report, future::pending()).await?;
        Ok(())
    }

    fn configure(self) -> anyhow::Result<(DaemonConfig, String)> {
        let targets = self.dispatch.specs_outside_clusters()?;
        let policy = Policy::new(PolicyConfig {
            targets: targets.iter().map(Into::into).collect(),
            ..self.policy.into()
        })
        .map_err(|error| UsageError(error.to_string()))?;
        let capture = self.capture.config(self.place, policy.kernel_sampling())?;
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
fn banner(capture: &LiveConfig, policy: &Policy, targets: &[TargetSpec]) -> String {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    let ports = list(&mut capture.ports.iter().map(u16::to_string));
    let urls = list(&mut targets.iter().map(|target| target.destination.to_string()));
    format!(
        "mirroring {} port {ports} -> {urls} (sample {})",
        capture.interface,
        policy.share()
    )
}
