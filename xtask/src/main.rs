//! podmirror's front door for developers: `cargo xtask --help`.

mod arch;
mod archive;
mod bench;
mod binary;
mod callgrind;
mod checks;
mod cross;
mod demo;
mod e2e;
mod ebpf;
mod fuzz;
mod guard;
mod image;
mod kernels;
mod setup;
mod step;
mod toolchain;

#[cfg(test)]
mod built_once;
#[cfg(test)]
mod project;

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
    /// Watch podmirror at work: a client, v1, v2 and real traffic on this machine.
    Demo(demo::Options),
    /// Measure podmirror beside other mirrors, each against v1 alone.
    Bench(bench::Options),
    /// Run all checks that a change has to pass, as CI does.
    Test(checks::Options),
    /// Fuzz the core, each target for some minutes.
    Fuzz(fuzz::Options),
    /// Build podmirror as one static file, and a container image of it.
    Image(image::Options),
    /// Try podmirror on the kernels that nodes run, each in a virtual machine.
    Kernels(kernels::Options),
    /// Play the mirroring tutorial on a real cluster (`cargo xtask e2e --help`).
    #[command(disable_help_flag = true)]
    E2e(e2e::Arguments),
    /// Count what the pipeline takes for a request, as `test` does.
    Guard(guard::Options),
    /// As `test`, with every step's output as it comes.
    Ci,
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Setup => setup::setup(),
        Task::BuildEbpf => ebpf::build(),
        Task::Demo(options) => demo::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Test(options) => checks::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Image(options) => image::run(&options),
        Task::Kernels(options) => kernels::run(&options),
        Task::E2e(arguments) => e2e::run(&arguments),
        Task::Guard(options) => guard::guard(&options),
        Task::Ci => checks::run(&checks::Options::ci()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
