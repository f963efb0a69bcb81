//! Copies that are lost, as far as somebody wants to be told.

use std::collections::VecDeque;

use mirror_core::{
    lost::{Allowance, Why},
    pipeline::{LostCopy, MirrorCopy, RequestKey, TargetId, Wire, request_line},
    segment::Time,
};

use crate::{
    copy::{Copies, Job, Source},
    outcome::Failure,
};

/// Losses that wait to be fetched, at most.
const WAITING: usize = 4096;

/// The losses since they were last fetched, of each reason so many in a second.
#[derive(Debug)]
pub(super) struct Lost {
    allowance: Allowance,
    waiting: VecDeque<LostCopy>,
}

impl Lost {
    /// `None` if nobody wants to know.
    pub(super) fn new(keep: usize) -> Option<Self> {
        (keep > 0).then(|| Self {
            allowance: Allowance::new(keep),
            waiting: VecDeque::new(),
        })
    }

    /// How many were not written down.
    pub(super) const fn refused(&self) -> u64 {
        self.allowance.refused
    }

    pub(super) fn next(&mut self) -> Option<LostCopy> {
        self.waiting.pop_front()
    }

    /// A copy was not taken.
    pub(super) fn turn_away(&mut self, at: Time, reason: &'static str, copy: &MirrorCopy) {
        let line = || request_line(&copy.wire, copy.pieces.first()?);
        let target = copy.target.0;
        self.push(at, Why::dropped(reason), None, copy.request, target, line);
    }

    /// A copy that waited is dropped.
    pub(super) fn drop_waiting(
        &mut self,
        at: Time,
        reason: &'static str,
        copies: &Copies,
        job: &Job,
        target: usize,
    ) {
        let why = Why::dropped(reason);
        self.push(at, why, None, job.request(), target, || {
            line_of(copies, job)
        });
    }

    /// The copy of this request for a target is dropped where it waits; `cause`, if its request broke off.
    pub(super) fn drop_in_place(
        &mut self,
        at: Time,
        reason: &'static str,
        cause: Option<&'static str>,
        request: RequestKey,
        target: usize,
    ) {
        self.push(at, Why::dropped(reason), cause, request, target, || None);
    }

    /// A copy got no reply.
    pub(super) fn fail(
        &mut self,
        at: Time,
        failure: Failure,
        copies: &Copies,
        job: &Job,
        target: usize,
    ) {
        let cause = match copies.source(job) {
            Source::Broken(why) if failure == Failure::Aborted => why.cause(),
            _ => None,
        };
        let why = Why::failed(failure.name());
        self.push(at, why, cause, job.request(), target, || {
            line_of(copies, job)
        });
    }

    fn push(
        &mut self,
        at: Time,
        why: Why,
        cause: Option<&'static str>,
        request: RequestKey,
        target: usize,
        line: impl FnOnce() -> Option<Box<str>>,
    ) {
        if self.waiting.len() >= WAITING {
            self.allowance.refused += 1;
        } else if self.allowance.lets(at, why) {
            self.waiting.push_back(LostCopy {
                at,
                why,
                cause,
                request: Some(request),
                target: TargetId(target),
                line: line(),
            });
        }
    }
}

fn line_of(copies: &Copies, job: &Job) -> Option<Box<str>> {
    let wire = match job.blocks {
        Some(_) => Wire::Http2 { trailers: None },
        None => Wire::Http1,
    };
    request_line(&wire, copies.head(job)?)
}
