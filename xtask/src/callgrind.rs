//! Counting what a program executes, by callgrind.
//!
//! valgrind shows every program the same processor (its own CPUID), so memchr and the C library choose the same code
//! everywhere, and its caches are those that it is told: counts hardly differ from run to run or between machines.

use std::fs;

use anyhow::{Context as _, Result, bail};
use lab::{Scratch, packages};

use crate::step::{command, output, run};

/// A processor's caches, as `valgrind` takes them: bytes, associativity, bytes of a line. Those of a core of a server
/// of today, with its share of the last level.
const CACHES: [&str; 3] = ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64"];

/// A program that counts.
pub(crate) struct Counted<'a> {
    pub(crate) program: &'a std::path::Path,
    pub(crate) arguments: &'a [String],
    /// callgrind counts while functions run whose names match this.
    pub(crate) function: &'a str,
    /// Whether caches are simulated, which takes three times as long.
    pub(crate) caches: bool,
}

/// What was executed for each request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Each {
    pub(crate) instructions: f64,
    /// Reads and writes, of instructions and data, that the first level did not have; 0 without caches.
    pub(crate) first_level_misses: f64,
    /// Those that no cache had.
    pub(crate) misses: f64,
}

impl Each {
    /// What KCachegrind estimates: a miss of the first level is worth 10 instructions, one of the last 100.
    pub(crate) fn cycles(&self) -> f64 {
        self.instructions + 10.0 * self.first_level_misses + 100.0 * self.misses
    }
}

impl Counted<'_> {
    /// Runs the program, which prints by how many requests to divide.
    ///
    /// # Errors
    ///
    /// When valgrind is missing and cannot be installed; when the program fails or prints no number.
    pub(crate) fn count(&self) -> Result<Each> {
        let folder = Scratch::create("callgrind")?;
        let out = folder.path().join("profile");
        let mut callgrind = command(packages::require("valgrind")?);
        callgrind
            .arg("--tool=callgrind")
            .arg(format!("--toggle-collect={}", self.function))
            .arg(format!("--callgrind-out-file={}", out.display()));
        if self.caches {
            callgrind.arg("--cache-sim=yes").args(CACHES);
        }
        callgrind.arg(self.program).args(self.arguments);
        let requests = output(&mut callgrind).and_then(|printed| printed.parse::<u32>().ok());
        let Some(requests) = requests.filter(|requests| *requests > 0) else {
            // Once more, for what it says.
            run("counting instructions", &mut callgrind)?;
            bail!("{} printed no number", self.program.display());
        };
        let profile = fs::read_to_string(&out)?;
        let total = total(&profile).context("callgrind wrote no total")?;
        let requests = f64::from(requests);
        Ok(Each {
            instructions: total.instructions / requests,
            first_level_misses: total.first_level_misses / requests,
            misses: total.misses / requests,
        })
    }
}

/// Of all that was counted.
fn total(profile: &str) -> Option<Each> {
    let line = |start| profile.lines().find_map(|line| line.strip_prefix(start));
    let names = line("events: ")?.split_whitespace();
    // Those that are 0 to the end are left out.
    let totals = line("totals: ")?.split_whitespace();
    let totals = totals.chain(std::iter::repeat("0"));
    let mut total = Each::default();
    for (name, count) in names.zip(totals) {
        let count: f64 = count.parse().ok()?;
        match name {
            "Ir" => total.instructions = count,
            "I1mr" | "D1mr" | "D1mw" => total.first_level_misses += count,
            "ILmr" | "DLmr" | "DLmw" => total.misses += count,
            _ => {}
        }
    }
    (total.instructions > 0.0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_as_callgrind_writes_them() {
        let plain = total("events: Ir\nsummary: 7\n\ntotals: 12\n").unwrap();
        assert_eq!((plain.instructions, plain.cycles()), (12.0, 12.0));
        assert_eq!(total("events: Ir\ntotals: 0\n"), None);
        let caches = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\ntotals: 100 9 9 1 2 3 1 1\n";
        let expected = Each {
            instructions: 100.0,
            first_level_misses: 6.0,
            misses: 2.0,
        };
        assert_eq!(total(caches), Some(expected));
        assert_eq!(expected.cycles(), 360.0);
    }
}
