//! The command line: turns flags, checked value by value, into the stages' configuration.
//!
//! A bad value is refused where it is read, with its flag, the value and what is accepted (exit code 2);
//! what goes wrong later is said in one line, with what to do about it (exit code 1).

mod added;
mod admin_args;
mod admin_at;
#[cfg(feature = "kubernetes")]
mod agent;
mod capture_args;
mod check;
mod compare_args;
mod content_args;
#[cfg(test)]
mod defaults;
mod dispatch_args;
mod documents;
mod explain;
mod harmless;
#[cfg(feature = "kubernetes")]
mod kubectl;
mod limit_args;
mod only_daemon;
mod open_files;
mod page;
mod place_args;
mod policy_args;
mod record;
mod replay;
mod report_args;
mod run;
mod select_args;
mod set;
mod supervise;
mod target_args;
mod terms_args;
#[cfg(test)]
mod tests;
mod top;
mod tunnel_args;
mod value;
mod verdict;
mod why;

use std::{fmt, io::IsTerminal as _, process::ExitCode};

use clap::{Parser, Subcommand};

pub use admin_args::{AdminAddress, AdminArgs, AdminSocket};
#[cfg(feature = "kubernetes")]
pub use agent::AgentArgs;
pub use capture_args::CaptureArgs;
pub use check::CheckArgs;
pub use dispatch_args::DispatchArgs;
pub use documents::DocumentArgs;
pub use explain::ExplainArgs;
pub use limit_args::LimitArgs;
pub use place_args::{HookArg, PlaceArgs, PortArgs};
pub use policy_args::{PolicyArgs, RedactArgs};
pub use record::RecordArgs;
pub use replay::ReplayArgs;
pub use report_args::ReportArgs;
pub use run::RunArgs;
pub use select_args::SelectArgs;
pub use set::SetArgs;
pub use target_args::TargetArgs;
pub use top::TopArgs;
pub use verdict::VerdictArgs;
pub use why::WhyArgs;

/// Mirrors the live HTTP requests of a running service to another one, out of its path
///
/// An eBPF program copies the TCP segments that arrive at the service's interface. The requests in
/// them are sent again to a target, whose replies are discarded. The service does not notice.
#[derive(Parser, Clone, Debug)]
#[command(name = "podmirror", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    Run(Box<RunArgs>),
    #[cfg(feature = "kubernetes")]
    Agent(Box<AgentArgs>),
    Record(Box<RecordArgs>),
    Replay(Box<ReplayArgs>),
    Check(CheckArgs),
    Set(SetArgs),
    Verdict(VerdictArgs),
    Top(TopArgs),
    Explain(ExplainArgs),
    Why(WhyArgs),
}

/// Does what the command line says, of the program of this name: `kubectl podmirror` is the file `kubectl-podmirror`, which
/// is this program by another name.
///
/// # Errors
/// A [`UsageError`], or any failure at run time.
pub fn run_as_called() -> anyhow::Result<ExitCode> {
    #[cfg(feature = "kubernetes")]
    if kubectl::is_called() {
        log_to_stderr("warn");
        return kubectl::KubectlCli::parse().run();
    }
    Cli::parse().run()
}

impl Command {
    /// What is logged unless RUST_LOG says otherwise.
    const fn log_filter(&self) -> &'static str {
        match self {
            Self::Check(check) if check.verbose => "info,mirror_capture=debug",
            // What fails at the API is told by the watches, once.
            #[cfg(feature = "kubernetes")]
            Self::Agent(_) => "info,kube_client=off,kube_runtime=off,tower=off,hyper_util=off",
            _ => "info",
        }
    }
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// A [`UsageError`], or any failure at run time.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        log_to_stderr(self.command.log_filter());
        open_files::allow_all();
        match self.command {
            Command::Run(run) => run.run(),
            #[cfg(feature = "kubernetes")]
            Command::Agent(agent) => agent.run(),
            Command::Record(record) => record.run(),
            Command::Replay(replay) => replay.run(),
            Command::Check(check) => check.run(),
            Command::Set(set) => set.run(),
            Command::Verdict(verdict) => verdict.run(),
            Command::Top(top) => top.run(),
            Command::Explain(explain) => explain.run(),
            Command::Why(why) => why.run(),
        }
    }
}

/// Flags that are valid by themselves but not together, or a value that turns out to be wrong only when
/// it is used: exit code 2.
#[derive(Clone, Debug)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Says what went wrong, if anything, and picks the exit code: 0, 1 for a failure, 2 for usage.
#[must_use]
pub fn exit_code(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("podmirror: {error:#}");
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

/// Libraries that log each failed request by themselves; what fails is said by whoever asked, once.
const QUIET: &str = "kube_client=off,kube_runtime=off";

/// Logs what `filter` lets through, or as RUST_LOG says; in colour on a terminal, unless NO_COLOR
/// forbids it.
fn log_to_stderr(filter: &str) {
    let filter = format!("{filter},{QUIET}");
    let environment = env_logger::Env::default().default_filter_or(filter);
    let mut builder = env_logger::Builder::from_env(environment);
    builder.format_target(false);
    if !std::io::stderr().is_terminal() {
        builder.write_style(env_logger::WriteStyle::Never);
    }
    builder.init();
}
