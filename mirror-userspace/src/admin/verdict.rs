//! `/verdict`: whether candidates do as well as their baselines, for people and for those who roll out.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::StatusCode;
use mirror_core::verdict::{Report, Verdict};
use serde::Serialize;

use super::{limits, snapshot::Snapshot};

/// What is answered: a status for those who read no more, and JSON.
pub(super) type Answer = (StatusCode, Bytes);

#[derive(Serialize)]
struct Verdicts<'a> {
    /// The worst of them.
    verdict: Verdict,
    rules: BTreeMap<&'a str, Report>,
}

/// The verdicts on all rules that compare; `None` if there is none, or they can't be written.
pub(super) fn of(snapshot: &Snapshot) -> Option<Answer> {
    let mut rules = BTreeMap::new();
    for mirror in snapshot.mirrors.iter().take(limits::RULES) {
        if let Some(report) = mirror.ledger().verdict {
            rules.insert(mirror.rule.as_str(), report);
        }
    }
    let verdict = rules.values().map(|report| report.verdict).max()?;
    let status = match verdict {
        Verdict::Same => StatusCode::OK,
        Verdict::Differs => StatusCode::CONFLICT,
        Verdict::NotEnough => StatusCode::TOO_EARLY,
    };
    let text = serde_json::to_string(&Verdicts { verdict, rules }).ok()?;
    Some((status, (text + "\n").into()))
}
