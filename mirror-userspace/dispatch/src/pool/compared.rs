//! Which copies are compared, and by what group.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, cell::LazyCell};

use mirror_core::{
    pipeline::{MirrorCopy, RequestKey, SaidByV1, Wire},
    policy::PathPattern,
    segment::Time,
    verdict::{Comparison, Difference, Measured, Noise, Pairing, Role},
};

use super::{asked, of_v1::OfV1};
use crate::{
    compare::{Asked, ContentRules, Contents, Kept, Part, grpc},
    outcome::{After, Answer, Failure, Outcome},
};

/// Bytes of a method, and of a path's first part, that a group is called by: clients choose them.
const NAMED: usize = 64;

/// The comparison of two targets.
#[derive(Debug)]
pub(super) struct Compared {
    /// What each target is to it.
    parts: Vec<Option<Part>>,
    /// Whether v1 is the baseline.
    v1: bool,
    patterns: Vec<PathPattern>,
    pairing: Pairing<RequestKey>,
    contents: Contents<RequestKey>,
    /// What is captured of v1's replies, if it is the baseline.
    of_v1: OfV1,
    /// By what requests are the same.
    random: foldhash::quality::RandomState,
    /// When the last copy was captured.
    now: Time,
    /// The last request of which a target did not take its copy.
    turned_away: Option<RequestKey>,
}

impl Compared {
    /// `None` unless both roles are there. With `v1` that is the baseline.
    pub(super) fn new(
        roles: &[Option<Role>],
        v1: bool,
        patterns: Vec<PathPattern>,
        contents: ContentRules,
    ) -> Option<Self> {
        let parts = parts(roles, v1);
        let has_second = parts.contains(&Some(Part::Second));
        Role::are_compared(roles, v1).then(|| {
            let pairing = Pairing::within(contents.bounds);
            let contents = Contents::new(contents, has_second);
            Self {
                parts,
                v1,
                patterns,
                pairing,
                contents: if v1 { contents.of_captured() } else { contents },
                of_v1: OfV1::default(),
                random: foldhash::quality::RandomState::default(),
                now: Time::default(),
                turned_away: None,
            }
        })
    }

    pub(super) const fn comparison(&self) -> &Comparison {
        self.pairing.comparison()
    }

    pub(super) fn begin(&mut self, copy: &MirrorCopy) {
        if self.part(copy.target.0).is_none() || self.turned_away == Some(copy.request) {
            return;
        }
        self.now = self.now.max(copy.at);
        let Self {
            patterns,
            pairing,
            contents,
            of_v1,
            random,
            ..
        } = self;
        let line = LazyCell::new(|| asked::line(copy));
        let group = pairing.begin(copy.request, || group(&line, patterns).into());
        if let Some(group) = group {
            let given_up = contents.begin(copy.request, group, |repeats| Asked {
                line: line.clone(),
                same: repeats.then(|| asked::same(copy, random)).flatten(),
            });
            if let Some(given_up) = given_up {
                of_v1.forget(given_up);
            }
            if self.v1
                && let Some(kept) = contents.keep(copy.request)
            {
                match copy.wire {
                    Wire::Http1 => {
                        of_v1.begin(copy.request, copy.expect, kept, contents.budget());
                    }
                    Wire::Http2 { .. } => of_v1.begin_http2(copy.request, kept),
                }
            }
        }
        self.count_not_compared();
    }

    fn count_not_compared(&mut self) {
        let not_compared = self.contents.take_not_compared();
        self.pairing.comparison_mut().contents_not_compared += &not_compared;
    }

    /// What the reply to a copy for this target is kept in, if it is to be compared.
    pub(super) fn keep(&self, target: usize, request: RequestKey) -> Option<Box<Kept>> {
        self.part(target)?;
        self.contents.keep(request)
    }

    /// The reply to a copy for this target is over; whether all of it came.
    pub(super) fn handle_reply(
        &mut self,
        target: usize,
        request: RequestKey,
        mut kept: Box<Kept>,
        complete: bool,
    ) {
        let Some(part) = self.part(target) else {
            return;
        };
        if complete {
            kept.complete();
        }
        self.judge(request, part, kept);
    }

