//! The `podmirror` command: parses, runs, and turns errors into exit codes.

use std::process::ExitCode;

use clap::Parser as _;
use podmirror::cli::Cli;

fn main() -> ExitCode {
    podmirror::cli::exit_code(Cli::parse().run())
}
