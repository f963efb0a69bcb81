//! One copy on its stream, from when it is given to the connection to the end of its reply.

use mirror_core::{http::h2::FieldList, segment::Time};

use super::reply::Fields;
use crate::{
    compare::Kept,
    copy::{Job, Outgoing},
    meter::Stopwatch,
    outcome::{Answer, refuses},
};

/// How far a stream is, as seen by whoever writes it (RFC 9113 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// Idle: it waits for the target's settings, or for others to end.
    Unopened,
    /// Its header block is composed; more follows.
    Open,
    /// All of it is composed, END_STREAM at its end.
    Ended,
}

/// A copy on a stream.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) job: Job,
    pub(super) writing: Writing,
    /// Whether the last byte of it was written.
    pub(super) written: bool,
    /// Bytes of body that flow control lets through now; less than 0 after a change of settings (section 6.9.2).
    pub(super) window: i64,
    /// Whether it is in one of the lists of streams to write.
    pub(super) listed: bool,
    /// Whether its first byte was written.
    pub(super) begun: bool,
    /// Whether the head of its reply has come, and so counts.
    pub(super) answered: bool,
    /// Whether its reply is over.
    pub(super) replied: bool,
    /// Bytes of its reply's body.
    pub(super) body: u64,
    /// Since the first byte was written.
    pub(crate) stopwatch: Option<Stopwatch>,
    /// Since when the target has had the time that ends when it is due.
    pub(crate) since: Time,
    pub(super) due: Option<Time>,
    /// Whether the status of its reply's head refuses it for want of room.
    pub(super) refused: bool,
    /// Whether its reply is one of gRPC.
    is_call: bool,
    /// The status of gRPC that its reply ended with.
    pub(crate) grpc: Option<u32>,
    /// How the target answered a call, the status of which comes with its end.
    pub(crate) called: Option<Answer>,
    /// What its reply is kept in, if it is to be compared.
    pub(super) kept: Option<Box<Kept>>,
}

impl Turn {
    pub(super) const fn new(job: Job) -> Self {
        Self {
            job,
            writing: Writing::Unopened,
            written: false,
            window: 0,
            listed: false,
            begun: false,
            answered: false,
            replied: false,
            body: 0,
            stopwatch: None,
            since: Time::from_nanos(0),
            due: None,
            refused: false,
            is_call: false,
            grpc: None,
            called: None,
            kept: None,
        }
    }

    /// Its reply is kept in this, if it is to be compared.
    pub(crate) fn keep_in(&mut self, kept: Option<Box<Kept>>) {
        self.kept = kept;
    }

    /// What its reply was kept in, if it is to be compared.
    pub(crate) const fn take_kept(&mut self) -> Option<Box<Kept>> {
        self.kept.take()
    }

    /// Whether its reply is one of gRPC.
    pub(crate) const fn is_call(&self) -> bool {
        self.is_call
    }

    /// These fields of its reply came: `ends` with them.
    pub(super) fn note(&mut self, fields: Fields, list: &FieldList, ends: bool) {
        let kept = self.kept.as_deref_mut();
        match fields {
            Fields::Head {
                status,
                grpc,
                is_call,
                ..
            } => {
                self.refused = refuses(status);
                self.is_call = is_call;
                self.grpc = grpc.filter(|_| ends);
                if let Some(kept) = kept {
                    kept.handle_fields(status, list);
                }
            }
            Fields::Trailers { grpc } => {
                self.grpc = grpc;
                if let Some(kept) = kept {
                    kept.handle_trailers(list);
                }
            }
            Fields::Interim | Fields::Malformed => {}
        }
    }

    /// Whether its stream was never opened.
    pub(crate) fn is_unopened(&self) -> bool {
        self.writing == Writing::Unopened
    }

    /// Whether the head of its reply is counted.
    pub(crate) const fn is_answered(&self) -> bool {
        self.answered
    }

    /// Whether all its bytes are still there, so that it can be sent anew, and no reply has begun.
    pub(crate) fn can_be_sent_anew(&self) -> bool {
        let kept = self.job.whole().is_some_and(Outgoing::is_kept);
        !self.answered && (kept || self.is_unopened())
    }
}
