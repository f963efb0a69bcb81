//! HTTP/2 (RFC 9113): many copies at once on one connection, without the connection.
//!
//! ```text
//!            Session
//! push --copies--> turns, each a stream --compose--> frames out --> bytes to the target
//!                    ^ windows, the peer's settings
//!                    +---- heard <-- reply <-- input <-- bytes from the target
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `session` | the copies on one connection: which there are, what they wait for, how they end |
//! | `turn` | one copy on its stream |
//! | `compose` | which frames are next, as flow control allows (sections 5.2 and 6.9) |
//! | `frames` | frames as bytes |
//! | `input` | bytes to frames, within their limits |
//! | `flood` | targets that keep us busy with frames |
//! | `hearing` | what the target's frames mean to the session and its streams |
//! | `block` | header blocks of replies, collected and decoded |
//! | `keeping` | bodies of replies that are to be compared |
//! | `reply` | `:status` and `grpc-status` of a field list (section 8.3.2) |
//! | `settings` | what the target wants of us (section 6.5) |
//!
//! We announce no dynamic table, no push, and windows as large as they can be: of a reply nothing is kept,
//! but for a share of those that are compared, in a budget. Before the target's SETTINGS have come no stream is
//! opened, so that a target without HTTP/2 gets nothing but the preface, and its limits hold from the first stream
//! on.

mod block;
mod compose;
mod flood;
mod frames;
mod hearing;
mod input;
mod keeping;
mod reply;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod turn;

pub(crate) use self::{
    hearing::{Fault, Heard, Lost},
    session::{Limits, STREAMS, STREAMS_AT_FIRST, Session},
    turn::Turn,
};
