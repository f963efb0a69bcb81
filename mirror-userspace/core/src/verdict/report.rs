//! A verdict for people and for machines.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::groups::{Comparison, Finding, Level, Margins, Question, Verdict, of_findings};

/// How a comparison is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// How sure one wants to be.
    pub level: Level,
    /// What matters.
    pub margins: Margins,
}

/// A comparison, judged. `Display` prints it for people; its JSON is that of `--verdict-json`, whose keys
/// are stable. A bound that is not known yet is `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What all of it comes to.
    pub verdict: Verdict,
    /// Requests that both have ended.
    pub compared: u64,
    /// Requests of which one copy came to nothing for a reason that is no version's: it waited too long
    /// here, or never had an address.
    pub not_compared: u64,
    /// The probability (0 to 1) of finding a difference that is not there.
    pub alpha: f64,
    /// The answers about all requests.
    pub findings: Vec<Finding>,
    /// The answers about each group.
    pub groups: BTreeMap<String, Vec<Finding>>,
}

impl Report {
    /// Judges a comparison.
    #[must_use]
    pub fn new(comparison: &Comparison, terms: &Terms) -> Self {
        let Terms { level, margins } = *terms;
        let names = comparison.groups.keys();
        let groups: BTreeMap<_, _> = names
            .map(|name| (name.clone(), comparison.group(name, level, &margins)))
            .collect();
        let findings = comparison.overall(level, &margins);
        Self {
            verdict: of_findings(&findings, groups.values().flatten()),
            compared: comparison.overall.failures.total(),
            not_compared: comparison.not_compared,
            alpha: level.0,
            findings,
            groups,
        }
    }
}

impl Verdict {
    /// Its name: `same`, `not enough yet` or `differs`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::NotEnough => "not enough yet",
            Self::Differs => "differs",
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Question {
    /// Its name: `failures`, `client errors`, `latency p50`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Failures => "failures".to_owned(),
            Self::ClientErrors => "client errors".to_owned(),
            Self::Latency(q) => format!("latency p{:.0}", q * 100.0),
        }
    }
}

impl Serialize for Question {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verdict,
            compared,
            not_compared,
            alpha,
            findings,
            groups,
        } = self;
        let name = verdict.name();
        write!(f, "verdict: {name} ({compared} requests compared")?;
        if *not_compared > 0 {
            write!(f, ", {not_compared} not")?;
        }
        writeln!(f, ", alpha {alpha})")?;
        for finding in findings {
            writeln!(f, "  {finding}")?;
        }
        for (group, findings) in groups {
            let differing = |it: &&Finding| it.verdict == Verdict::Differs;
            for finding in findings.iter().filter(differing) {
                writeln!(f, "  {group}: {finding}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    /// `failures       differs: 1.00 % at the baseline, 3.10 % at the candidate (+0.90 to +3.40)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scale, unit) = match self.question {
            Question::Latency(_) => (1e3, "ms"),
            Question::Failures | Question::ClientErrors => (1e2, "%"),
        };
        let (question, verdict) = (self.question.name(), self.verdict.name());
        let (baseline, candidate) = (self.baseline * scale, self.candidate * scale);
        write!(
            f,
            "{question:<14} {verdict}: {baseline:.2} {unit} at the baseline, {candidate:.2} {unit} at \
             the candidate"
        )?;
        let (from, to) = (self.difference.from * 1e2, self.difference.to * 1e2);
        if from.is_finite() && to.is_finite() {
            write!(f, " ({from:+.2} to {to:+.2} %)")?;
        }
        Ok(())
    }
}
