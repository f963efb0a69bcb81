//! `podmirror check`: what this machine can do, and what is missing.

use std::process::ExitCode;

use clap::Args;
use mirror_capture::{
    Netns,
    check::{Question, Verdict, check},
};

use super::{CaptureArgs, HookArg, place_args::TapArgs};

/// Say what this machine can do, and what is missing
///
/// Looks at the kernel, our capabilities and the interface, loads the kernel program for either ring,
/// makes the rings that `run` would make with the same flags, and attaches to a dummy device in a network
/// namespace of its own; all of it is gone afterwards. One line each; exit code 1 if `run` would fail.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Interface that is to be mirrored; it is looked at only
    #[arg(long, value_name = "IF")]
    interface: Option<String>,

    /// Network namespace of the interface: a name in /run/netns, a path, or a process ID
    #[arg(long, value_name = "NAME|PATH|PID", requires = "interface")]
    netns: Option<Netns>,

    /// The hook: ingress of the pod's own interface, egress of its peer on the host, or XDP of a port
    /// that receives copies
    #[arg(long, value_name = "HOOK", default_value = "ingress")]
    attach: HookArg,

    #[command(flatten)]
    tap: TapArgs,

    /// Print everything that the verifier says when it refuses a program; it can be a megabyte
    #[arg(long)]
    pub(super) verbose: bool,

    #[command(flatten)]
    capture: CaptureArgs,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let findings = check(&Question {
            live: self.capture.config(self.attach == HookArg::Xdp)?,
            hook: self.attach.into(),
            tap: self.tap.tap(self.attach)?,
            decap: self.tap.decap(self.attach),
            interface: self.interface,
            netns: self.netns,
        });
        for finding in &findings {
            let mark = match finding.verdict {
                Verdict::Good => "ok",
                Verdict::Lesser => "less",
                Verdict::Missing => "MISSING",
            };
            let remedy = finding.remedy.as_ref();
            let remedy = remedy.map_or(String::new(), |remedy| format!(": {remedy}"));
            println!("{mark:<8} {:<26} {}{remedy}", finding.name, finding.detail);
        }
        let is_missing = |verdict| verdict == Verdict::Missing;
        if findings.iter().any(|finding| is_missing(finding.verdict)) {
            Ok(ExitCode::FAILURE)
        } else {
            Ok(ExitCode::SUCCESS)
        }
    }
}
