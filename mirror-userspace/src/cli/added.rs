//! `podmirror verdict --add`: the verdicts of several nodes, added up.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use mirror_core::{
    counters::Sum as _,
    verdict::{Comparison, Counted, Report, Terms, Verdict},
};
use serde_json::{Value, json};

/// More than was ever counted.
const TOO_MUCH: u64 = 1 << 53;

/// Rules by name; `None` is a file of a run, which has no rules.
type Sums = BTreeMap<Option<String>, (Comparison, Terms)>;

/// Adds up the verdicts in these files: those of runs, or those of the same rules.
pub(super) fn read(files: &[PathBuf]) -> anyhow::Result<Value> {
    let read = files.iter().map(|file| {
        let name = file.display().to_string();
        let text = fs::read(file).with_context(|| format!("reading {name}"))?;
        let found = serde_json::from_slice(&text).with_context(|| name.clone())?;
        anyhow::Ok((name, found))
    });
    sum(read)
}

/// Adds up verdicts, each with where it comes from.
pub(super) fn sum(
    all: impl IntoIterator<Item = anyhow::Result<(String, Value)>>,
) -> anyhow::Result<Value> {
    let mut sums = Sums::new();
    for one in all {
        let (name, found) = one?;
        ensure!(counts(&found), "{name}: a count beyond 2^53");
        add(&mut sums, found).with_context(|| name.clone())?;
    }
    let reports = sums
        .into_iter()
        .map(|(name, (counts, terms))| (name, Report::new(&counts, &terms)));
    let mut reports: BTreeMap<_, _> = reports.collect();
    if let Some(report) = reports.remove(&None) {
        ensure!(
            reports.is_empty(),
            "files of runs and of rules can't be added up"
        );
        return Ok(serde_json::to_value(report)?);
    }
    let worst = reports.values().map(|it| it.verdict).max();
    let rules: BTreeMap<String, Report> = reports
        .into_iter()
        .filter_map(|(name, report)| name.map(|name| (name, report)))
        .collect();
    Ok(json!({"verdict": worst.unwrap_or(Verdict::NotEnough), "rules": rules}))
}

fn add(sums: &mut Sums, found: Value) -> anyhow::Result<()> {
    let rules = match found {
        Value::Object(mut found) if found.contains_key("rules") => {
            let rules = found.remove("rules").unwrap_or_default();
            let rules: BTreeMap<String, Value> = serde_json::from_value(rules)?;
            rules
                .into_iter()
                .map(|(name, found)| (Some(name), found))
                .collect()
        }
        found => vec![(None, found)],
    };
    for (name, found) in rules {
        let counted: Counted = serde_json::from_value(found).context(
            "no verdict with its counts, as podmirror verdict and --verdict-json write it",
        )?;
        let terms = counted.terms();
        let new = || (Comparison::default(), terms);
        let (sum, known) = sums.entry(name).or_insert_with(new);
        ensure!(
            *known == terms,
            "it was judged by other terms (alpha, margins, conditions) than those before"
        );
        sum.add(&counted.counts);
    }
    Ok(())
}

/// Whether its numbers can be added up.
fn counts(found: &Value) -> bool {
    match found {
        Value::Number(number) => number.as_u64().is_none_or(|it| it < TOO_MUCH),
        Value::Array(values) => values.iter().all(counts),
        Value::Object(members) => members.values().all(counts),
        _ => true,
    }
}
