//! The `podmirror` command: parses the flags, runs the command, and turns errors into exit codes.
//!
//! Everything else is in the library; its first page is a guided tour.

use std::process::ExitCode;

fn main() -> ExitCode {
    podmirror::cli::exit_code(podmirror::cli::run_as_called())
}
