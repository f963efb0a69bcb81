//! A run beside the one before it (`--last`), by ratios that other machines would have, too.
//!
//! Microseconds of a shared machine say little from night to night. What podmirror spends on a request over what v1
//! spends on it, in the same minute, says more; and what arrived is no matter of speed.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::results::Spread;

/// How much more than before a request may cost: what shared machines vary by is below.
const MOST: f64 = 1.5;

/// How much less of the requests than before may arrive.
const MISSING: f64 = 0.02;

/// Of a subject under a load.
#[derive(Clone, Debug, PartialEq)]
struct Figures {
    load: String,
    subject: String,
    /// The subject's CPU for a request, over v1's own.
    cost: f64,
    /// Requests at v2 over requests at v1.
    arrived: f64,
}

/// A table of both, and whether this run is as good: of `all` loads and subjects, or of a choice.
///
/// # Errors
///
/// When the file is there and none of ours, or this run is worse; the table is in `text` then, too.
pub(super) fn compare(last: &Path, now: &str, all: bool, text: &mut String) -> Result<()> {
    if !last.exists() {
        *text += &format!(
            "\n## Beside the last run\n\nThere is none at {}.\n",
            last.display()
        );
        return Ok(());
    }
    let read = fs::read_to_string(last).with_context(|| last.display().to_string())?;
    let before = figures(&read).with_context(|| format!("{} is no bench.json", last.display()))?;
    let now = figures(now).context("this run's bench.json")?;
    let worse = table(&before, &now, all, text);
    if !worse.is_empty() {
        bail!("worse than the last run:\n  {}", worse.join("\n  "));
    }
    Ok(())
}

fn figures(json: &str) -> Option<Vec<Figures>> {
    let document: Value = serde_json::from_str(json).ok()?;
    let rows = document.get("results")?.as_array()?.iter();
    Some(rows.filter_map(figures_of).collect())
}

/// `None` for v1 alone, and for others than podmirror. Where nothing arrives the cost is infinite.
fn figures_of(row: &Value) -> Option<Figures> {
    let subject = row.get("subject")?.as_str()?;
    let runs = row.get("runs")?.as_array()?;
    let number = |run: &Value, name: &str| run.get(name)?.as_f64();
    let v1 = |run: &Value| Some(number(run, "v1_cpu_us")? / number(run, "at_v1")?);
    let figures = |run: &Value| {
        let with = run.get("run")?;
        let alone = run.get("v1_alone")?.as_array()?.iter();
        let alone: Vec<f64> = alone.filter_map(v1).collect();
        let own = Spread::of(alone)?.median;
        let arrived = number(with, "at_v2")?;
        let cpu = with.pointer("/subject/cpu_us")?.as_f64()?;
        Some((cpu / arrived / own, arrived / number(with, "at_v1")?))
    };
    let (cost, arrived): (Vec<f64>, Vec<f64>) = runs.iter().filter_map(figures).unzip();
    let figures = Figures {
        load: row.get("load")?.as_str()?.to_owned(),
        subject: subject.to_owned(),
        // That of nothing is not finite.
        cost: Spread::of(cost).map_or(f64::INFINITY, |cost| cost.median),
        arrived: Spread::of(arrived)?.median,
    };
    subject.starts_with("podmirror").then_some(figures)
}