    /// One of a request's replies is there, as far as it will be.
    fn judge(&mut self, request: RequestKey, part: Part, kept: Box<Kept>) {
        let judged = self.contents.handle_reply(request, part, kept);
        self.forget_closed(request);
        let (keeps, now) = (self.contents.keeps(), self.now);
        self.count_not_compared();
        let comparison = self.pairing.comparison_mut();
        if let Some(unlike) = self.contents.take_unlike() {
            comparison.keep_difference(Difference { at: now, ..unlike }, keeps);
        }
        if let Some(judged) = judged {
            let second = judged.second.as_ref();
            let noise = match judged.repeats {
                true => second.map_or(Noise::Unknown, Noise::Earlier),
                false => second.into(),
            };
            comparison.count_contents(&judged.group, &judged.candidate, noise);
            if let Some(difference) = judged.kept {
                let at = now;
                comparison.keep_difference(Difference { at, ..difference }, keeps);
            }
        }
    }

    /// What is read of v1's reply is done with, if nobody waits for it any more.
    fn forget_closed(&mut self, request: RequestKey) {
        if !self.contents.is_open(request) {
            self.of_v1.forget(request);
        }
    }

    /// A target does not take its copy of a request that began: nobody waits for what others say to it, and as the
    /// copies of one request come one behind the other, it does not begin again with the next of them.
    pub(super) fn turn_away(&mut self, target: usize, request: RequestKey) {
        if self.part(target).is_some() {
            self.turned_away = Some(request);
        }
        self.end(target, request, &Outcome::Failed(Failure::Aborted));
    }

    /// A copy for this target ended, or its reply's head came.
    pub(super) fn end(&mut self, target: usize, request: RequestKey, outcome: &Outcome) {
        let Some(part) = self.part(target) else {
            return;
        };
        if let Outcome::Failed(_) = outcome {
            self.contents.give_up(request);
            self.forget_closed(request);
            self.count_not_compared();
        }
        let role = match part {
            Part::Baseline => Role::Baseline,
            Part::Candidate => Role::Candidate,
            Part::Second => return,
        };
        match outcome {
            Outcome::Answered(Answer {
                status, latency, ..
            }) => {
                let measured = Measured {
                    status: Some(*status),
                    // v1's is taken elsewhere: it would compare a network with none.
                    latency: latency.filter(|_| !self.v1),
                };
                self.pairing.end(request, role, measured);
            }
            // Told when it was answered.
            Outcome::Read(_) => {}
            Outcome::Failed(failure) if is_the_targets(*failure) => {
                let measured = Measured {
                    status: None,
                    latency: None,
                };
                self.pairing.end(request, role, measured);
            }
            Outcome::Failed(_) => self.pairing.give_up(request),
        }
    }

    /// A call of gRPC, which was answered so, is over: with this status, or without one.
    pub(super) fn end_call(
        &mut self,
        target: usize,
        request: RequestKey,
        answer: Answer,
        ended: Result<After, Failure>,
        status: Option<u32>,
    ) {
        let outcome = match (status, ended) {
            (Some(status), _) => Outcome::Answered(Answer {
                status: grpc::as_http(answer.status, status),
                ..answer
            }),
            // Whoever calls takes that for UNKNOWN.
            (None, Ok(After::Reusable)) => Outcome::Answered(Answer {
                status: grpc::as_http(answer.status, grpc::UNKNOWN),
                ..answer
            }),
            // Its end is not waited for.
            (None, Ok(_) | Err(Failure::Timeout)) => Outcome::Failed(Failure::Cancelled),
            (None, Err(failure)) => Outcome::Failed(failure),
        };
        self.end(target, request, &outcome);
    }

    /// v1 answered this request.
    pub(super) fn handle_v1(&mut self, request: RequestKey, status: u16) {
        if self.v1 {
            let measured = Measured {
                status: Some(status),
                latency: None,
            };
            self.pairing.end(request, Role::Baseline, measured);
        }
    }

