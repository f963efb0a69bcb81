//! What is to be known of a connection that is forgotten for a while, so that it can go on.

use super::{After, BodyIs, HttpEvent, Parser, Protocol, Reader, Resync, Standing, State};

/// Where a connection stands that sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// So many bytes before the first of a request, for certain: 0 between two requests, more in a body.
    Before(u64),
    /// Inside something whose end is not known, when the client had sent this acknowledgment number.
    Inside(Option<u32>),
}

impl Parser {
    /// Where the connection stands; `None` if nothing is known of what comes next.
    #[must_use]
    pub fn rest(&self) -> Option<Rest> {
        let inside = Some(Rest::Inside(self.last_ack));
        match &self.state {
            State::Opening(None) => Some(Rest::Before(0)),
            State::Head(reader) => match reader.standing {
                Standing::InStep | Standing::Undecided if reader.is_empty() => {
                    Some(Rest::Before(0))
                }
                Standing::InStep | Standing::Undecided => inside,
                Standing::Tentative(_) | Standing::Offered | Standing::Accepted => None,
            },
            State::Length {
                remaining,
                after: After::Request,
                body: BodyIs::Sent,
                ..
            } => Some(Rest::Before(*remaining)),
            State::Opening(Some(_))
            | State::Length { .. }
            | State::Chunked { .. }
            | State::Doubt(_) => inside,
            State::Resync(resync) if resync.inside => inside,
            State::Resync(_)
            | State::Candidate(_)
            | State::IfTaken { .. }
            | State::Offered { .. }
            | State::Closing(_)
            | State::Left => None,
        }
    }

    /// A connection goes on that was forgotten where it [stood](Self::rest). A request that it was in the middle of
    /// was lost.
    pub fn handle_resumption(&mut self, rest: Rest, emit: &mut impl FnMut(HttpEvent<'_>)) {
        self.last_ack = None;
        self.state = match rest {
            Rest::Before(0) => State::Head(Reader::new(Standing::Undecided)),
            Rest::Before(remaining) => {
                emit(HttpEvent::Protocol(Protocol::Http1));
                State::Length {
                    remaining,
                    after: After::Request,
                    lost: true,
                    body: BodyIs::Sent,
                }
            }
            Rest::Inside(ack) => {
                self.last_ack = ack;
                State::Resync(Resync {
                    inside: true,
                    ..Resync::default()
                })
            }
        };
    }
}
