//! Whether a connection carries HTTP/2, and what is known of it then.

use super::{assembly::Assembly, context::RequestContext, http2::Http2};
use crate::{
    budget::Reserved,
    http::{Footing, Http2 as Beginning, Input, Lost, h2::midstream::Counter},
    segment::Time,
    stream::FromServer,
};

/// What is known of HTTP/2 on a connection.
#[derive(Default)]
pub(super) enum Carried {
    /// Nothing points to it.
    #[default]
    Other,
    /// The connection was picked up in the middle, and nothing has decided yet what it carries.
    Sought(Box<Sought>),
    /// It carries HTTP/2.
    Http2(Box<Http2>),
}

/// A search for frames.
pub(super) struct Sought {
    counter: Counter,
    _held: Reserved,
}

impl Carried {
    /// Whether it does, for certain.
    pub(super) const fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// How the next bytes will be read.
    pub(super) const fn footing(&self) -> Footing {
        match self {
            Self::Http2(http2) if http2.is_following() => Footing::InStep,
            _ => Footing::Left,
        }
    }

    /// Something else decided what the connection carries.
    pub(super) fn forget_sought(&mut self) {
        if let Self::Sought(_) = self {
            *self = Self::Other;
        }
    }

    /// From here on it carries HTTP/2. Without memory for that, nothing of it is read.
    pub(super) fn follow(
        &mut self,
        beginning: &Beginning<'_>,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        let followed = Http2::follow(beginning, place.ordinal, &assembly.of_http2);
        if let Some(mut http2) = followed {
            http2.handle_beginning(beginning, place, assembly);
            *self = Self::Http2(http2);
        } else {
            assembly.counters.connections.http2_lost += 1;
        }
    }

    /// Looks for frames in what the parser of HTTP/1 could make nothing of. `true` if they show now that the connection
    /// carries HTTP/2.
    pub(super) fn seek(
        &mut self,
        input: Input<'_>,
        footing: Footing,
        assembly: &mut Assembly,
    ) -> bool {
        if let (Self::Other, Footing::OutOfStep) = (&*self, footing)
            && let Some(held) = assembly.of_http2.reserve(size_of::<Sought>() + 32)
        {
            *self = Self::Sought(Box::new(Sought {
                counter: Counter::default(),
                _held: held,
            }));
        }
        let Self::Sought(sought) = self else {
            return false;
        };
        let mut seen = Vec::new();
        sought
            .counter
            .handle_data(input, &mut |found| seen.push(found));
        if !sought.counter.is_known() {
            return false;
        }
        let counter = std::mem::take(&mut sought.counter);
        let Some(mut http2) = Http2::count(counter, &assembly.of_http2) else {
            *self = Self::Other;
            return false;
        };
        for seen in seen {
            http2.count_seen(seen, assembly);
        }
        *self = Self::Http2(http2);
        true
    }

    /// Takes the next bytes of a connection that carries it.
    pub(super) fn handle_data(
        &mut self,
        input: Input<'_>,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        if let Self::Http2(http2) = self {
            http2.handle_data(input, place, assembly);
        }
    }

    /// Takes what v1 sent on a connection that carries it.
    pub(super) fn handle_from_v1(
        &mut self,
        sent: &FromServer<'_>,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        if let Self::Http2(http2) = self {
            http2.handle_from_v1(sent, place, assembly);
        }
    }

    /// Tells the protocol's reader that so many bytes of the client are missing.
    pub(super) fn handle_gap(&mut self, len: u64, place: &RequestContext, assembly: &mut Assembly) {
        match self {
            Self::Other => {}
            Self::Sought(sought) => sought.counter.handle_gap(len, &mut |_| {}),
            Self::Http2(http2) => http2.handle_gap(len, place, assembly),
        }
    }

    /// The connection has ended. `false` if it carried something else.
    pub(super) fn handle_close(
        &mut self,
        why: Lost,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) -> bool {
        match std::mem::take(self) {
            Self::Other | Self::Sought(_) => false,
            Self::Http2(mut http2) => {
                http2.handle_close(why, place, assembly);
                true
            }
        }
    }

    /// What was held for long enough is passed on.
    pub(super) fn handle_patience(
        &mut self,
        now: Time,
        place: &RequestContext,
        assembly: &mut Assembly,
    ) {
        if let Self::Http2(http2) = self {
            http2.handle_patience(now, place, assembly);
        }
    }
}
