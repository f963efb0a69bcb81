//! `cargo xtask kernels`: podmirror on the kernels that nodes run, each in a virtual machine.
//!
//! | module | what it does |
//! |---|---|
//! | [`packages`] | kernels and tools from the distribution's packages |
//! | [`modules`] | the modules that a machine needs |
//! | [`programs`] | what runs in the machines |
//! | [`initramfs`] | a machine's root |
//! | [`machine`] | qemu |
//! | [`report`] | the table |
//!
//! What is tried in a machine is in `xtask/kernel-probe`.

mod initramfs;
mod machine;
mod modules;
mod packages;
mod programs;
mod report;
mod version;

use std::{
    fs, panic,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use lab::packages::require;

use self::{
    machine::Machine,
    packages::{Archive, Kernel},
    programs::{Programs, Which},
    report::Report,
    version::Series,
};
use crate::{checks::Outcome, step::target_dir};

/// The series that nodes run, with long-term support upstream or from a distribution; and, besides
/// them, the newest that can be had.
const SERIES: [Series; 8] = [
    Series(5, 4),
    Series(5, 10),
    Series(5, 15),
    Series(6, 1),
    Series(6, 6),
    Series(6, 8),
    Series(6, 12),
    Series(6, 18),
];

/// Lines of a console that a failure shows.
const SHOWN: usize = 60;

/// What can be chosen.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Series such as 5.10; each as its newest package has it [default: those with long-term
    /// support, and the newest]
    #[arg(value_name = "VERSION")]
    versions: Vec<Series>,
    /// Only what every change has to pass: each ring mirrors a few requests
    #[arg(long)]
    quick: bool,
    /// Try the podmirror that `cargo xtask image` has built, not one for debugging
    #[arg(long)]
    image: bool,
    /// Only the checks whose names contain this, such as `device`; several with commas
    #[arg(long, value_name = "WORDS", conflicts_with = "quick")]
    only: Option<String>,
    /// So many machines at once, of two processors each
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Also write all results as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the tables in Markdown to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Only list the kernels that can be had
    #[arg(long)]
    list: bool,
}

/// Boots each kernel, tries podmirror on it, and prints the table.
///
/// # Errors
///
/// When a check failed, a kernel that was named can't be had, or nothing could be tried at all.
pub(crate) fn run(options: &Options) -> Result<()> {
    let archive = Archive::open(&folder())?;
    let had = newest(archive.kernels()?);
    if options.list {
        for kernel in had {
            println!("{:<6} {}", kernel.version.series(), kernel.version);
        }
        return Ok(());
    }
    let chosen = choose(&had, &options.versions)?;
    let only = options.only.as_deref().unwrap_or_default();
    let checks = if options.quick { "quick" } else { only };
    let which = Which {
        of_image: options.image,
        quick: options.quick,
    };
    let programs = Programs::build(&archive, which)?;
    let reports = try_all(&archive, &programs, &chosen, checks, options.jobs)?;
    let table = format!(
        "{}\n{}",
        report::summary(&reports),
        report::markdown(&reports)
    );
    println!("\n{table}");
    if let Some(path) = &options.markdown {
        fs::write(path, &table).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report::json(&reports))?;
        fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
    }
    verdict(&reports)
}

/// The step of `cargo xtask test`: both objects mirror on the oldest kernel that can be had, and
/// on 6.1.
///
/// # Errors
///
/// When a check failed. Without qemu or packages the step is skipped.
pub(crate) fn step() -> Result<Outcome> {
    let ready = require("qemu-system-x86_64").and_then(|_| {
        let archive = Archive::open(&folder())?;
        let had = newest(archive.kernels()?);
        Ok((archive, had))
    });
    let (archive, had) = match ready {
        Ok(ready) => ready,
        Err(error) => return Ok(Outcome::skipped(format!("{error:#}"))),
    };
    let oldest = had.first().map(|kernel| kernel.version.series());
    let mut wanted: Vec<_> = oldest.into_iter().chain([Series(6, 1)]).collect();
    wanted.dedup();
    let chosen = choose(&had, &wanted)?;
    let which = Which {
        of_image: true,
        quick: true,
    };
    let programs = Programs::build(&archive, which)?;
    let reports = try_all(&archive, &programs, &chosen, "quick", 1)?;
    verdict(&reports)?;
    let names: Vec<_> = reports.iter().map(|report| &*report.release).collect();
    Ok(Outcome::passed(format!("Linux {}", names.join(", "))))
}

