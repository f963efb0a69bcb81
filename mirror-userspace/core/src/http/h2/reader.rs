//! One connection's bytes to events, for as long as it can be followed.

use super::{
    Event, Loss, Refusal, Shared,
    following::{Following, Left},
    midstream::{Counter, Seen},
};
use crate::{
    budget::Budget,
    http::{Input, Lost},
};

/// Finds the requests in what a client sends over HTTP/2.
///
/// Holds a table of at most 64 KiB and its places (see [`hpack::MAX_TABLE`](super::hpack::MAX_TABLE)), 64 bytes for
/// each open request, and a header block that comes in pieces, all out of the budget; beside that, some 300 bytes.
/// Work is linear in the bytes, however they are split, and in what [`Limits`](super::Limits) allows field lists.
#[derive(Debug)]
pub struct Reader {
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Following(Box<Following>),
    /// The requests of a connection that is lost are counted.
    Counting(Counter, Refusal),
    /// It is over, or v1 has to end it.
    Over,
}

impl Reader {
    /// A connection begins; the first bytes will be the preface's.
    #[must_use]
    pub fn new(budget: &Budget) -> Self {
        Self {
            phase: Phase::Following(Box::new(Following::new(budget))),
        }
    }

    /// A connection goes on as HTTP/2 behind an HTTP/1 request that asked for it (RFC 7540 section 3.2): that request
    /// is stream 1, and is not told again. The next bytes will be the preface's.
    #[must_use]
    pub fn upgraded(budget: &Budget) -> Self {
        let mut following = Following::new(budget);
        following.skip_to(1);
        Self {
            phase: Phase::Following(Box::new(following)),
        }
    }

    /// Takes the next bytes.
    pub fn handle_data(
        &mut self,
        input: Input<'_>,
        shared: &mut Shared,
        emit: &mut impl FnMut(Event<'_>),
    ) {
        let mut rest = input.bytes;
        if let Phase::Following(following) = &mut self.phase {
            match following.run(&mut rest, shared, emit) {
                Ok(()) => return,
                Err(why) => self.lose(why, emit),
            }
        }
        let starts_segment = input.starts_segment && rest.len() == input.bytes.len();
        let rest = Input {
            bytes: rest,
            starts_segment,
            ..input
        };
        self.count(emit, |counter, emit| counter.handle_data(rest, emit));
    }

    /// `len` bytes of the stream are missing. Inside the body that one DATA frame carries they cost its request;
    /// elsewhere the connection.
    pub fn handle_gap(&mut self, len: u64, shared: &mut Shared, emit: &mut impl FnMut(Event<'_>)) {
        if len == 0 {
            return;
        }
        if let Phase::Following(following) = &mut self.phase {
            match following.on_gap(len, shared, emit) {
                Ok(()) => return,
                Err(why) => self.lose(why, emit),
            }
        }
        self.count(emit, |counter, emit| counter.handle_gap(len, emit));
    }

    /// Whether it is followed: otherwise its requests are at best counted.
    #[must_use]
    pub const fn is_following(&self) -> bool {
        matches!(self.phase, Phase::Following(_))
    }

    /// v1 has closed this stream, by an error or by a reply that did not wait for the request's end. Nothing further is
    /// told of it; says whether its request was still open, and told.
    pub fn forget(&mut self, stream: u32) -> bool {
        match &mut self.phase {
            Phase::Following(following) => following.forget(stream),
            Phase::Counting(..) | Phase::Over => false,
        }
    }

    /// The connection has ended. `why` is what an unfinished request counts as.
    pub fn handle_close(&mut self, why: Lost, emit: &mut impl FnMut(Event<'_>)) {
        if let Phase::Following(following) = &mut self.phase {
            following.leave(Loss::Closed(why), emit);
        }
        self.phase = Phase::Over;
    }

    fn lose(&mut self, why: Refusal, emit: &mut impl FnMut(Event<'_>)) {
        let Phase::Following(following) = &mut self.phase else {
            return;
        };
        let Left { highest, frame } = following.leave(Loss::Connection(why), emit);
        emit(Event::ConnectionLost(why));
        self.phase = if why.v1_may_go_on() {
            if frame.is_none() {
                emit(Event::OutOfStep);
            }
            Phase::Counting(Counter::of_lost(highest, frame), why)
        } else {
            Phase::Over
        };
    }

    fn count(
        &mut self,
        emit: &mut impl FnMut(Event<'_>),
        count: impl FnOnce(&mut Counter, &mut dyn FnMut(Seen)),
    ) {
        let Phase::Counting(counter, why) = &mut self.phase else {
            return;
        };
        let why = Loss::Connection(*why);
        count(counter, &mut |seen| match seen {
            Seen::Http2 => {}
            Seen::Opened(stream) => emit(Event::Lost { stream, why }),
            Seen::OutOfStep => emit(Event::OutOfStep),
        });
    }
}
