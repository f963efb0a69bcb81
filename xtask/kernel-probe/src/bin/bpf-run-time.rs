//! How long BPF programs run, as the kernel itself counts it, for `cargo xtask bench`.
//!
//! A program of its own, so that the tasks are built without what loads BPF programs. The kernel (Linux 5.8) counts while this
//! runs; counting costs some ten nanoseconds per run. For each line on standard input with the number of a process, one on
//! standard output has how often the programs that it holds attached have run, and for how many nanoseconds, each
//! program counted once.

use std::{collections::BTreeSet, fs, io, process::ExitCode};

use anyhow::{Context as _, Result};
use aya::{
    programs::loaded_programs,
    sys::{Stats, enable_stats},
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bpf-run-time: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let _counting = enable_stats(Stats::RunTime).context("having BPF run time counted")?;
    for line in io::stdin().lines() {
        let process = line?.trim().parse().context("the number of a process")?;
        let (runs, nanos) = of(process)?;
        println!("{runs} {nanos}");
    }
    Ok(())
}

fn of(process: u32) -> Result<(u64, u64)> {
    let folder = format!("/proc/{process}/fdinfo");
    let files = fs::read_dir(&folder).context(folder)?;
    let ids: BTreeSet<u32> = files
        .flatten()
        .filter_map(|file| program(&fs::read_to_string(file.path()).ok()?))
        .collect();
    let (mut runs, mut nanos) = (0, 0);
    for found in loaded_programs() {
        let found = found.context("listing BPF programs")?;
        if ids.contains(&found.id()) {
            runs += found.run_count();
            nanos += u64::try_from(found.run_time().as_nanos())?;
        }
    }
    Ok((runs, nanos))
}

/// The program of a file that is one, or that attaches one.
fn program(fdinfo: &str) -> Option<u32> {
    let mut lines = fdinfo.lines().filter_map(|line| line.split_once(':'));
    let (_, id) = lines.find(|(name, _)| *name == "prog_id")?;
    id.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_told_from_other_files() {
        assert_eq!(program("pos:\t0\nlink_id:\t7\nprog_id:\t42\n"), Some(42));
        assert_eq!(program("pos:\t0\nflags:\t02\n"), None);
    }

    #[test]
    fn a_process_without_programs_has_none_that_ran() {
        assert_eq!(of(std::process::id()).unwrap(), (0, 0));
    }
}
