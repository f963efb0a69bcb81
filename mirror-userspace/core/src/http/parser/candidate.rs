//! What seems to be a request while the connection is out of step, until something proves it.

use super::{HttpEvent, Limits, Parser, Reader, Resync, Standing, State};
use crate::{budget::Budget, http::reader::Kept};

/// Requests that may be a part of a body.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Reads them, and says nothing.
    parser: Parser,
    /// Their bytes, as far as whole heads go: an incomplete one is kept by its reader.
    kept: Option<Box<Kept>>,
    /// They are not kept: they exceed [`Limits::head`] or the budget.
    dropped: bool,
    limits: Limits,
    /// What the connection goes back to if they are none.
    pub(super) resync: Resync,
}

impl Candidate {
    pub(super) fn new(resync: Resync, limits: &Limits) -> Self {
        // What there is to tell is told by whoever trusts it.
        let standing = Standing::Tentative(Resync::inside());
        Self {
            parser: Parser {
                state: State::Head(Reader::new(standing)),
                last_ack: None,
            },
            kept: None,
            dropped: false,
            limits: *limits,
            resync,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// If no requests look like this: then the connection is inside something else.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        budget: &Budget,
    ) -> Result<(), Resync> {
        let Self {
            parser,
            kept,
            dropped,
            ..
        } = self;
        let mut lost = false;
        let mut keep = |bytes: &[u8]| {
            *dropped = *dropped || {
                *kept = kept.take().or_else(|| Kept::new(budget));
                let fits = |kept: &mut Box<Kept>| {
                    kept.bytes().len().saturating_add(bytes.len()) <= limits.head
                        && kept.push(bytes)
                };
                !kept.as_mut().is_some_and(fits)
            };
            if *dropped {
                *kept = None;
            }
        };
        parser.run(bytes, limits, budget, &mut |event| match event {
            HttpEvent::Head(head) => keep(head.raw),
            HttpEvent::Body(bytes) => keep(bytes),
            HttpEvent::Lost(_) => lost = true,
            HttpEvent::End
            | HttpEvent::Protocol(_)
            | HttpEvent::Http2(_)
            | HttpEvent::Proxied(..) => {}
        });
        if lost || matches!(self.parser.state, State::Resync(_)) {
            return Err(Resync {
                inside: true,
                ..self.resync
            });
        }
        Ok(())
    }

    /// Whether the stream is exactly behind them.
    pub(super) fn is_complete(&self) -> bool {
        match &self.parser.state {
            State::Head(reader) => {
                matches!(reader.standing, Standing::InStep | Standing::Offered) && reader.is_empty()
            }
            State::IfTaken { .. } | State::Offered { .. } | State::Closing(_) => true,
            _ => false,
        }
    }

    /// They are requests: gives up what was kept of them, and the state behind them.
    pub(super) fn into_parts(self) -> (Option<Box<Kept>>, Limits, State) {
        (self.kept, self.limits, self.parser.state)
    }
}
