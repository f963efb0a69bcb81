//! `cargo xtask kernels`: podmirror on the kernels that nodes run, each in a virtual machine.
//!
//! | module | what it does |
//! |---|---|
//! | [`packages`] | kernels from the distribution's packages |
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

use self::{
    machine::{Machine, qemu},
    packages::{Kernel, kernels},
    programs::{Programs, Which, tools},
    report::Report,
    version::Series,
};
use crate::{arch::Arch, archive::Archive, checks::Outcome};

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
    /// The machines' architecture [default: this machine's]. For another one, podmirror is that of
    /// `cargo xtask image --target ARCH`, and its integration tests are left out
    #[arg(long, value_name = "ARCH", value_enum)]
    arch: Option<Arch>,
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
    let archive = Archive::open(options.arch.unwrap_or_else(Arch::host))?;
    let all = kernels(&archive)?;
    let had = newest(&all);
    if options.list {
        for kernel in had {
            println!("{:<6} {}", kernel.version.series(), kernel.version);
        }
        return Ok(());
    }
    qemu(archive.arch)?;
    let fetched = if options.versions.is_empty() {
        fetch_what_can_be_had(&archive, &all, &usual(&had))?
    } else {
        fetch(&archive, &all, &named(&had, &options.versions)?)?
    };
    let only = options.only.as_deref().unwrap_or_default();
    let checks = if options.quick { "quick" } else { only };
    let which = Which {
        of_image: options.image,
        quick: options.quick,
    };
    let tools = tools(&archive)?;
    let programs = Programs::build(&archive, tools, which)?;
    let reports = try_all(&archive, &programs, &fetched, checks, options.jobs)?;
    let table = format!("{}{}", report::summary(&reports), report::details(&reports));
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
/// When a check failed. Without qemu or packages the step is skipped, and so it is when they can't be
/// fetched.
pub(crate) fn step() -> Result<Outcome> {
    let ready = || -> Result<_> {
        let archive = Archive::open(Arch::host())?;
        qemu(archive.arch)?;
        let all = kernels(&archive)?;
        let had = newest(&all);
        let oldest = had.first().map(|kernel| kernel.version.series());
        let mut wanted: Vec<_> = oldest.into_iter().chain([Series(6, 1)]).collect();
        wanted.dedup();
        let fetched = fetch(&archive, &all, &named(&had, &wanted)?)?;
        let tools = tools(&archive)?;
        Ok((archive, fetched, tools))
    };
    let (archive, fetched, tools) = match ready() {
        Ok(ready) => ready,
        Err(error) => return Ok(Outcome::skipped(format!("{error:#}"))),
    };
    let which = Which {
        of_image: true,
        quick: true,
    };
    let programs = Programs::build(&archive, tools, which)?;
    let reports = try_all(&archive, &programs, &fetched, "quick", 1)?;
    verdict(&reports)?;
    let names: Vec<_> = reports.iter().map(|report| &*report.release).collect();
    Ok(Outcome::passed(format!("Linux {}", names.join(", "))))
}

/// The newest kernel of each series, the oldest series first.
fn newest(kernels: &[Kernel]) -> Vec<Kernel> {
    let mut newest: Vec<Kernel> = Vec::new();
    for kernel in kernels.iter().cloned() {
        match newest.last_mut() {
            Some(last) if last.version.series() == kernel.version.series() => *last = kernel,
            _ => newest.push(kernel),
        }
    }
    newest
}

/// The kernels of series that a person named, all of which must be there.
fn named(had: &[Kernel], series: &[Series]) -> Result<Vec<Kernel>> {
    let find = |&series: &Series| {
        let found = of_series(had, series);
        found.with_context(|| format!("no package has Linux {series}"))
    };
    series.iter().map(find).collect()
}

/// The kernels of the usual series that are there, and the newest.
fn usual(had: &[Kernel]) -> Vec<Kernel> {
    let mut chosen = Vec::new();
    for series in SERIES {
        match of_series(had, series) {
            Some(kernel) => chosen.push(kernel),
            None => eprintln!("NOT TRIED: Linux {series}: no package of this distribution has it"),
        }
    }
    if let Some(last) = had.last()
        && !SERIES.contains(&last.version.series())
    {
        chosen.push(last.clone());
    }
    chosen
}

fn of_series(had: &[Kernel], series: Series) -> Option<Kernel> {
    let mut kernels = had.iter();
    kernels
        .find(|kernel| kernel.version.series() == series)
        .cloned()
}

/// Unpacks the kernels.
fn fetch(archive: &Archive, all: &[Kernel], kernels: &[Kernel]) -> Result<Vec<(Kernel, PathBuf)>> {
    let fetch = |kernel| fetch_one(archive, all, kernel);
    kernels.iter().map(fetch).collect()
}

/// Unpacks the kernels but for those that the mirror does not hand out.
fn fetch_what_can_be_had(
    archive: &Archive,
    all: &[Kernel],
    kernels: &[Kernel],
) -> Result<Vec<(Kernel, PathBuf)>> {
    let mut fetched = Vec::new();
    for kernel in kernels {
        match fetch_one(archive, all, kernel) {
            Ok(one) => fetched.push(one),
            Err(error) => eprintln!("NOT TRIED: Linux {}: {error:#}", kernel.version),
        }
    }
    ensure!(!fetched.is_empty(), "no kernel can be had");
    Ok(fetched)
}

/// Unpacks a kernel, or an older one of its series: lists may name what the mirror has deleted.
fn fetch_one(archive: &Archive, all: &[Kernel], kernel: &Kernel) -> Result<(Kernel, PathBuf)> {
    let newest = match kernel.unpack(archive) {
        Ok(package) => return Ok((kernel.clone(), package)),
        Err(error) => error,
    };
    let (series, version) = (kernel.version.series(), &kernel.version);
    let older = all.iter().rev();
    let older = older.filter(|one| one.version.series() == series && one.version < *version);
    for one in older {
        if let Ok(package) = one.unpack(archive) {
            eprintln!("Linux {} instead of {version}: {newest:#}", one.version);
            return Ok((one.clone(), package));
        }
    }
    Err(newest)
}

/// Boots the kernels, so many at once.
fn try_all(
    archive: &Archive,
    programs: &Programs,
    kernels: &[(Kernel, PathBuf)],
    checks: &str,
    jobs: usize,
) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for some in kernels.chunks(jobs.max(1)) {
        let done: Vec<Result<Report>> = thread::scope(|scope| {
            let threads: Vec<_> = some
                .iter()
                .map(|(kernel, package)| {
                    scope.spawn(|| try_one(archive, programs, kernel, package, checks))
                })
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

fn try_one(
    archive: &Archive,
    programs: &Programs,
    kernel: &Kernel,
    package: &Path,
    checks: &str,
) -> Result<Report> {
    let version = &kernel.version;
    let file = |end: &str| archive.folder().join(format!("run-{version}.{end}"));
    let machine = Machine {
        arch: archive.arch,
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
