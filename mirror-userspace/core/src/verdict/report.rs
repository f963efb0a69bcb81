//! A verdict for people and for machines.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    contents::{Difference, FieldFinding},
    groups::{Comparison, Finding, Margins, Methods, Question, Verdict, of_findings},
    level::Level,
};

/// Most fields that a report has: the surest.
const FIELDS: usize = 1_000;
/// Most fields whose difference may be their own that are named for people.
const UNEXPLAINED: usize = 5;

/// How a comparison is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// How sure one wants to be.
    pub level: Level,
    /// From which size on a difference matters.
    pub margins: Margins,
    /// What copies had been through.
    pub conditions: Conditions,
}

/// What copies had been through before the versions got them: both got the same, but not what v1's
/// clients sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Headers, hosts or paths were changed.
    pub rewritten: bool,
    /// Values were replaced by "redacted".
    pub redacted: bool,
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
    /// Requests of groups that are not told apart, as there are more than 64.
    pub ungrouped: u64,
    /// Requests compared by whether their method may change state at both versions.
    pub methods: Methods,
    /// What copies had been through.
    pub conditions: Conditions,
    /// The probability (0 to 1) of finding a difference that is not there.
    pub alpha: f64,
    /// The smallest differences that matter.
    pub margins: Margins,
    /// The answers about all requests.
    pub findings: Vec<Finding>,
    /// The answers about each group.
    pub groups: BTreeMap<String, Vec<Finding>>,
    /// Of how many requests contents were compared, or not.
    pub contents: ContentsCompared,
    /// The answers about each field that differed, the surest first, at most 1 000.
    pub fields: Vec<FieldFinding>,
    /// The last differences with their values, if they are kept.
    pub differences: Vec<Difference>,
    /// What it is judged by, for [`Counted`].
    pub counts: Comparison,
}

/// What is read back of a report's JSON, to be added to that of other places.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Counted {
    /// The probability (0 to 1) of finding a difference that is not there.
    pub alpha: f64,
    /// The smallest differences that matter.
    pub margins: Margins,
    /// What copies had been through.
    pub conditions: Conditions,
    /// The counts that the report was made from.
    pub counts: Comparison,
}

impl Counted {
    /// How it is judged.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        Terms {
            level: Level(self.alpha),
            margins: self.margins,
            conditions: self.conditions,
        }
    }
}

/// Of how many requests contents were compared, or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContentsCompared {
    /// Requests whose contents were compared.
    pub compared: u64,
    /// Those that were to be compared and were not, by reason.
    pub not_compared: BTreeMap<&'static str, u64>,
    /// Whether a second baseline tells what differs by itself.
    pub second_baseline: bool,
    /// Requests compared that had come before, so that the baseline's own replies to both tell what differs by
    /// itself; only without a second baseline.
    pub repeated: u64,
    /// Differences in fields that have no counters, as there are too many.
    pub left_out: u64,
}

impl ContentsCompared {
    fn new(comparison: &Comparison) -> Self {
        let contents = &comparison.overall.contents;
        Self {
            compared: contents.total(),
            not_compared: comparison.contents_not_compared.named().into(),
            second_baseline: contents.has_second(),
            repeated: contents.with_earlier,
            left_out: contents.left_out,
        }
    }
}

impl Report {
    /// Judges what was counted by these terms, and says how sure that is.
    #[must_use]
    pub fn new(comparison: &Comparison, terms: &Terms) -> Self {
        let Terms {
            level,
            margins,
            conditions,
        } = *terms;
        let names = comparison.groups.keys();
        let groups: BTreeMap<_, _> = names
            .map(|name| (name.clone(), comparison.group(name, level, &margins)))
            .collect();
        let findings = comparison.overall(level, &margins);
        let mut fields = comparison.fields(level, &margins);
        fields.truncate(FIELDS);
        Self {
            verdict: of_findings(&findings, groups.values().flatten(), &fields),
            compared: comparison.overall.failures.total(),
            not_compared: comparison.not_compared,
            ungrouped: comparison.ungrouped,
            methods: comparison.methods,
            conditions,
            alpha: level.0,
            margins,
            findings,
            groups,
            contents: ContentsCompared::new(comparison),
            fields,
            differences: comparison.differences.clone(),
            counts: comparison.clone(),
        }
    }