/// Adds the table to the text; gives what is worse. What had arrived and is not there any more is worse, too; what is new is
/// beside nothing, nor is that of which nothing is meant to arrive.
fn table(before: &[Figures], now: &[Figures], all: bool, text: &mut String) -> Vec<String> {
    let mut worse = Vec::new();
    *text += "\n## Beside the last run\n\nCost: CPU of podmirror per request over that of v1, in the same run.\n\n\
              | load | subject | cost | was | ratio | arrived | was |\n|---|---|---|---|---|---|---|\n";
    for was in before.iter().filter(|was| was.arrived > 0.0) {
        let same = |now: &&Figures| was.load == now.load && was.subject == now.subject;
        let Some(now) = now.iter().find(same) else {
            if all {
                worse.push(format!("{}, {}: it is missing", was.load, was.subject));
            }
            continue;
        };
        let ratio = now.cost / was.cost;
        // Cannot fail: a String takes everything.
        let _written = writeln!(
            text,
            "| {} | {} | {:.3} | {:.3} | {ratio:.2} | {:.4} | {:.4} |",
            now.load, now.subject, now.cost, was.cost, now.arrived, was.arrived
        );
        if ratio > MOST || now.arrived < was.arrived - MISSING {
            worse.push(format!(
                "{}, {}: {ratio:.2} of the cost (at most {MOST}), {:.4} arrived where {:.4} had",
                now.load, now.subject, now.arrived, was.arrived
            ));
        }
    }
    worse
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(cpu: f64, arrived: u64) -> String {
        let alone = json!({"at_v1": 100, "v1_cpu_us": 1_000.0});
        let run = json!({"at_v1": 100, "at_v2": arrived, "v1_cpu_us": 2_000.0, "subject": {"cpu_us": cpu}});
        let runs = json!([{"run": run, "v1_alone": [alone, alone]}]);
        json!({"results": [
            {"load": "get", "subject": null, "runs": [{"run": alone}]},
            {"load": "get", "subject": "podmirror 0 %", "runs": [{"run": json!({"at_v1": 100, "at_v2": 0,
                "subject": {"cpu_us": 1.0}}), "v1_alone": [alone, alone]}]},
            {"load": "get", "subject": "podmirror 100 %", "runs": runs},
            {"load": "get", "subject": "nginx mirror", "runs": runs},
        ]})
        .to_string()
    }

    #[test]
    fn the_cost_is_that_of_podmirror_over_v1s_own() {
        let figures = figures(&document(500.0, 100)).unwrap();
        let [off, all] = &figures[..] else {
            panic!("{figures:?}");
        };
        assert_eq!((all.cost, all.arrived), (0.5, 1.0));
        assert_eq!(all.subject, "podmirror 100 %");
        assert_eq!((off.cost, off.arrived), (f64::INFINITY, 0.0));
    }

    #[test]
    fn what_is_worse_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let last = folder.path().join("bench.json");
        let of = |all: bool, now: &str| {
            let mut text = String::new();
            let compared = super::compare(&last, now, all, &mut text);
            (compared.map_err(|error| error.to_string()), text)
        };
        let compare = |now: &str| of(true, now);
        let (none, text) = compare(&document(500.0, 100));
        assert!(none.is_ok() && text.contains("There is none"), "{text}");

        fs::write(&last, document(500.0, 100)).unwrap();
        assert_eq!(compare(&document(740.0, 99)).0, Ok(()));
        let (dearer, text) = compare(&document(760.0, 100));
        assert!(dearer.unwrap_err().contains("get, podmirror 100 %: 1.52"));
        assert!(text.contains("| 0.760 | 0.500 | 1.52 |"), "{text}");
        assert!(compare(&document(500.0, 97)).0.is_err());
        // Of what is off nothing arrives, and nothing is said.
        assert!(!text.contains("podmirror 0 %"), "{text}");

        let (nothing, text) = compare(&document(500.0, 0));
        let nothing = nothing.unwrap_err();
        assert!(
            nothing.contains("0.0000 arrived where 1.0000 had"),
            "{nothing}"
        );
        assert!(text.contains("| get | podmirror 100 % | inf |"), "{text}");
        let nothing = r#"{"results": []}"#;
        let missing = compare(nothing).0.unwrap_err();
        assert!(
            missing.contains("get, podmirror 100 %: it is missing"),
            "{missing}"
        );
        assert_eq!(of(false, nothing).0, Ok(()));
        fs::write(&last, "[]").unwrap();
        assert!(compare("{}").0.unwrap_err().contains("no bench.json"));
    }
}
