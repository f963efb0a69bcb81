//! What a request's head says of the reply to come, of the connection afterwards, and of a second
//! sending.

use super::{Effect, Expect, Persistence, Wire};
use crate::http::RequestHead;

/// How the connection to the target is to be treated.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) expect: Expect,
    pub(super) persistence: Persistence,
    pub(super) effect: Effect,
    pub(super) version: Version,
}

/// The version of HTTP that the request is sent in.
#[derive(Clone, Copy)]
pub(super) enum Version {
    Http1,
    Http2,
}

impl Version {
    pub(super) const fn of(head: &RequestHead<'_>) -> Self {
        match head {
            RequestHead::Http1(_) => Self::Http1,
            RequestHead::Http2(_) => Self::Http2,
        }
    }

    /// The same, of a copy without trailers.
    pub(super) const fn wire(self) -> Wire {
        match self {
            Self::Http1 => Wire::Http1,
            Self::Http2 => Wire::Http2 { trailers: None },
        }
    }
}

impl Manner {
    /// `upgrades`: whether the copy offers to leave HTTP/1.
    pub(super) fn of(head: RequestHead<'_>, upgrades: bool) -> Self {
        let expect = if upgrades {
            Expect::Tunnel
        } else if head.method() == b"HEAD" {
            Expect::NoBody
        } else {
            Expect::Body
        };
        let persistence = match head {
            RequestHead::Http1(head) if !head.persistent => Persistence::Closes,
            RequestHead::Http1(_) | RequestHead::Http2(_) => Persistence::Persistent,
        };
        let effect = match head.method() {
            b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" => Effect::Safe,
            b"PUT" | b"DELETE" => Effect::Idempotent,
            _ => Effect::Repeats,
        };
        Self {
            expect,
            persistence,
            effect,
            version: Version::of(&head),
        }
    }
}
