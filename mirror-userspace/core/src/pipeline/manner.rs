//! What a request's head says of the reply to come and of the connection afterwards.

use super::{Expect, Persistence};
use crate::http::Head;

/// How the connection to the target is to be treated.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) expect: Expect,
    pub(super) persistence: Persistence,
}

impl Manner {
    pub(super) fn of(head: &Head<'_>) -> Self {
        let expect = if head.upgrade {
            Expect::Tunnel
        } else if head.method() == b"HEAD" {
            Expect::NoBody
        } else {
            Expect::Body
        };
        let persistence = if head.persistent {
            Persistence::Persistent
        } else {
            Persistence::Closes
        };
        Self {
            expect,
            persistence,
        }
    }
}
