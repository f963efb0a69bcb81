//! The integration tests that ask the kernel itself: what the program does with a frame
//! (`BPF_PROG_TEST_RUN`), and how it is attached beside others, by tcx and by filter.

use std::{fs, process::Command};

use anyhow::{Result, bail};

use crate::report::{Check, Outcome};

/// Where the task puts them.
const TESTS: &str = "/tests";

/// Not here: a measurement, which means nothing in an emulated machine.
const LEFT_OUT: &[&str] = &["cost"];

/// One check a test program.
pub(super) fn all() -> Vec<Check> {
    let mut names: Vec<_> = fs::read_dir(TESTS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| file.file_name().into_string().ok())
        .collect();
    names.sort();
    let check = |name: String| Check::new(format!("test {name}"), move |_| run(&name));
    names.into_iter().map(check).collect()
}

fn run(name: &str) -> Result<Outcome> {
    let mut command = Command::new(format!("{TESTS}/{name}"));
    command.arg("--test-threads=1").current_dir("/tmp");
    for left_out in LEFT_OUT {
        command.args(["--skip", left_out]);
    }
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().rfind(|line| line.starts_with("test result"));
    let result = result.unwrap_or("no result").to_owned();
    if !output.status.success() {
        let failed = text.lines().filter(|line| line.ends_with("FAILED"));
        let failed: Vec<_> = failed.collect();
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{result} {}\n{text}\n{words}", failed.join(", "));
    }
    let passed = result.split("ok. ").nth(1).unwrap_or(&result);
    let passed = passed.split(';').next().unwrap_or(passed);
    Ok(Outcome::Passed(passed.to_owned()))
}