    /// The fields that differ by no more than may be their own, as far as is known, in all requests.
    fn unexplained(&self) -> impl Iterator<Item = &str> {
        let unexplained = |it: &&FieldFinding| {
            let alone = it.group.is_none() && it.verdict != Verdict::Differs;
            alone && it.by_itself.is_none()
        };
        let fields = self.fields.iter().filter(unexplained);
        fields.map(|it| it.field.as_str())
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
            Self::Contents => "contents".to_owned(),
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
            ungrouped,
            methods,
            conditions,
            alpha,
            findings,
            groups,
            contents,
            fields,
            // For machines, and the page.
            differences: _,
            counts: _,
            margins: _,
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
        if *ungrouped > 0 {
            writeln!(
                f,
                "  {ungrouped} of the requests are of more groups than are told apart: see --group-path"
            )?;
        }
        if methods.changing > 0 {
            writeln!(
                f,
                "  {} of the requests may change state (POST, …): both versions carried them out",
                methods.changing
            )?;
        }
        if conditions.rewritten || conditions.redacted {
            let how = match (conditions.rewritten, conditions.redacted) {
                (true, true) => "rewritten and redacted",
                (true, false) => "rewritten",
                _ => "redacted",
            };
            writeln!(f, "  the requests were {how} before both versions got them")?;
        }
        let differing = |it: &&FieldFinding| it.verdict == Verdict::Differs;
        for finding in fields.iter().filter(differing) {
            writeln!(f, "  {finding}")?;
        }
        if contents.repeated > 0 {
            writeln!(
                f,
                "  what differs by itself, the baseline's replies to {} requests that came again tell",
                contents.repeated
            )?;
        }
        let unexplained: Vec<_> = self.unexplained().collect();
        if !unexplained.is_empty() && !contents.second_baseline {
            let some = unexplained.get(..UNEXPLAINED).unwrap_or(&unexplained);
            let (some, count) = (some.join(", "), unexplained.len());
            writeln!(
                f,
                "  {count} fields differ, maybe by themselves ({some}{}): a second target with role=baseline \
                 tells",
                if count > UNEXPLAINED { ", …" } else { "" }
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    /// `failures       differs: 1.00 % at the baseline, 3.10 % at the candidate (+0.90 to +3.40)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scale, unit) = match self.question {
            Question::Latency(_) => (1e3, "ms"),
            Question::Failures | Question::ClientErrors | Question::Contents => (1e2, "%"),
        };
        let (question, verdict) = (self.question.name(), self.verdict.name());
        let (baseline, candidate) = (self.baseline * scale, self.candidate * scale);
        write!(f, "{question:<14} {verdict}: ")?;
        match self.question {
            Question::Contents if baseline.is_nan() => {
                write!(f, "{candidate:.2} % of the candidate's are others")?;
            }
            Question::Contents => write!(
                f,
                "{baseline:.2} % differ between baselines, {candidate:.2} % from the candidate's"
            )?,
            _ => write!(
                f,
                "{baseline:.2} {unit} at the baseline, {candidate:.2} {unit} at the candidate"
            )?,
        }
        let (from, to) = (self.difference.from * 1e2, self.difference.to * 1e2);
        if from.is_finite() && to.is_finite() {
            write!(f, " ({from:+.2} to {to:+.2} %)")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldFinding {
    /// `GET /pay: header x-total differs: in 100.00 % of replies (100.00 % lack it), 0.00 % by itself`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            field,
            verdict,
            differs,
            by_itself,
            missing,
            added,
            e_value: _,
        } = self;
        if let Some(group) = group {
            write!(f, "{group}: ")?;
        }
        let (verdict, percent) = (verdict.name(), |share: f64| share * 1e2);
        write!(
            f,
            "{field} {verdict}: in {:.2} % of replies",
            percent(*differs)
        )?;
        if *missing > 0.0 {
            write!(f, ", {:.2} % lack it", percent(*missing))?;
        }
        if *added > 0.0 {
            write!(f, ", {:.2} % alone have it", percent(*added))?;
        }
        match by_itself {
            Some(by_itself) => write!(f, "; {:.2} % by itself", percent(*by_itself)),
            None => Ok(()),
        }
    }
}
