//! How long the kernel half runs, as the kernel itself counts it.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The kernel counts BPF run time while this value lives; counting costs some ten nanoseconds a
/// run, so nothing else is measured meanwhile.
pub(super) struct RunTimeCounting {
    before: String,
}

impl RunTimeCounting {
    pub(super) fn start() -> Result<Self> {
        let before = fs::read_to_string(SWITCH).context("reading whether BPF run time counts")?;
        fs::write(SWITCH, "1").context("having BPF run time counted")?;
        Ok(Self { before })
    }
}

impl Drop for RunTimeCounting {
    fn drop(&mut self) {
        // Nothing is left to be done about it.
        let _restored = fs::write(SWITCH, &self.before);
    }
}

/// Runs of BPF programs, and the time they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RunTime {
    pub(super) runs: u64,
    pub(super) nanos: u64,
}

impl RunTime {
    /// Of all programs that the process holds open, each counted once.
    pub(super) fn of(process: u32) -> Self {
        let files = fs::read_dir(format!("/proc/{process}/fdinfo"));
        let programs: BTreeMap<u64, Self> = files
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|file| parse(&fs::read_to_string(file.path()).ok()?))
            .collect();
        programs
            .into_values()
            .fold(Self::default(), |sum, one| Self {
                runs: sum.runs + one.runs,
                nanos: sum.nanos + one.nanos,
            })
    }

    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            runs: self.runs.saturating_sub(earlier.runs),
            nanos: self.nanos.saturating_sub(earlier.nanos),
        }
    }
}

fn parse(fdinfo: &str) -> Option<(u64, RunTime)> {
    let field = |name: &str| {
        let mut lines = fdinfo.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(found, _)| *found == name)?;
        value.trim().parse().ok()
    };
    let (nanos, runs) = (field("run_time_ns")?, field("run_cnt")?);
    Some((field("prog_id")?, RunTime { runs, nanos }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_from_other_files() {
        let program = "pos:\t0\nprog_type:\t3\nprog_id:\t42\nrun_time_ns:\t900\nrun_cnt:\t3\n";
        let found = RunTime {
            runs: 3,
            nanos: 900,
        };
        assert_eq!(parse(program), Some((42, found)));
        assert_eq!(parse("pos:\t0\nprog_id:\t42\nlink_id:\t7\n"), None);
    }
}
