//! The questions that are asked of a comparison, overall and by group, and what they come to.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    bounds::Bounds,
    contents::{Changes, Contents, Difference, FieldFinding, Noise},
    latency::{Latency, QUANTILES},
    level::Level,
    pairs::{Pair, Pairs},
};
use crate::counters::{
    Sum,
    sum::{counters, reasons},
};

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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

/// A question of the comparison, answered for all requests and for each group.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Question {
    /// Do more requests fail: are answered with 5xx, or not at all?
    Failures,
    /// Are more requests answered with 4xx?
    ClientErrors,
    /// Do the contents of more replies differ: status, header fields, bodies?
    Contents,
    /// Is this quantile (0 to 1) of latency higher?
    Latency(f64),
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
    #[derive(Serialize, Deserialize)]
    Group {
        /// Requests by where they failed.
        failures: Pairs,
        /// Requests by where they were answered with 4xx.
        client_errors: Pairs,
        /// Latencies of both, and which were slow where.
        latency: Latency,
        /// What of their replies differed.
        contents: Contents,
    }
}

reasons! {
    /// Requests whose contents were to be compared and were not, by reason.
    #[derive(Serialize, Deserialize)]
    NotCompared {
        /// One of the replies did not come, or not to its end.
        incomplete,
        /// A body was longer than what is kept, or decoded to more than that.
        too_long,
        /// There was no memory for a reply, or too many requests were under way.
        no_room,
        /// A body is encoded in a way that is not known, at all of them.
        unknown_encoding,
        /// A body of JSON has more levels or values than are looked at.
        too_deep,
        /// The fields or frames of a reply break a rule of HTTP/2.
        malformed,
        /// Of v1's own reply, the body was not captured whole, or nothing was. Heads are compared all the same.
        not_captured,
        /// Fields of v1's own reply, over HTTP/2, refer to others that were not captured.
        not_decoded,
    }
}

counters! {
    /// Requests by what their method may do (RFC 9110 section 9.2.1).
    #[derive(Copy, Serialize, Deserialize)]
    Methods {
        /// It changes nothing: GET, HEAD, OPTIONS, TRACE.
        safe: u64,
        /// It may change state, at both versions.
        changing: u64,
    }
}