fn folder() -> PathBuf {
    target_dir().join("kernels")
}

/// The newest kernel of each series, the oldest series first.
fn newest(kernels: Vec<Kernel>) -> Vec<Kernel> {
    let mut newest: Vec<Kernel> = Vec::new();
    for kernel in kernels {
        match newest.last_mut() {
            Some(last) if last.version.series() == kernel.version.series() => *last = kernel,
            _ => newest.push(kernel),
        }
    }
    newest
}

/// The kernels of these series; of those that a person named, all must be there.
fn choose(had: &[Kernel], named: &[Series]) -> Result<Vec<Kernel>> {
    let find = |series: Series| {
        had.iter()
            .find(|kernel| kernel.version.series() == series)
            .cloned()
    };
    if !named.is_empty() {
        let found = named
            .iter()
            .map(|&series| find(series).with_context(|| format!("no package has Linux {series}")));
        return found.collect();
    }
    let mut chosen = Vec::new();
    for series in SERIES {
        match find(series) {
            Some(kernel) => chosen.push(kernel),
            None => eprintln!("NOT TRIED: Linux {series}: no package of this distribution has it"),
        }
    }
    if let Some(last) = had.last()
        && !SERIES.contains(&last.version.series())
    {
        chosen.push(last.clone());
    }
    ensure!(!chosen.is_empty(), "no kernel can be had");
    Ok(chosen)
}

/// Boots the kernels, so many at once.
fn try_all(
    archive: &Archive,
    programs: &Programs,
    kernels: &[Kernel],
    checks: &str,
    jobs: usize,
) -> Result<Vec<Report>> {
    let mut packages = Vec::new();
    for kernel in kernels {
        packages.push((kernel, archive.unpack_kernel(kernel)?));
    }
    let mut reports = Vec::new();
    for some in packages.chunks(jobs.max(1)) {
        let done: Vec<Result<Report>> = thread::scope(|scope| {
            let threads: Vec<_> = some
                .iter()
                .map(|(kernel, package)| scope.spawn(|| try_one(programs, kernel, package, checks)))
                .collect();
            let ended = threads.into_iter().map(|thread| {
                let ended = thread.join();
                ended.unwrap_or_else(|panic| panic::resume_unwind(panic))
            });
            ended.collect()
        });
        for report in done {
            reports.push(report?);
        }
    }
    Ok(reports)
}

fn try_one(programs: &Programs, kernel: &Kernel, package: &Path, checks: &str) -> Result<Report> {
    let version = &kernel.version;
    let file = |end: &str| folder().join(format!("run-{version}.{end}"));
    let machine = Machine {
        kernel: image(package)?,
        initramfs: file("cpio"),
        console: file("console"),
        checks: checks.to_owned(),
    };
    programs.pack(package, &machine.initramfs)?;
    let mut report = Report::new(version.series(), version.to_string());
    let end = machine.run(|line| {
        if let Some(shown) = report.take(line) {
            println!("{shown}");
        }
    })?;
    report.end(end);
    fs::remove_file(&machine.initramfs)?;
    if !report.is_good() {
        let said = machine.last_lines(SHOWN);
        eprintln!("Linux {version}: {end:?}; its console's last lines:\n{said}");
        eprintln!("all of it: {}", machine.console.display());
    }
    Ok(report)
}

/// The kernel in its unpacked package: in `/boot`, or beside its modules.
fn image(package: &Path) -> Result<PathBuf> {
    let modules = ["usr/lib/modules", "lib/modules"].map(|folder| package.join(folder));
    let kernels = modules.iter().flat_map(fs::read_dir).flatten().flatten();
    let mut folders = vec![package.join("boot")];
    folders.extend(kernels.map(|kernel| kernel.path()));
    let files = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    files
        .map(|file| file.path())
        .find(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("vmlinuz"))
        })
        .with_context(|| format!("no kernel in {}", package.display()))
}

fn verdict(reports: &[Report]) -> Result<()> {
    let bad: Vec<_> = reports
        .iter()
        .filter(|report| !report.is_good())
        .map(|report| report.release.as_str())
        .collect();
    if !bad.is_empty() {
        bail!("podmirror fails on Linux {}", bad.join(", "));
    }
    Ok(())
}
