//! How long the kernel half runs, as the kernel itself counts it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{binary, step::command};

/// The kernel (Linux 5.8) counts BPF run time while this value lives; counting costs some ten
/// nanoseconds per run, so nothing else is measured meanwhile.
pub(super) struct RunTimeCounting {
    counter: Child,
    /// Closed first, which ends the counter.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl RunTimeCounting {
    pub(super) fn start() -> Result<Self> {
        let program = binary::build_run_time_counter()?;
        let mut counter = command(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let questions = counter.stdin.take();
        let answers = counter.stdout.take().context("no standard output")?;
        Ok(Self {
            counter,
            questions,
            answers: BufReader::new(answers),
        })
    }

    /// Of all programs that the process holds attached, each counted once.
    pub(super) fn of(&mut self, process: u32) -> Result<RunTime> {
        let questions = self.questions.as_mut().context("no standard input")?;
        writeln!(questions, "{process}").context("counting BPF run time")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        RunTime::read(&answer).context("BPF run time was not counted")
    }
}

impl Drop for RunTimeCounting {
    fn drop(&mut self) {
        drop(self.questions.take());
        // What it counted is told; how it ends changes nothing.
        self.counter.wait().ok();
    }
}

/// Runs of BPF programs, and the time they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RunTime {
    pub(super) runs: u64,
    pub(super) nanos: u64,
}

impl RunTime {
    /// What the counter says on a line.
    fn read(line: &str) -> Option<Self> {
        let (runs, nanos) = line.trim().split_once(' ')?;
        Some(Self {
            runs: runs.parse().ok()?,
            nanos: nanos.parse().ok()?,
        })
    }

    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            runs: self.runs.saturating_sub(earlier.runs),
            nanos: self.nanos.saturating_sub(earlier.nanos),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_counter_says_is_read() {
        let said = RunTime {
            runs: 12,
            nanos: 3400,
        };
        assert_eq!(RunTime::read("12 3400\n"), Some(said));
        assert_eq!(RunTime::read(""), None);
    }
}
