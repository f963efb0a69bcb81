//! `podmirror run`: mirror one interface until told to stop.

use std::process::ExitCode;

use clap::Args;
use mirror_core::{pipeline::Limits, policy::Policy};
use mirror_runtime::{Daemon, DaemonConfig, Sink};

use super::{
    UsageError,
    admin_args::AdminArgs,
    capture_args::CaptureArgs,
    compare_args::{VerdictFileArgs, compared},
    content_args::names,
    dispatch_args::DispatchArgs,
    limit_args::LimitArgs,
    only_daemon::OnlyDaemon,
    place_args::PlaceArgs,
    policy_args::PolicyArgs,
    report_args::ReportArgs,
    supervise::{self, Signals, finish, supervise},
};

/// Mirror the requests that arrive at an interface
///
/// Attaches to the interface, prints one line once it captures, and runs until SIGINT, SIGTERM or the
/// end of --duration; then detaches and prints the ledger: what became of every segment and request.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    place: PlaceArgs,
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
    #[command(flatten)]
    verdict: VerdictFileArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

impl RunArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        supervise::runtime()?.block_on(self.mirror())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn mirror(self) -> anyhow::Result<()> {
        let report = self.report.clone();
        let verdict = self.verdict.clone();
        let admin = self.admin.clone();
        let compared = compared(&self.dispatch.targets.targets);
        let place = self.place.clone();
        let (config, banner) = self.configure()?;
        let place = place.place()?;
        let signals = Signals::listen()?;
        let (_serving, questions) = admin.start().await?;
        let mut daemon = Daemon::start(config).await?;
        daemon.attach(place).await?;
        eprintln!("{banner}");
        let ledger = supervise(OnlyDaemon::new(daemon, questions), signals, &report).await?;
        finish(&ledger, report.ledger_json.as_deref())?;
        verdict.write(&ledger, &compared)
    }

    fn configure(self) -> anyhow::Result<(DaemonConfig, String)> {
        let sink = Sink::Targets(self.dispatch.targets_outside_clusters()?);
        let redacted = names(&self.policy.redact.redact_header);
        let conditions = self.policy.conditions();
        let policy = sink
            .policy(self.policy.into())
            .map_err(|error| UsageError(error.to_string()))?;
        let capture = self.capture.config(self.place.receives_copies())?;
        self.admin.check(self.dispatch.targets.targets.len())?;
        let compare = &self.dispatch.compare;
        compare.check(&self.dispatch.targets.targets, capture.reply_head > 0)?;
        self.verdict
            .check(&self.dispatch.targets.targets, compare)?;
        let banner = banner(&self.place.describe()?, &policy, &sink);
        let shards = capture.shards as usize;
        let mut dispatch = self.dispatch.for_shard(shards)?;
        dispatch.contents.redacted = redacted;
        let config = DaemonConfig {
            limits: Limits {
                keep_lost: self.admin.keep_lost(),
                ..self.limits.for_shard(shards, capture.reply_head > 0)
            },
            dispatch,
            terms: self.dispatch.compare.terms(conditions),
            capture,
            policy,
            sink,
        };
        Ok((config, banner))
    }
}

/// `mirroring eth0 port 80 -> http://v2:80 (sample 25 % of connections)`
fn banner(place: &str, policy: &Policy, sink: &Sink) -> String {
    let urls: Vec<String> = sink
        .targets()
        .iter()
        .map(|target| target.spec.destination.to_string())
        .collect();
    let urls = urls.join(", ");
    format!("mirroring {place} -> {urls} (sample {})", policy.share())
}
