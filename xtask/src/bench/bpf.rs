//! How long the kernel half runs, as the kernel itself counts it.

use std::{collections::BTreeSet, fs, os::fd::OwnedFd};

use anyhow::{Context as _, Result};
use aya::{
    programs::loaded_programs,
    sys::{Stats, enable_stats},
};

/// The kernel (Linux 5.8) counts BPF run time while this value lives; counting costs some ten
/// nanoseconds per run, so nothing else is measured meanwhile.
pub(super) struct RunTimeCounting {
    _counting: OwnedFd,
}

impl RunTimeCounting {
    pub(super) fn start() -> Result<Self> {
        let counting = enable_stats(Stats::RunTime).context("having BPF run time counted")?;
        Ok(Self {
            _counting: counting,
        })
    }
}

/// Runs of BPF programs, and the time they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RunTime {
    pub(super) runs: u64,
    pub(super) nanos: u64,
}

impl RunTime {
    /// Of all programs that the process holds attached, each counted once.
    pub(super) fn of(process: u32) -> Result<Self> {
        let files = fs::read_dir(format!("/proc/{process}/fdinfo"))?;
        let ids: BTreeSet<u32> = files
            .flatten()
            .filter_map(|file| program(&fs::read_to_string(file.path()).ok()?))
            .collect();
        let mut sum = Self::default();
        for found in loaded_programs() {
            let found = found.context("listing BPF programs")?;
            if ids.contains(&found.id()) {
                sum.runs += found.run_count();
                sum.nanos += u64::try_from(found.run_time().as_nanos())?;
            }
        }
        Ok(sum)
    }

    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            runs: self.runs.saturating_sub(earlier.runs),
            nanos: self.nanos.saturating_sub(earlier.nanos),
        }
    }
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
}
