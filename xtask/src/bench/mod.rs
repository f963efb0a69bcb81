//! `cargo xtask bench`: what mirroring costs, podmirror's beside that of others.
//!
//! The lab of the end-to-end tests, with nginx (one worker) as v1 and v2. Every subject runs between
//! two runs of v1 alone (A B A C A), and what it costs v1 is the ratio to the mean of those two: a
//! machine that is slower for a minute is so for both. A ratio's median over the rounds is reported
//! with the least and the greatest. What arrived is counted by nginx itself, on both sides.

mod bpf;
mod compared;
mod drive;
mod ground;
mod idle;
mod kernel;
mod last;
mod loads;
mod machine;
mod measure;
mod overload;
mod procfs;
mod report;
mod results;
mod scale;
mod schedule;
mod subjects;
mod unharmed;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;

use ground::Ground;
use machine::{LoadAverage, Machine};
use measure::Bench;
use schedule::Schedule;
use subjects::Peer;

use crate::{binary, ebpf, step};

/// What can be chosen.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Few loads, short runs: done within two minutes, once podmirror is built
    #[arg(long)]
    quick: bool,
    /// What a request costs with more connections, rules, pods and shards: writes scale.html, scale.md and
    /// scale.json
    #[arg(long, conflicts_with_all = ["quick", "load", "subject", "peer"])]
    scale: bool,
    /// With --scale, count instructions only, which a busy machine does not disturb and needs no root
    #[arg(long, requires = "scale")]
    counts_only: bool,
    /// With --scale, measure CPU time only
    #[arg(long, requires = "scale", conflicts_with = "counts_only")]
    live_only: bool,
    /// Rounds of every load [default: 3; with --quick 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Seconds of every run [default: 3; with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Only loads whose name contains this; may be repeated
    ///
    /// `unharmed` has to be asked for: does v1 keep at least 0.99 of its throughput beside a mirror at sampling 0? It
    /// is measured until the answer is sure, or for as many rounds as --rounds says [default: 400]. So has `comparison`:
    /// what does --compare v1 cost v1 and podmirror? In as many rounds as --rounds says [default: 20].
    #[arg(long, value_name = "TEXT")]
    load: Vec<String>,
    /// Only subjects whose name contains this; may be repeated
    #[arg(long, value_name = "TEXT")]
    subject: Vec<String>,
    /// Another mirror to measure; may be repeated
    ///
    /// COMMAND is for sh. {v1} and {v2} stand for the addresses (10.77.0.10:80), {interface},
    /// {port} and {netns} for where v1's traffic passes. With {listen} in it the mirror is a proxy:
    /// it runs on the node, and the load goes to that address. Without, it captures: it runs in
    /// v1's network namespace, and has two seconds to begin.
    #[arg(long, value_name = "NAME=COMMAND", value_parser = Peer::parse)]
    peer: Vec<Peer>,
    /// The bench.json of an earlier run: adds a table to bench.md, and fails if a request costs more than 1.5 of what
    /// it did, relative to v1's own cost, if fewer requests arrive, or if something of it is missing, unless --load or
    /// --subject chose: compare like runs, such as two of --quick. Without such a file there is nothing to compare with, which is no error
    #[arg(long, value_name = "FILE", conflicts_with = "scale")]
    last: Option<PathBuf>,
    /// Where the report goes [default: bench in the target folder]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Use this podmirror binary instead of building one
    #[arg(long, value_name = "FILE")]
    podmirror: Option<PathBuf>,
}

/// Measures, and writes `bench.md`, `bench.json` and the plots, or what `--scale` says.
///
/// # Errors
///
/// When something cannot be set up, or a subject does not run. Bad figures are no error.
pub(crate) fn run(options: &Options) -> Result<()> {
    lab::clean_up_on_signal()?;
    let done = bench(options);
    if lab::interrupted() {
        // What failed did so because the ground is being cleared; the handler ends the process.
        loop {
            std::thread::park();
        }
    }
    done
}

fn bench(options: &Options) -> Result<()> {
    let load = LoadAverage::now();
    if options.scale {
        return write(options, scale::run(options, &load)?);
    }
    let podmirror = podmirror(options)?;
    let schedule = Schedule::new(options);
    let machine = Machine::look(&podmirror, load);
    let bench = Bench {
        ground: Ground::lay(podmirror)?,
        duration: Duration::from_secs(schedule.seconds),
    };
    let results = bench.measure(&schedule)?;
    let mut files = report::files(&machine, &schedule, &results);
    let all = options.load.is_empty() && options.subject.is_empty();
    let last = options.last.as_ref();
    let compared = last.map(|last| beside(last, all, &mut files));
    write(options, files)?;
    compared.unwrap_or(Ok(()))
}

/// Adds what is said of the last run to the report.
fn beside(last: &Path, all: bool, files: &mut [(String, String)]) -> Result<()> {
    let file = |name: &str| files.iter().position(|(known, _)| known == name);
    let (report, json) = file("bench.md")
        .zip(file("bench.json"))
        .context("no report")?;
    let now = files.get(json).map(|(_, text)| text.clone());
    let (_, text) = files.get_mut(report).context("no report")?;
    last::compare(last, &now.unwrap_or_default(), all, text)
}

/// The one that is measured.
fn podmirror(options: &Options) -> Result<PathBuf> {
    match &options.podmirror {
        Some(path) => Ok(std::path::absolute(path)?),
        None => {
            ebpf::build()?;
            binary::build()
        }
    }
}

/// Files by name, where the report goes.
fn write(options: &Options, files: Vec<(String, String)>) -> Result<()> {
    let folder = options
        .out
        .clone()
        .unwrap_or_else(|| step::target_dir().join("bench"));
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
