//! The metrics of a comparison of two targets.

use mirror_core::verdict::{Report, Verdict};

use super::{super::text::Page, catalogue as all};

pub(super) fn add(page: &mut Page, rule: (&'static str, &str), report: &Report) {
    let Report {
        verdict,
        compared,
        not_compared,
        // What was asked for.
        alpha: _,
        findings,
        // As many series as groups and fields: GET /verdict has them.
        groups: _,
        fields,
        contents,
        // Values of replies are for whoever asks for them.
        differences: _,
        ungrouped: _,
        methods: _,
        counts: _,
        margins: _,
        conditions: _,
    } = report;
    for (outcome, count) in [("compared", compared), ("not_compared", not_compared)] {
        page.add(all::COMPARED, &[rule, ("outcome", outcome)], count);
    }
    let compared = [("compared", contents.compared)];
    for (outcome, count) in compared.into_iter().chain(contents.not_compared.clone()) {
        page.add(all::CONTENTS, &[rule, ("outcome", outcome)], count);
    }
    let differing = fields.iter().filter(|it| it.verdict == Verdict::Differs);
    page.add(all::DIFFERING_FIELDS, &[rule], differing.count());
    for one in [Verdict::Same, Verdict::NotEnough, Verdict::Differs] {
        let labels = [rule, ("verdict", one.name())];
        page.add(all::VERDICT, &labels, u8::from(one == *verdict));
    }
    for finding in findings {
        let question = finding.question.name();
        let labels = [rule, ("question", question.as_str())];
        page.add(all::E_VALUE, &labels, finding.e_value.min(f64::MAX));
    }
}
