//! What the machines said, and the tables of it.

mod tables;

use serde_json::{Value, json};

pub(super) use self::tables::{details, summary};

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

    pub(super) fn report(lines: &[&str], end: End) -> Report {
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
        assert!(details(&[stuck]).contains("| kill -9 | **FAILED** |"));
    }
}
