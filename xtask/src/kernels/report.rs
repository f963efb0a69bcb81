//! What the machines said, and the table of it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{machine::End, version::Series};

/// How one check ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checked {
    name: String,
    verdict: Verdict,
    seconds: f64,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Absent,
    Failed,
}

/// What one kernel did.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// Its series.
    pub(super) series: Series,
    /// What `uname -r` prints; the package's version until it has booted.
    pub(super) release: String,
    checks: Vec<Checked>,
    /// The check that was begun and has not ended.
    begun: Option<String>,
}

impl Report {
    /// Of a kernel that has not booted yet.
    pub(super) fn new(series: Series, release: String) -> Self {
        Self {
            series,
            release,
            checks: Vec::new(),
            begun: None,
        }
    }

    /// Takes one line of the machine's; returns what to show of it.
    pub(super) fn take(&mut self, line: &str) -> Option<String> {
        let fields: Vec<_> = line.split('\t').collect();
        match fields.as_slice() {
            ["kernel", release] => {
                (*release).clone_into(&mut self.release);
                None
            }
            ["start", name] => {
                self.begun = Some((*name).to_owned());
                None
            }
            ["check", name, verdict, seconds, detail] => {
                self.begun = None;
                let verdict = match *verdict {
                    "ok" => Verdict::Passed,
                    "absent" => Verdict::Absent,
                    _ => Verdict::Failed,
                };
                self.checks.push(Checked {
                    name: (*name).to_owned(),
                    verdict,
                    seconds: seconds.parse().unwrap_or_default(),
                    detail: (*detail).to_owned(),
                });
                Some(format!(
                    "{:<8} {:<34} {:<7} {seconds:>6} s  {detail}",
                    self.series,
                    name,
                    verdict.word()
                ))
            }
            _ => None,
        }
    }

    /// Notes how the machine ended: a check that it was in the middle of has failed.
    pub(super) fn end(&mut self, end: End) {
        if end == End::Ended && self.begun.is_none() {
            return;
        }
        let name = self.begun.take();
        self.checks.push(Checked {
            name: name.unwrap_or_else(|| "boot".to_owned()),
            verdict: Verdict::Failed,
            seconds: 0.0,
            detail: format!("the machine: {end:?}"),
        });
    }

    /// Whether nothing has failed, and something was tried.
    pub(super) fn is_good(&self) -> bool {
        !self.checks.is_empty()
            && self
                .checks
                .iter()
                .all(|check| check.verdict != Verdict::Failed)
    }

    fn find(&self, name: &str) -> Option<&Checked> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Absent => "absent",
            Self::Failed => "FAILED",
        }
    }
}

/// A table in Markdown: a row a check, a column a kernel. Where a detail says more than how many
/// requests there were, it stands in the cell.
pub(super) fn markdown(reports: &[Report]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for check in reports.iter().flat_map(|report| &report.checks) {
        if !names.contains(&check.name.as_str()) {
            names.push(&check.name);
        }
    }
    let mut text = "| Linux |".to_owned();
    for report in reports {
        let _written = write!(text, " {} |", report.release);
    }
    text += "\n|---|";
    text += &"---|".repeat(reports.len());
    for name in names {
        let _written = write!(text, "\n| {name} |");
        for report in reports {
            let cell = report.find(name).map_or_else(|| "–".to_owned(), cell);
            let _written = write!(text, " {cell} |");
        }
    }
    text.push('\n');
    text
}

/// A row a kernel: how the programs are attached there, and how many checks there were.
pub(super) fn summary(reports: &[Report]) -> String {
    let mut text =
        "| Linux | attached by | checks passed | of things it lacks | failed |\n".to_owned();
    text += "|---|---|---|---|---|";
    for report in reports {
        let attached = report.find("load bpf").map_or("–", |check| &check.detail);
        let count = |verdict| {
            let checks = report.checks.iter();
            checks.filter(|check| check.verdict == verdict).count()
        };
        let _written = write!(
            text,
            "\n| {} | {attached} | {} | {} | {} |",
            report.release,
            count(Verdict::Passed),
            count(Verdict::Absent),
            count(Verdict::Failed)
        );
    }
    text.push('\n');
    text
}

fn cell(check: &Checked) -> String {
    let counted = check.detail.ends_with(" requests") || check.detail.ends_with(" passed");
    match check.verdict {
        Verdict::Passed if counted || check.detail.is_empty() => "ok".to_owned(),
        Verdict::Passed => check.detail.clone(),
        Verdict::Absent => "–".to_owned(),
        Verdict::Failed => "**FAILED**".to_owned(),
    }
}

/// All that was found, for machines.
pub(super) fn json(reports: &[Report]) -> Value {
    let checks = |report: &Report| -> Vec<_> {
        let all = report.checks.iter().map(|check| {
            json!({
                "name": check.name,
                "verdict": check.verdict.word(),
                "seconds": check.seconds,
                "detail": check.detail,
            })
        });
        all.collect()
    };
    let kernels: Vec<_> = reports
        .iter()
        .map(|report| {
            json!({
                "series": report.series.to_string(),
                "release": report.release,
                "good": report.is_good(),
                "checks": checks(report),
            })
        })
        .collect();
    json!({ "kernels": kernels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[&str], end: End) -> Report {
        let mut report = Report::new(Series(6, 1), "6.1.0-50".to_owned());
        for line in lines {
            report.take(line);
        }
        report.end(end);
        report
    }

    #[test]
    fn a_kernel_is_good_if_all_that_was_begun_has_passed() {
        let good = [
            "kernel\t6.1.176",
            "start\tload bpf",
            "check\tload bpf\tok\t1.2\tattached",
            "check\tBIG TCP\tabsent\t0.0\tsince Linux 6.3",
        ];
        assert!(report(&good, End::Ended).is_good());
        assert!(!report(&good, End::Died).is_good());
        assert!(!report(&[], End::Ended).is_good(), "nothing was tried");
        let failed = [&good[..], &["check\tSIGTERM\tFAILED\t9.0\tno"]].concat();
        assert!(!report(&failed, End::Ended).is_good());
        let stuck = [&good[..], &["start\tkill -9"]].concat();
        let stuck = report(&stuck, End::Silent);
        assert!(!stuck.is_good());
        assert!(markdown(&[stuck]).contains("| kill -9 | **FAILED** |"));
    }

    #[test]
    fn the_table_has_a_column_a_kernel() {
        let first = report(
            &["kernel\t6.1.1", "check\ta\tok\t1\t4 requests"],
            End::Ended,
        );
        let second = report(&["kernel\t6.6.1", "check\tb\tok\t1\ttcx"], End::Ended);
        assert_eq!(
            markdown(&[first, second]),
            "| Linux | 6.1.1 | 6.6.1 |\n|---|---|---|\n| a | ok | – |\n| b | – | tcx |\n"
        );
    }

    #[test]
    fn the_summary_has_a_row_a_kernel() {
        let lines = [
            "kernel\t6.1.1",
            "check\tload bpf\tok\t1\ttcx",
            "check\tb\tabsent\t0\t",
        ];
        let text = summary(&[report(&lines, End::Ended)]);
        assert!(text.ends_with("\n| 6.1.1 | tcx | 1 | 1 | 0 |\n"), "{text}");
    }
}
