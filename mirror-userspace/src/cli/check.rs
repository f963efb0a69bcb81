//! `podmirror check`: what this machine can do, and what is missing.

use std::process::ExitCode;

use clap::Args;
use mirror_capture::{
    Netns,
    check::{Verdict, check},
};

/// Say what this machine can do, and what is missing
///
/// Looks at the kernel, its features, our capabilities and the interface, and changes nothing. One
/// line each; exit code 1 if something is missing without which podmirror can't capture here.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Interface that is to be mirrored
    #[arg(long, value_name = "IF")]
    interface: Option<String>,

    /// Network namespace of the interface: a name in /run/netns, a path, or a process ID
    #[arg(long, value_name = "NAME|PATH|PID", requires = "interface")]
    netns: Option<Netns>,
}

impl CheckArgs {
    pub(super) fn run(&self) -> ExitCode {
        let findings = check(self.interface.as_deref(), self.netns.as_ref());
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
        if findings
            .iter()
            .any(|finding| finding.verdict == Verdict::Missing)
        {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}