    /// More of v1's reply to this request was captured; `None`: nothing that follows was.
    pub(super) fn handle_reply_of_v1(&mut self, request: RequestKey, bytes: Option<&[u8]>) {
        if let Some(kept) = self.of_v1.handle(request, bytes) {
            self.judge(request, Part::Baseline, kept);
        }
    }

    /// v1 said something to a request of HTTP/2.
    pub(super) fn handle_said_by_v1(&mut self, request: RequestKey, said: &SaidByV1) {
        if !self.v1 {
            return;
        }
        let is_known = self.pairing.has_ended(request, Role::Baseline);
        match *said {
            SaidByV1::Answer { status, grpc } => {
                let status = grpc.map_or(status, |grpc| grpc::as_http(status, grpc));
                self.handle_v1(request, status);
            }
            SaidByV1::Unknown if !is_known => self.pairing.give_up(request),
            SaidByV1::Failed if !is_known => {
                let measured = Measured {
                    status: None,
                    latency: None,
                };
                self.pairing.end(request, Role::Baseline, measured);
            }
            _ => {
                if let Some(kept) = self.of_v1.handle_said(request, said) {
                    self.judge(request, Part::Baseline, kept);
                }
            }
        }
    }

    /// Nothing more will be told: what is open is not compared.
    pub(super) fn close(&mut self) {
        self.pairing.close();
        self.contents.close();
        self.of_v1 = OfV1::default();
        self.count_not_compared();
    }

    fn part(&self, target: usize) -> Option<Part> {
        self.parts.get(target).copied().flatten()
    }
}

/// The first baseline, the first candidate, and the second baseline; more of them are no part of it.
fn parts(roles: &[Option<Role>], v1: bool) -> Vec<Option<Part>> {
    let (mut baselines, mut candidates) = (0, 0);
    let part = |role: &Option<Role>| match role {
        Some(Role::Baseline) if !v1 => {
            baselines += 1;
            match baselines {
                1 => Some(Part::Baseline),
                2 => Some(Part::Second),
                _ => None,
            }
        }
        Some(Role::Candidate) => {
            candidates += 1;
            (candidates == 1).then_some(Part::Candidate)
        }
        _ => None,
    };
    roles.iter().map(part).collect()
}

/// Whether a client would have failed with it, too.
const fn is_the_targets(failure: Failure) -> bool {
    match failure {
        Failure::Connect
        | Failure::Tls
        | Failure::Timeout
        | Failure::Reset
        | Failure::BadReply
        | Failure::StreamReset => true,
        Failure::NoHttp2
        | Failure::Refused
        | Failure::Cancelled
        | Failure::RefusedByV1
        | Failure::NoRoute
        | Failure::Unresolved
        | Failure::Local
        | Failure::TargetRefused
        | Failure::Aborted
        | Failure::StreamOverflow
        | Failure::Shutdown => false,
    }
}

/// The method and the first pattern that the path matches; without patterns, the path's first part.
fn group(head: &[u8], patterns: &[PathPattern]) -> String {
    let mut words = head.split(|&byte| byte == b' ');
    let method = name(words.next().unwrap_or_default());
    let target = words.next().unwrap_or_default();
    let end = target.iter().position(|byte| b"?#".contains(byte));
    let path = end.and_then(|end| target.get(..end)).unwrap_or(target);
    if !patterns.is_empty() {
        let found = patterns.iter().find(|pattern| pattern.is_match(path));
        let name = found.map_or_else(|| "(other)".to_owned(), ToString::to_string);
        return format!("{method} {name}");
    }
    let parts = path.iter().skip(1).position(|&byte| byte == b'/');
    let first = parts.and_then(|end| path.get(..=end)).unwrap_or(path);
    format!("{method} {}", name(first))
}

/// As much of it as a group is called by.
fn name(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.get(..NAMED).unwrap_or(bytes))
}
