//! What a request's head says of the reply to come, of the connection afterwards, and of a second
//! sending.

use super::{Effect, Expect, Persistence};
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
            b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE" => Effect::Idempotent,
            _ => Effect::Repeats,
        };
        Self {
            expect,
            persistence,
            effect,
            version: match head {
                RequestHead::Http1(_) => Version::Http1,
                RequestHead::Http2(_) => Version::Http2,
            },
        }
    }
}