impl Methods {
    fn count(&mut self, group: &str) {
        let method = group.split(' ').next().unwrap_or_default();
        let is_safe = ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&method);
        *(if is_safe {
            &mut self.safe
        } else {
            &mut self.changing
        }) += 1;
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
        let contents = (self.contents.total() > 0).then_some(Question::Contents);
        shares
            .into_iter()
            .chain(contents)
            .chain(latency.into_iter().filter(move |_| measured))
    }

    fn answer(&self, question: Question, level: f64, margins: &Margins) -> Finding {
        match question {
            Question::Failures => of_shares(&self.failures, question, level, margins.share),
            Question::ClientErrors => {
                of_shares(&self.client_errors, question, level, margins.share)
            }
            Question::Contents => self.contents.answer(level, margins.share),
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
    /// The question that this answers.
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

pub(super) fn of_shares(pairs: &Pairs, question: Question, level: f64, margin: f64) -> Finding {
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Requests of which one copy came to nothing, for a reason that is no version's.
    pub not_compared: u64,
    /// Requests of groups for which there was no room: they count overall only.
    pub ungrouped: u64,
    /// Requests by their methods.
    pub methods: Methods,
    /// Requests whose contents were not compared, though they were to be.
    pub contents_not_compared: NotCompared,
    /// All requests.
    pub overall: Group,
    /// Requests by group, at most so many groups as [`Bounds`] say; those of more count overall only.
    pub groups: BTreeMap<String, Group>,
    /// The last differences in contents, if they are kept.
    #[serde(skip)]
    pub differences: Vec<Difference>,
    /// How much is counted.
    #[serde(skip)]
    pub bounds: Bounds,
}

impl Comparison {
    /// Counts how one request of a group went at both. A group's name begins with the method of its
    /// requests, and a space.
    pub fn count(&mut self, group: &str, baseline: &Measured, candidate: &Measured) {
        self.overall.count(baseline, candidate);
        self.methods.count(group);
        if let Some(known) = self.groups.get_mut(group) {
            known.count(baseline, candidate);
        } else if self.has_room() {
            let mut new = Group::default();
            new.count(baseline, candidate);
            self.groups.insert(group.to_owned(), new);
        } else {
            self.ungrouped += 1;
        }
    }

    /// Counts what differed in the contents of the replies to a request of a group, which
    /// [was counted](Self::count): at the candidate, and by itself.
    pub fn count_contents<'a>(
        &mut self,
        group: &str,
        candidate: &Changes,
        noise: impl Into<Noise<'a>>,
    ) {
        let (noise, most) = (noise.into(), self.bounds.fields);
        self.overall.contents.count(candidate, noise, most);
        if let Some(known) = self.groups.get_mut(group) {
            known.contents.count(candidate, noise, most);
        }
    }

    /// Keeps a difference, and at most so many of the last ones.
    pub fn keep_difference(&mut self, difference: Difference, most: usize) {
        self.differences.push(difference);
        let more = self.differences.len().saturating_sub(most);
        self.differences.drain(..more);
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

    /// The answers about each field that differed at the candidate, in all requests and in each group:
    /// the surest first.
    #[must_use]
    pub fn fields(&self, level: Level, margins: &Margins) -> Vec<FieldFinding> {
        let overall = self.overall.contents.answers(level.field(), margins.share);
        let mut all: Vec<_> = overall.collect();
        for (name, group) in &self.groups {
            let findings = group.contents.answers(level.group_field(), margins.share);
            all.extend(findings.map(|finding| FieldFinding {
                group: Some(name.clone()),
                ..finding
            }));
        }
        all.sort_by(|one, other| {
            let order = other.verdict.cmp(&one.verdict);
            order.then(other.e_value.total_cmp(&one.e_value))
        });
        all
    }

    /// What all of it comes to: it differs if anything does, and is the same if failures, client errors,
    /// contents and the median latency of all requests are. (The p99 of less than some 100 000 requests is not
    /// known to ten percent: it only ever finds differences.)
    #[must_use]
    pub fn verdict(&self, level: Level, margins: &Margins) -> Verdict {
        let groups = self.groups.keys();
        let groups: Vec<_> = groups
            .flat_map(|name| self.group(name, level, margins))
            .collect();
        let fields = self.fields(level, margins);
        of_findings(&self.overall(level, margins), &groups, &fields)
    }

    fn has_room(&self) -> bool {
        self.groups.len() < self.bounds.groups
    }
}

impl Sum for Comparison {
    fn add(&mut self, more: &Self) {
        self.not_compared += more.not_compared;
        self.ungrouped += more.ungrouped;
        self.methods.add(&more.methods);
        self.contents_not_compared.add(&more.contents_not_compared);
        self.overall.add(&more.overall);
        self.differences.extend(more.differences.iter().cloned());
        for (name, group) in &more.groups {
            if self.groups.contains_key(name) || self.has_room() {
                self.groups.entry(name.clone()).or_default().add(group);
            } else {
                self.ungrouped += group.failures.total();
            }
        }
    }
}

/// What the findings about all requests, about all groups, and about fields come to together.
pub(super) fn of_findings<'a>(
    overall: &[Finding],
    groups: impl IntoIterator<Item = &'a Finding>,
    fields: &[FieldFinding],
) -> Verdict {
    let differs = |it: &Finding| it.verdict == Verdict::Differs;
    let fields = fields.iter().any(|it| it.verdict == Verdict::Differs);
    if fields || groups.into_iter().any(differs) {
        return Verdict::Differs;
    }
    let counts = |it: &&Finding| differs(it) || it.question != Question::Latency(0.99);
    let verdicts = overall.iter().filter(counts).map(|it| it.verdict);
    verdicts.max().unwrap_or(Verdict::NotEnough)
}
