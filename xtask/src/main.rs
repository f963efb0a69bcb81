//! podmirror's front door for developers: `cargo xtask --help`.

mod ebpf;
mod setup;
mod step;
mod toolchain;

use std::process::ExitCode;

use clap::Parser;

/// Tasks around podmirror. Each installs what it needs and lacks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Install the toolchain of the kernel half.
    Setup,
    /// Build the kernel half; the next build of podmirror embeds it.
    BuildEbpf,
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup => setup::setup(),
        Task::BuildEbpf => ebpf::build(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
