//! The questions that are asked of a comparison, overall and by group, and what they come to.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    latency::{Latency, QUANTILES},
    pairs::{Pair, Pairs},
};
use crate::counters::{Sum, sum::counters};

/// Most groups of which each is asked for itself; requests of others count overall.
const MAX_GROUPS: u32 = 64;

/// What a question, or all of them, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// If there is a difference, it is smaller than the margin.
    Same,
    /// Too few requests to tell.
    NotEnough,
    /// There is a difference, and as far as is known it exceeds the margin.
    Differs,
}

/// The smallest differences that matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margins {
    /// Of shares, absolute (0 to 1). Default: 0.005, half a percent of the requests.
    pub share: f64,
    /// Of latencies, relative. Default: 0.1, ten percent. Less than a millisecond never matters: the mirror
    /// itself takes such times.
    pub latency: f64,
}

impl Default for Margins {
    fn default() -> Self {
        Self {
            share: 0.005,
            latency: 0.1,
        }
    }
}

/// The probability (0 to 1) with which something may be found that is not there, in one question or
/// another. Default: 0.05.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level(pub f64);

impl Default for Level {
    fn default() -> Self {
        Self(0.05)
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Question {
    /// Do more requests fail: are answered with 5xx, or not at all?
    Failures,
    /// Are more requests answered with 4xx?
    ClientErrors,
    /// Is this quantile (0 to 1) of latency higher?
    Latency(f64),
}

impl Level {
    /// The part of a question asked of all requests. Failures of all are what matters most; the parts
    /// of all questions, with those of the groups, add up to the whole.
    fn overall(self, question: Question) -> f64 {
        self.0
            * match question {
                Question::Failures => 0.75,
                Question::ClientErrors => 0.05,
                Question::Latency(_) => 0.1 / 2.0,
            }
    }

    /// The part of a question asked of one of the groups. A group has the same part whenever it was
    /// first seen, so that counts of several places add up.
    fn group(self, question: Question) -> f64 {
        let all = self.0
            * match question {
                Question::Failures => 0.06,
                Question::ClientErrors => 0.02,
                Question::Latency(_) => 0.02 / 2.0,
            };
        all / f64::from(MAX_GROUPS)
    }
}

/// How one request went at one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The status of its reply; `None` if there was none.
    pub status: Option<u16>,
    /// From its first byte sent to the head of its reply; `None` if that was not measured.
    pub latency: Option<Duration>,
}

impl Measured {
    const fn failed(&self) -> bool {
        matches!(self.status, None | Some(500..))
    }

    const fn is_client_error(&self) -> bool {
        matches!(self.status, Some(400..500))
    }
}

counters! {
    /// What was counted of some requests.
    Group {
        /// Requests by where they failed.
        failures: Pairs,
        /// Requests by where they were answered with 4xx.
        client_errors: Pairs,
        /// Latencies of both, and which were slow where.
        latency: Latency,
    }
}

impl Group {
    fn count(&mut self, baseline: &Measured, candidate: &Measured) {
        self.failures.count(Pair {
            baseline: baseline.failed(),
            candidate: candidate.failed(),
        });
        self.client_errors.count(Pair {
            baseline: baseline.is_client_error(),
            candidate: candidate.is_client_error(),
        });
        // A latency without its twin would compare other requests with these.
        if let (Some(ours), Some(theirs)) = (baseline.latency, candidate.latency) {
            self.latency.count(ours, theirs);
        }
    }

    /// What can be asked: of latency nothing where it is not measured.
    fn questions(&self) -> impl Iterator<Item = Question> {
        let shares = [Question::Failures, Question::ClientErrors];
        let measured = self.latency.baseline.count() > 0;
        let latency = QUANTILES.map(Question::Latency);
        shares
            .into_iter()
            .chain(latency.into_iter().filter(move |_| measured))
    }

    fn answer(&self, question: Question, level: f64, margins: &Margins) -> Finding {
        match question {
            Question::Failures => of_shares(&self.failures, question, level, margins.share),
            Question::ClientErrors => {
                of_shares(&self.client_errors, question, level, margins.share)
            }
            Question::Latency(q) => self.latency.answer(q, level, margins.latency),
        }
    }
}

/// Numbers between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower bound.
    pub from: f64,
    /// The upper bound.
    pub to: f64,
}

