//! `podmirror replay`: the requests of a capture file, printed or sent again.

use std::{
    cell::RefCell,
    io::{self, IsTerminal as _, Write as _},
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
    rc::Rc,
};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mirror_core::{ledger::Ledger, verdict::Role};
use mirror_runtime::{
    Sink, Targets,
    replay::{Position, Print, Replay, ReplayConfig, Select, Speed, Turn, is_no_capture},
};
use tokio::task::LocalSet;

use super::{
    UsageError,
    compare_args::{VerdictFileArgs, compared},
    content_args::names,
    dispatch_args::DispatchArgs,
    limit_args::LimitArgs,
    policy_args::PolicyArgs,
    report_args::ReportArgs,
    supervise::{self, Signals, Supervised, finish, supervise},
    tunnel_args::TunnelArgs,
};

/// Print or re-send the requests in a capture file
///
/// Reads pcap and pcapng files, also packed by gzip or zstd, as `podmirror run` reads an interface: with
/// the same reassembly, sampling, filters and rewrites, and the ledger at the end. --print prints the requests, --target
/// sends them again; with neither, only the ledger is printed. A truncated file yields the requests
/// before the cut, with a warning.
///
/// Without --target, only filters and sampling leave requests out: probes, upgrades and requests that
/// a mirror has sent are reported too.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Capture file, pcap or pcapng, plain or packed by gzip or zstd; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Port of the servers to look at; several are separated by commas or given as repeated flags
    /// [default: all]
    #[arg(long = "port", value_name = "N", value_delimiter = ',', num_args = 1,
          value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,

    /// Which tunnels are taken off.
    #[command(flatten)]
    tunnels: TunnelArgs,

    /// Take segments with wrong checksums, too
    ///
    /// A receiver drops them, so that a server never had what is in them. They are left out where
    /// other checksums of the same sender are right; where nearly all are wrong, nobody has computed
    /// them, and they say nothing.
    #[arg(long)]
    ignore_checksums: bool,

    /// How fast requests are sent again: 1 is at the pace of the capture, 2 twice as fast, max as fast
    /// as the target takes them, so that none is dropped because too many wait; latency is then that
    /// of overloaded targets, and what a verdict says of it means little
    #[arg(long, value_name = "SPEED", default_value = "1", value_parser = speed)]
    speed: Speed,

    /// Print one JSON object per line for each complete request
    #[arg(long)]
    print: bool,

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
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    text.parse::<f64>()
        .ok()
        .filter(|speed| speed.is_finite() && *speed > 0.0)
        .map(Speed::Times)
        .ok_or_else(|| "accepted: a number above 0, or max".into())
}

impl ReplayArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = supervise::runtime()?;
        let outcome = LocalSet::new().block_on(&runtime, self.replay());
        // A read of standard input may be under way; it is not waited for.
        runtime.shutdown_background();
        outcome.map(|()| ExitCode::SUCCESS)
    }

    async fn replay(mut self) -> anyhow::Result<()> {
        self.give_roles();
        let compared = compared(&self.dispatch.targets.targets);
        let report = self.report.clone();
        let verdict = self.verdict.clone();
        let printing = Rc::new(RefCell::new(Ok(())));
        let print = self.print.then(|| to_stdout(&printing));
        let name = self.file.display().to_string();
        let config = self.configure()?;
        let shows_progress = matches!(config.sink, Sink::Targets(_));

        let mut signals = Signals::listen()?;
        let replay = tokio::select! {
            replay = Replay::open(config, print) => replay.map_err(|error| {
                if is_no_capture(&error) {
                    UsageError(format!("{name}: {error}")).into()
                } else {
                    error
                }
            })?,
            () = signals.end() => return Ok(()),
        };
        let bar = Bar::new(shows_progress, replay.position().clone());
        let replaying = Replaying {
            replay,
            bar,
            printing: Rc::clone(&printing),
            outcome: Ok(()),
        };
        let (ledger, outcome) = supervise(replaying, signals, &report).await?;
        finish(&ledger, report.ledger_json.as_deref())?;
        verdict.write(&ledger, &compared)?;
        match printing.replace(Ok(())) {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            printed => printed.context("printing")?,
        }
        outcome.with_context(|| format!("reading {name}"))
    }

    /// Of two targets whose verdict is wanted, the first is the baseline.
    fn give_roles(&mut self) {
        if let [first, second] = &mut self.dispatch.targets.targets[..]
            && (first.role, second.role) == (None, None)
            && self.verdict.is_wanted()
        {
            first.role = Some(Role::Baseline);
            second.role = Some(Role::Candidate);
        }
    }

    fn configure(self) -> anyhow::Result<ReplayConfig> {
        let compare = &self.dispatch.compare;
        compare.check(&self.dispatch.targets.targets, true)?;
        self.verdict
            .check(&self.dispatch.targets.targets, compare)?;
        let conditions = self.policy.conditions();
        let mut dispatch = self.dispatch.for_shard(1)?;
        dispatch.contents.redacted = names(&self.policy.redact.redact_header);
        Ok(ReplayConfig {
            file: self.file,
            select: Select {
                tunnels: self.tunnels.tunnels(),
                ports: self.ports,
                ignore_checksums: self.ignore_checksums,
            },
            limits: self.limits.for_file(),
            policy: self.policy.into(),
            sink: Targets::new(self.dispatch.targets.outside_clusters()?)
                .map_or(Sink::Look, Sink::Targets),
            dispatch,
            terms: self.dispatch.compare.terms(conditions),
            speed: self.speed,
        })
    }
}

/// A replay, supervised. It leaves how reading ended, beside its ledger.
struct Replaying {
    replay: Replay,
    bar: Bar,
    printing: Rc<RefCell<io::Result<()>>>,
    outcome: io::Result<()>,
}

impl Supervised for Replaying {
    type Work = Turn;
    type Left = (Ledger, io::Result<()>);

    async fn next(&mut self) -> Turn {
        self.replay.turn().await
    }

    async fn perform(&mut self, turn: Turn) -> anyhow::Result<ControlFlow<()>> {
        self.bar.draw();
        if let Turn::Done(read) = turn {
            self.outcome = read;
            return Ok(ControlFlow::Break(()));
        }
        Ok(match *self.printing.borrow() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    }

    async fn print(&mut self) -> anyhow::Result<()> {
        eprintln!("{}", self.replay.ledger());
        Ok(())
    }

    async fn summarize(&mut self) -> anyhow::Result<()> {
        log::info!("{}", self.replay.ledger().summary());
        Ok(())
    }

    async fn stop(mut self) -> anyhow::Result<Self::Left> {
        let ledger = self.replay.stop().await;
        self.bar.clear();
        Ok((ledger, self.outcome))
    }
}

/// Prints lines until that fails; says so in `outcome`.
fn to_stdout(outcome: &Rc<RefCell<io::Result<()>>>) -> Print {
    let outcome = Rc::clone(outcome);
    Box::new(move |line| {
        let mut outcome = outcome.borrow_mut();
        if outcome.is_ok() {
            *outcome = serde_json::to_string(&line)
                .map_err(io::Error::from)
                .and_then(|text| writeln!(io::stdout(), "{text}"));
        }
    })
}

/// How far it is, on a terminal.
struct Bar {
    bar: ProgressBar,
    position: Position,
}

impl Bar {
    fn new(wanted: bool, position: Position) -> Self {
        let target = if wanted && io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(position.len, target);
        if position.len.is_some() {
            let template = "{wide_bar} {bytes}/{total_bytes} {elapsed}";
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        Self { bar, position }
    }

    fn draw(&self) {
        self.bar.set_position(self.position.bytes());
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
