//! What a comparison comes to, in the words of a status.
//!
//! Figures are told to two digits: counts grow with each request, and a status is not to be written for that.

use mirror_core::verdict::{Finding, Question, Report, Terms, Verdict};

use super::{
    conditions::{COMPARED, Condition, Whole},
    counts::Counted,
    seen::{Comparing, SeenDocument, rounded},
};

/// What the comparison of a mirror comes to, on all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    verdict: Verdict,
    message: String,
}

impl Judged {
    /// Judges what was counted by these terms.
    pub(super) fn new(counted: &Counted, terms: &Terms) -> Self {
        let report = counted.judge(terms);
        Self {
            verdict: report.verdict,
            message: message(&report, counted.worst()),
        }
    }

    /// In one word, as conditions have their reasons.
    pub(super) const fn name(&self) -> &'static str {
        match self.verdict {
            Verdict::Same => "Same",
            Verdict::NotEnough => "NotEnough",
            Verdict::Differs => "Differs",
        }
    }
}

/// The condition that there is a verdict, of a mirror that asks for a comparison.
pub(super) fn compared(seen: &SeenDocument, whole: &Whole) -> Option<Condition> {
    let (holds, reason, mut message) = match (seen.comparison.as_ref()?, &whole.judged) {
        (Comparing::Not(remark), _) => (false, remark.reason, remark.text.clone()),
        (Comparing::AsAsked(_), Some(judged)) => {
            let holds = judged.verdict != Verdict::NotEnough;
            (holds, judged.name(), judged.message.clone())
        }
        (Comparing::AsAsked(_), None) => return None,
    };
    if whole.left_out > 0 {
        let nodes = whole.left_out;
        message += &format!("; replies on {nodes} node(s) with too many mirrors are not counted");
    }
    Some(Condition {
        kind: COMPARED,
        holds,
        reason,
        message,
    })
}

/// `differs: failures 0 % at the baseline, 33 % at the candidate; 300 requests compared, most at GET /pay`
fn message(report: &Report, worst: Option<&str>) -> String {
    let with = |verdict| {
        let findings = report.findings.iter();
        findings.filter(move |finding| finding.verdict == verdict)
    };
    let names = |verdict| {
        let names: Vec<_> = with(verdict).map(|it| it.question.name()).collect();
        names.join(", ")
    };
    let compared = rounded(report.compared);
    match report.verdict {
        Verdict::Differs => {
            let differing: Vec<_> = with(Verdict::Differs).map(shares).collect();
            // Of contents, no group is told.
            let mut failing = with(Verdict::Differs).map(|it| it.question);
            let fails = failing.any(|it| matches!(it, Question::Failures | Question::ClientErrors));
            let worst = worst.filter(|_| fails);
            let worst = worst.map_or_else(String::new, |name| format!(", worst {name}"));
            let differing = differing.join("; ");
            format!("differs: {differing}; of {compared} requests{worst}")
        }
        Verdict::Same => {
            let names = names(Verdict::Same);
            format!("same: {names}, of {compared} requests")
        }
        Verdict::NotEnough => {
            let open = names(Verdict::NotEnough);
            format!("not enough yet: {compared} requests say nothing sure of {open}")
        }
    }
}

/// What was seen of both.
fn shares(finding: &Finding) -> String {
    let Finding {
        question,
        baseline,
        candidate,
        ..
    } = finding;
    let (name, theirs) = (question.name(), percent(*candidate));
    match question {
        Question::Contents if baseline.is_nan() => format!("{name} {theirs}"),
        // What differs at the baseline does so by itself.
        Question::Contents => format!("{name} {theirs}, by themselves {}", percent(*baseline)),
        _ => {
            let ours = percent(*baseline);
            format!("{name} {ours} at the baseline, {theirs} at the candidate")
        }
    }
}

/// A share to two digits: `0.12 %`, `33 %`.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        ..0.000_5 => 0,
        ..0.1 => 3,
        ..1.0 => 2,
        ..10.0 => 1,
        _ => 0,
    };
    format!("{percent:.digits$} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_digits() {
        for (share, shown) in [
            (0.0, "0 %"),
            (0.000_25, "0.025 %"),
            (0.001_24, "0.12 %"),
            (0.0333, "3.3 %"),
            (1.0 / 3.0, "33 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), shown);
        }
    }
}
