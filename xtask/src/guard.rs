//! `cargo xtask guard`: the pipeline takes no more instructions per request than before.
//!
//! Time differs from run to run, and machines from each other; the instructions that callgrind
//! counts ([`crate::callgrind`]) hardly do. They do differ with the compiler: the figures in
//! `xtask/mirror-bench/guard.json` name theirs, and bind that one only.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    binary,
    callgrind::Counted,
    checks::Outcome,
    step::{command, output, workspace},
};

/// How far a figure may lie from the checked-in one, up or down: what got cheaper is to stay so.
const TOLERANCE: f64 = 0.05;

/// callgrind counts while this runs: the function in `xtask/mirror-bench/src/bin/guard.rs`.
const MEASURED: &str = "guard::measured*";

/// What can be chosen.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Write what was counted to xtask/mirror-bench/guard.json, for this compiler
    #[arg(long)]
    update: bool,
}

/// Instructions per request, by conversation, and the compiler that they were counted with.
#[derive(Clone, Debug, PartialEq)]
struct Figures {
    compiler: String,
    instructions: BTreeMap<String, f64>,
}

/// Runs the guard alone.
///
/// # Errors
///
/// As [`check`]; with `--update`, when the file cannot be written.
pub(crate) fn guard(options: &Options) -> Result<()> {
    if options.update {
        let known = Figures::read()?;
        let counted = Figures::count(&known)?;
        fs::write(path(), counted.text())?;
        println!("{}", counted.text());
        return Ok(());
    }
    println!("{}", check()?.note());
    Ok(())
}

/// Counts, and compares with the checked-in figures.
///
/// # Errors
///
/// When a figure is off, with the counts; when valgrind is missing and cannot be installed.
pub(crate) fn check() -> Result<Outcome> {
    let known = Figures::read()?;
    let counted = Figures::count(&known)?;
    counted.judge(&known)
}

fn path() -> PathBuf {
    workspace().join("xtask/mirror-bench/guard.json")
}

impl Figures {
    fn read() -> Result<Self> {
        let text = fs::read_to_string(path())?;
        Self::parse(&text).with_context(|| format!("{} is none of ours", path().display()))
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let figures = value.get("instructions")?.as_object()?.iter();
        Some(Self {
            compiler: value.get("compiler")?.as_str()?.to_owned(),
            instructions: figures
                .map(|(name, figure)| Some((name.clone(), figure.as_f64()?)))
                .collect::<Option<_>>()?,
        })
    }

    fn text(&self) -> String {
        let value = json!({ "compiler": self.compiler, "instructions": self.instructions });
        format!("{value:#}\n")
    }

    /// Counts anew what is `known`.
    fn count(known: &Self) -> Result<Self> {
        let guard = binary::build_with("guard", "mirror-bench", "guard", &[])?;
        let mut instructions = BTreeMap::new();
        for name in known.instructions.keys() {
            let counted = Counted {
                program: &guard,
                arguments: std::slice::from_ref(name),
                function: MEASURED,
                caches: false,
            };
            instructions.insert(name.clone(), counted.count()?.instructions.round());
        }
        Ok(Self {
            compiler: compiler()?,
            instructions,
        })
    }

    fn judge(&self, known: &Self) -> Result<Outcome> {
        let mut off = false;
        let mut lines = Vec::new();
        for (name, was) in &known.instructions {
            let is = self.instructions.get(name).copied().unwrap_or(f64::NAN);
            let change = is / was - 1.0;
            off |= change.is_nan() || change.abs() > TOLERANCE;
            lines.push(format!("{name} {is} ({:+.1} %)", 100.0 * change));
        }
        let counted = format!("instructions a request: {}", lines.join(", "));
        if self.compiler != known.compiler {
            return Ok(Outcome::skipped(format!(
                "the figures are for {}, this is {}; {counted}",
                known.compiler, self.compiler
            )));
        }
        if off {
            bail!(
                "{counted}: more than {} % off. If that is meant, `cargo xtask guard --update` and \
                 say why in the commit",
                100.0 * TOLERANCE
            );
        }
        Ok(Outcome::passed(counted))
    }
}

/// The compiler that builds the workspace: its version, and the machine that it builds for.
fn compiler() -> Result<String> {
    let version = output(command("rustc").arg("-vV").current_dir(workspace()));
    let version = version.context("no rustc")?;
    let line = |start: &str| version.lines().find(|line| line.starts_with(start));
    let (Some(rustc), Some(host)) = (line("rustc "), line("host: ")) else {
        bail!("rustc -vV says {version}");
    };
    Ok(format!("{rustc}, {host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(compiler: &str, get: f64) -> Figures {
        Figures {
            compiler: compiler.to_owned(),
            instructions: BTreeMap::from([("get".to_owned(), get)]),
        }
    }

    #[test]
    fn what_costs_more_or_less_fails() {
        let known = figures("a", 1_000.0);
        for (counted, fine) in [
            (951.0, true),
            (1_049.0, true),
            (1_051.0, false),
            (949.0, false),
            (f64::NAN, false),
        ] {
            let judged = figures("a", counted).judge(&known);
            assert_eq!(judged.is_ok(), fine, "{counted}");
        }
    }

    #[test]
    fn another_compiler_is_told_and_nothing_fails() {
        let outcome = figures("b", 9_000.0).judge(&figures("a", 1_000.0)).unwrap();
        let note = outcome.note();
        assert!(note.contains("for a, this is b") && note.contains("+800.0 %"));
    }

    #[test]
    fn figures_are_read_as_they_are_written() {
        let written = figures("a", 1_000.0);
        assert_eq!(Figures::parse(&written.text()), Some(written));
    }
}