impl Interval {
    pub(super) const ALL: Self = Self {
        from: f64::NEG_INFINITY,
        to: f64::INFINITY,
    };
}

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was asked.
    pub question: Question,
    /// What it came to.
    pub verdict: Verdict,
    /// What was seen of the baseline: a share (0 to 1), or seconds.
    pub baseline: f64,
    /// What was seen of the candidate, in the same unit.
    pub candidate: f64,
    /// What the candidate has more than the baseline: absolute for shares, relative for latencies. The
    /// true difference lies in it with a probability of at least one less the level, at all looks.
    pub difference: Interval,
    /// The e-value against equality.
    pub e_value: f64,
}

fn of_shares(pairs: &Pairs, question: Question, level: f64, margin: f64) -> Finding {
    let (evidence, range) = (pairs.evidence(), pairs.difference(level));
    let difference = Interval {
        from: *range.start(),
        to: *range.end(),
    };
    let (baseline, candidate) = (pairs.baseline(), pairs.candidate());
    let matters = (candidate - baseline).abs() > margin;
    Finding {
        question,
        verdict: verdict(difference, margin, evidence.rejects(level) && matters),
        baseline,
        candidate,
        difference,
        e_value: evidence.value(),
    }
}

pub(super) fn verdict(difference: Interval, margin: f64, differs: bool) -> Verdict {
    if differs {
        Verdict::Differs
    } else if -margin <= difference.from && difference.to <= margin {
        Verdict::Same
    } else {
        Verdict::NotEnough
    }
}

/// Everything that was counted of a baseline and a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Requests of which one copy came to nothing, for a reason that is no version's.
    pub not_compared: u64,
    /// All requests.
    pub overall: Group,
    /// Requests by group, at most 64 groups; those of more count overall only.
    pub groups: BTreeMap<String, Group>,
}

impl Comparison {
    /// Counts how one request of a group went at both.
    pub fn count(&mut self, group: &str, baseline: &Measured, candidate: &Measured) {
        self.overall.count(baseline, candidate);
        if let Some(known) = self.groups.get_mut(group) {
            known.count(baseline, candidate);
        } else if self.has_room() {
            let mut new = Group::default();
            new.count(baseline, candidate);
            self.groups.insert(group.to_owned(), new);
        }
    }

    /// The answers for all requests: failures, client errors, and each quantile of latency.
    #[must_use]
    pub fn overall(&self, level: Level, margins: &Margins) -> Vec<Finding> {
        let answer = |question| {
            self.overall
                .answer(question, level.overall(question), margins)
        };
        self.overall.questions().map(answer).collect()
    }

    /// The answers for one group; none if there is no such group.
    #[must_use]
    pub fn group(&self, name: &str, level: Level, margins: &Margins) -> Vec<Finding> {
        let Some(group) = self.groups.get(name) else {
            return Vec::new();
        };
        let answer = |question| group.answer(question, level.group(question), margins);
        group.questions().map(answer).collect()
    }

    /// What all of it comes to: it differs if anything does, and is the same if failures, client errors
    /// and the median latency of all requests are. (The p99 of less than some 100 000 requests is not
    /// known to ten percent: it only ever finds differences.)
    #[must_use]
    pub fn verdict(&self, level: Level, margins: &Margins) -> Verdict {
        let groups = self.groups.keys();
        let groups: Vec<_> = groups
            .flat_map(|name| self.group(name, level, margins))
            .collect();
        of_findings(&self.overall(level, margins), &groups)
    }

    fn has_room(&self) -> bool {
        self.groups.len() < usize::try_from(MAX_GROUPS).unwrap_or(usize::MAX)
    }
}

impl Sum for Comparison {
    fn add(&mut self, more: &Self) {
        self.not_compared += more.not_compared;
        self.overall.add(&more.overall);
        for (name, group) in &more.groups {
            if self.groups.contains_key(name) || self.has_room() {
                self.groups.entry(name.clone()).or_default().add(group);
            }
        }
    }
}

/// What the findings about all requests, and about all groups, come to together.
pub(super) fn of_findings<'a>(
    overall: &[Finding],
    groups: impl IntoIterator<Item = &'a Finding>,
) -> Verdict {
    let differs = |it: &Finding| it.verdict == Verdict::Differs;
    if groups.into_iter().any(differs) {
        return Verdict::Differs;
    }
    let counts = |it: &&Finding| differs(it) || it.question != Question::Latency(0.99);
    let verdicts = overall.iter().filter(counts).map(|it| it.verdict);
    verdicts.max().unwrap_or(Verdict::NotEnough)
}
