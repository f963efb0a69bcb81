//! What it was measured on, and with.

use std::{fmt, fs, path::Path};

use lab::packages;

use crate::step::{command, output, workspace};

/// Lines for the head of the report: what, and its value.
pub(super) struct Machine {
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) load: LoadAverage,
}

/// How many processes wanted to run, the means of 1, 5 and 15 minutes.
#[derive(Clone, Debug)]
pub(super) struct LoadAverage(String);

impl LoadAverage {
    /// As it is now: to be read before the bench builds anything.
    pub(super) fn now() -> Self {
        Self(first_words(&read("/proc/loadavg"), 3))
    }

    /// That of the last minute.
    pub(super) fn of_a_minute(&self) -> f64 {
        let first = self.0.split(' ').next();
        first.and_then(|load| load.parse().ok()).unwrap_or_default()
    }
}

impl fmt::Display for LoadAverage {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl Machine {
    /// Looks at it; `load` is that before the bench.
    pub(super) fn look(podmirror: &Path, load: LoadAverage) -> Self {
        let line = |text: &str, start: &str| {
            let found = text.lines().find(|line| line.starts_with(start));
            let value = found.and_then(|line| line.split_once(':'));
            value
                .map_or("unknown", |(_, value)| value.trim())
                .to_owned()
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpu = line(&read("/proc/cpuinfo"), "model name");
        let git = output(
            command("git")
                .args(["describe", "--always", "--dirty"])
                .current_dir(workspace()),
        );
        Self {
            facts: vec![
                ("CPU", format!("{cores} x {cpu}")),
                ("Memory", line(&read("/proc/meminfo"), "MemTotal")),
                (
                    "Kernel",
                    read("/proc/sys/kernel/osrelease").trim().to_owned(),
                ),
                ("Load average before (1, 5, 15 minutes)", load.0.clone()),
                (
                    "podmirror",
                    format!(
                        "{} ({})",
                        said(&podmirror.to_string_lossy(), "--version"),
                        git.unwrap_or_else(|| "no git".to_owned())
                    ),
                ),
                ("nginx", said("nginx", "-v")),
                ("HAProxy", first_words(&said("haproxy", "-v"), 3)),
                ("tcpdump", said("tcpdump", "--version")),
                ("wrk", first_words(&said("wrk", "-v"), 3)),
                (
                    "Command",
                    std::env::args()
                        .skip(1)
                        .fold("cargo xtask".to_owned(), |line, word| line + " " + &word),
                ),
            ],
            load,
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn first_words(text: &str, count: usize) -> String {
    let words: Vec<_> = text.split_whitespace().take(count).collect();
    words.join(" ")
}

/// The first line that a program says, wherever it says it.
fn said(program: &str, argument: &str) -> String {
    let path = if Path::new(program).is_absolute() {
        Ok(program.into())
    } else {
        packages::require(program)
    };
    let Ok(path) = path else {
        return "not installed".to_owned();
    };
    let Ok(output) = command(path).arg(argument).output() else {
        return "unknown".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("unknown").to_owned()
}
