//! The copies that the pool is given, and what is known of each.

use super::{
    super::vocabulary::{
        ConnectionId, CopyId, Effect, Expect, MirrorCopy, Output, Persistence, RequestKey, Rest,
        TargetId, Wire,
    },
    world::World,
};

/// A copy, as the world knows it. Its bytes are its number and then its own sequence.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) client: u64,
    pub(super) expect: Expect,
    pub(super) persistence: Persistence,
    pub(super) effect: Effect,
    pub(super) streamed: bool,
    /// Bytes that the pool was given.
    pub(super) len: usize,
    /// Whether there will be no more of it.
    pub(super) whole: bool,
    target: usize,
}

impl Facts {
    /// Whether it may arrive twice.
    pub(super) fn may_repeat(&self) -> bool {
        self.effect != Effect::Repeats && !self.streamed
    }

    /// Whether its connection is to be for it alone, where only safe copies follow others, or all that may repeat.
    pub(super) fn is_exclusive(&self, only_safe: bool) -> bool {
        let ends = self.persistence == Persistence::Closes;
        let joins = match self.effect {
            Effect::Safe => true,
            Effect::Idempotent => !only_safe,
            Effect::Repeats => false,
        };
        self.streamed || ends || !joins || self.expect == Expect::Tunnel
    }
}

/// The byte of a copy at a place.
pub(super) fn byte(copy: usize, at: usize) -> u8 {
    let number = u32::try_from(copy).unwrap_or_default().to_be_bytes();
    let own = copy.wrapping_mul(31).wrapping_add(at.wrapping_mul(7)) % 251;
    number
        .get(at)
        .copied()
        .unwrap_or_else(|| u8::try_from(own).unwrap_or_default())
}

fn bytes(copy: usize, from: usize, to: usize) -> Vec<u8> {
    (from..to).map(|at| byte(copy, at)).collect()
}

impl World<'_> {
    /// A client connection has another request.
    pub(super) fn give_copy(&mut self) {
        let target = self.choices.of(self.given.len());
        let client = self.choices.of(3);
        // A client connection goes to one target here, so that its copies can be told apart.
        let client = (client * 4 + target) as u64;
        let kind = self.choices.of(12);
        let len = 4 + [0, 1, 9, 60][self.choices.of(4)];
        let expect = match kind {
            0..=8 => Expect::Body,
            9 | 10 => Expect::NoBody,
            _ => Expect::Tunnel,
        };
        let persistence = match kind {
            8 => Persistence::Closes,
            _ => Persistence::Persistent,
        };
        let rest = match kind {
            5..=7 => Rest::Streamed,
            _ => Rest::Complete,
        };
        let effect = match kind {
            4 | 7 => Effect::Repeats,
            3 => Effect::Idempotent,
            _ => Effect::Safe,
        };
        let copy = self.copies.len();
        let (first, second) = (bytes(copy, 0, len / 2), bytes(copy, len / 2, len));
        let streamed = rest == Rest::Streamed;
        self.copies.push(Facts {
            client,
            expect,
            persistence,
            effect,
            streamed,
            len,
            whole: !streamed,
            target,
        });
        if streamed {
            self.streaming.push(copy);
        }
        let output = Output::Copy(MirrorCopy {
            id: CopyId(copy as u64),
            target: TargetId(target),
            request: RequestKey {
                connection: ConnectionId(client),
                number: 1,
            },
            at: self.now,
            wire: Wire::Http1,
            pieces: vec![first.into(), Vec::new().into(), second.into()],
            rest,
            expect,
            persistence,
            effect,
            reserved: self.reserve(len),
        });
        self.hand_over(target, output);
    }

    /// A streamed copy gets more, is whole, or breaks.
    pub(super) fn continue_stream(&mut self) {
        if self.streaming.is_empty() {
            return;
        }
        let place = self.choices.of(self.streaming.len());
        let what = self.choices.of(8);
        if what >= 5 {
            return self.end_stream(place, what == 5);
        }
        let copy = self.streaming[place];
        let more = [20, 1, 0, 50, 90][what];
        let facts = &mut self.copies[copy];
        let (from, target) = (facts.len, facts.target);
        facts.len += more;
        let output = Output::Chunk {
            copy: CopyId(copy as u64),
            bytes: bytes(copy, from, from + more).into(),
            reserved: self.reserve(more),
        };
        self.hand_over(target, output);
    }

    /// A streamed copy is whole, or breaks.
    pub(super) fn end_stream(&mut self, place: usize, breaks: bool) {
        let copy = self.streaming.swap_remove(place);
        let id = CopyId(copy as u64);
        let facts = &mut self.copies[copy];
        facts.whole = !breaks;
        let target = facts.target;
        let output = match breaks {
            true => Output::Abort {
                copy: id,
                cause: mirror_core::pipeline::DropReason::OverBudget,
            },
            false => Output::Finish {
                copy: id,
                at: self.now,
                trailers: None,
                reserved: self.reserve(0),
            },
        };
        self.hand_over(target, output);
    }
}
