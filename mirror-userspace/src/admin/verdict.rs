//! `/verdict`: whether candidates do as well as their baselines, for people and for those who roll out.

use std::{
    collections::BTreeMap,
    iter,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use hyper::StatusCode;
use mirror_core::verdict::{Report, Verdict};
use serde::Serialize;

use super::{
    limits,
    snapshot::{FLAGS, Snapshot},
};

/// What is answered: a status for those who read no more, and JSON.
pub(super) type Answer = (StatusCode, Bytes);

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Whether any verdict is a 200.
    pub(super) any: bool,
    /// The only rule that is meant.
    pub(super) rule: Option<String>,
}

impl Asked {
    /// Reads `status=200` and `rule=NAME` of a URL.
    pub(super) fn read(query: Option<&str>) -> Result<Self, &'static str> {
        let mut asked = Self::default();
        let parts = query.into_iter().flat_map(|query| query.split('&'));
        for part in parts.filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("status", "200")) => asked.any = true,
                Some(("rule", name)) => {
                    asked.rule = Some(decoded(name).ok_or("rule= is not percent-encoded UTF-8")?);
                }
                _ => return Err("accepted: status=200, rule=NAME"),
            }
        }
        Ok(asked)
    }
}

/// A value of a query, as forms encode it.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let decoded = iter::from_fn(|| {
        Some(match bytes.next()? {
            b'+' => Some(b' '),
            b'%' => hex(&mut bytes),
            byte => Some(byte),
        })
    });
    String::from_utf8(decoded.collect::<Option<_>>()?).ok()
}

fn hex(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    u8::try_from(digit()? * 16 + digit()?).ok()
}

#[derive(Serialize)]
struct Verdicts<'a> {
    /// That of the flags' rule; if it does not compare, the worst of them.
    verdict: Verdict,
    rules: BTreeMap<&'a str, Report>,
}

/// What was answered of one snapshot, by the rule that was asked about: whoever asks again has the same, and nothing is
/// judged for it. `None`: nothing is compared.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<BTreeMap<Option<String>, Option<Answer>>>);

impl Answers {
    /// The verdict, of that snapshot each time; `None` where nothing of what is asked about is compared. As many are kept as
    /// rules that compare, and one of all.
    pub(super) fn to(&self, asked: &Asked, snapshot: &Snapshot) -> Option<Answer> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.get(&asked.rule) {
            return answer.clone();
        }
        let answer = match &asked.rule {
            Some(name) => of_rule(snapshot, name),
            None => of_all(snapshot),
        };
        // There is no end to names of rules that are none.
        if answer.is_some() || asked.rule.is_none() {
            known.insert(asked.rule.clone(), answer.clone());
        }
        answer
    }
}

/// The verdicts on all rules that compare; `None` if there is none, or they can't be written. The flags' rule decides where
/// it compares: who may write documents must not decide what whoever set the flags waits for.
fn of_all(snapshot: &Snapshot) -> Option<Answer> {
    let mut rules = BTreeMap::new();
    for mirror in snapshot.mirrors.iter().take(limits::RULES) {
        if let Some(report) = mirror.ledger().verdict {
            rules.insert(mirror.rule.as_str(), report);
        }
    }
    let worst = || rules.values().map(|report| report.verdict).max();
    let of_flags = rules.get(FLAGS).map(|report| report.verdict);
    let verdict = of_flags.or_else(worst)?;
    answer(&Verdicts { verdict, rules })
}

/// The verdict on the rule of this name; `None` if there is none that compares.
fn of_rule(snapshot: &Snapshot, name: &str) -> Option<Answer> {
    let mirror = snapshot.mirrors.iter().find(|it| it.rule == name)?;
    let report = mirror.ledger().verdict?;
    answer(&Verdicts {
        verdict: report.verdict,
        rules: BTreeMap::from([(mirror.rule.as_str(), report)]),
    })
}

fn answer(verdicts: &Verdicts<'_>) -> Option<Answer> {
    let status = match verdicts.verdict {
        Verdict::Same => StatusCode::OK,
        Verdict::Differs => StatusCode::CONFLICT,
        Verdict::NotEnough => StatusCode::TOO_EARLY,
    };
    let text = serde_json::to_string(verdicts).ok()?;
    Some((status, (text + "\n").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_asked_for_by_its_name_as_urls_have_it() {
        let of = |rule: &str, any| {
            let rule = Some(rule.to_owned());
            Ok(Asked { any, rule })
        };
        for (query, asked) in [
            ("", Ok(Asked::default())),
            (
                "status=200",
                Ok(Asked {
                    any: true,
                    rule: None,
                }),
            ),
            ("rule=flags", of("flags", false)),
            (
                "status=200&rule=TrafficMirror%20shop%2Fweb",
                of("TrafficMirror shop/web", true),
            ),
            (
                "rule=TrafficMirror+shop/web",
                of("TrafficMirror shop/web", false),
            ),
        ] {
            assert_eq!(Asked::read(Some(query)), asked, "{query}");
        }
        for bad in [
            "status=409",
            "rules=a",
            "rule=%f",
            "rule=%zz",
            "rule=%ff",
            "rule",
        ] {
            assert!(Asked::read(Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(Asked::read(None), Ok(Asked::default()));
    }
}
