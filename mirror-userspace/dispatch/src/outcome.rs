//! How a copy that was given to a connection ended.

use std::time::Duration;

use mirror_core::{counters::TargetCounters, pipeline::GivenUp};

use super::copy::Broken;

/// How a copy that was given to a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered(Answer),
    /// It was [answered](Outcome::Answered) before, and the body of the reply is over.
    Read(After),
    Failed(Failure),
}

/// A reply whose head was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long the reply's head took; `None` if it was not measured.
    pub(super) latency: Option<Duration>,
    pub(super) connection: After,
}

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The connection can carry another request.
    Reusable,
    /// The connection cannot carry another request.
    Spent,
    /// The connection is closed, because the reply is longer than it is worth reading, or takes longer
    /// than it is worth waiting.
    Cut,
    /// The connection is closed, because the body of the reply broke off or cannot be framed.
    Broken,
    /// The connection is needed for the body of the reply, which goes on.
    Reading,
}

/// Whether a reply of this status says that the target has no room: 429 (RFC 6585 section 4) or 503 (RFC 9110 section
/// 15.6.4).
pub(super) const fn refuses(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// Why a connection has to stop what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time is up.
    Timeout,
    /// The mirror is shutting down.
    Shutdown,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Connect,
    Tls,
    NoRoute,
    Unresolved,
    Local,
    TargetRefused,
    Timeout,
    Reset,
    BadReply,
    NoHttp2,
    Refused,
    StreamReset,
    Cancelled,
    RefusedByV1,
    Aborted,
    StreamOverflow,
    Shutdown,
}

/// What a copy says of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The target answered a copy, whatever the status: the breaker closes.
    Works,
    /// The target does not answer.
    Fails,
    /// The copy says nothing about the target.
    Unknown,
}

impl Failure {
    /// Whether the failure shows that the address does not work. (A refused connection is reported
    /// separately, before another address is tried.)
    pub(super) const fn blames_address(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Reset | Self::BadReply | Self::NoHttp2
        )
    }

    /// What the ledger calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::NoRoute => "no_route",
            Self::Unresolved => "unresolved",
            Self::Local => "local",
            Self::TargetRefused => "target_refused",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::BadReply => "bad_reply",
            Self::NoHttp2 => "no_http2",
            Self::Refused => "refused",
            Self::StreamReset => "stream_reset",
            Self::Cancelled => "cancelled",
            Self::RefusedByV1 => "refused_by_v1",
            Self::Aborted => "aborted",
            Self::StreamOverflow => "stream_overflow",
            Self::Shutdown => "shutdown",
        }
    }

    const fn verdict(self) -> Verdict {
        match self {
            Self::Connect
            | Self::Tls
            | Self::NoRoute
            | Self::Unresolved
            | Self::Timeout
            | Self::Reset
            | Self::BadReply
            | Self::NoHttp2 => Verdict::Fails,
            // Nothing was asked of it, and every copy is to be counted as refused.
            Self::TargetRefused => Verdict::Unknown,
            // It is there, and says so of this copy alone.
            Self::Refused | Self::StreamReset | Self::Cancelled | Self::RefusedByV1 => {
                Verdict::Unknown
            }
            Self::Local | Self::Aborted | Self::StreamOverflow | Self::Shutdown => Verdict::Unknown,
        }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Timeout => Self::Timeout,
            Stop::Shutdown => Self::Shutdown,
        }
    }
}

impl From<GivenUp> for Failure {
    fn from(why: GivenUp) -> Self {
        match why {
            GivenUp::ByClient => Self::Cancelled,
            GivenUp::RefusedByV1 => Self::RefusedByV1,
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Aborted(_) => Self::Aborted,
            Broken::Overflow => Self::StreamOverflow,
        }
    }
}

impl Outcome {
    pub(super) const fn leaves_reusable(&self) -> bool {
        match self {
            Self::Answered(Answer { connection, .. }) | Self::Read(connection) => {
                matches!(connection, After::Reusable)
            }
            Self::Failed(_) => false,
        }
    }

    /// What the outcome says about the target, if it has no other address.
    pub(super) const fn verdict(&self) -> Verdict {
        match self {
            Self::Answered(_) => Verdict::Works,
            // It was heard already.
            Self::Read(_) => Verdict::Unknown,
            Self::Failed(failure) => failure.verdict(),
        }
    }

    /// Enters the outcome in the books.
    pub(super) fn count(&self, counters: &mut TargetCounters) {
        match self {
            Self::Answered(answer) => {
                counters.answered.count(answer.status);
                counters.statuses.count(answer.status);
                counters.count_latency(answer.latency);
                count_end(counters, answer.connection);
            }
            Self::Read(connection) => count_end(counters, *connection),
            Self::Failed(failure) => {
                let failed = &mut counters.failed;
                *match failure {
                    Failure::Connect => &mut failed.connect,
                    Failure::Tls => &mut failed.tls,
                    Failure::NoRoute => &mut failed.no_route,
                    Failure::Unresolved => &mut failed.unresolved,
                    Failure::Local => &mut failed.local,
                    Failure::TargetRefused => &mut failed.target_refused,
                    Failure::Timeout => &mut failed.timeout,
                    Failure::Reset => &mut failed.reset,
                    Failure::BadReply => &mut failed.bad_reply,
                    Failure::NoHttp2 => &mut failed.no_http2,
                    Failure::Refused => &mut failed.refused,
                    Failure::StreamReset => &mut failed.stream_reset,
                    Failure::Cancelled => &mut failed.cancelled,
                    Failure::RefusedByV1 => &mut failed.refused_by_v1,
                    Failure::Aborted => &mut failed.aborted,
                    Failure::StreamOverflow => &mut failed.stream_overflow,
                    Failure::Shutdown => &mut failed.shutdown,
                } += 1;
            }
        }
    }
}

/// Enters how the body of a reply ended.
const fn count_end(counters: &mut TargetCounters, connection: After) {
    match connection {
        After::Reusable | After::Spent | After::Reading => {}
        After::Cut => counters.replies_cut += 1,
        After::Broken => counters.replies_broken += 1,
    }
}
