//! HTTP/2 (RFC 9113): a client's bytes to requests; what v1 refused of them; and field lists to header blocks that any connection
//! can carry ([`hpack::encode`]).
//!
//! ```text
//!            Following                                               Reader
//! bytes ─► preface ─► frame ─► payload ─► block ─► hpack ─► request ─► Event
//!                       │        │                  │ refused
//!                       │ gap    │ gap              ▼
//!                       ▼        ▼          the connection is lost: its requests are
//!                   the same   one request  counted (`midstream`), and never guessed
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `reader` | the way in: bytes, gaps and the end of a connection to events |
//! | `event` | what is said: heads, bodies, trailers, ends, and why a request was lost |
//! | `following` | a connection from its preface on: which frame means what to which stream |
//! | `preface`, `frame`, `payload`, `control` | what the bytes of a connection are (sections 3.4, 4 and 6) |
//! | `block` | header blocks, collected within their limits (section 4.3) |
//! | `hpack` | header blocks to field lists, with a dynamic table of at most 64 KiB out of the budget (RFC 7541) |
//! | `field` | a field list: order, duplicates and never-indexed marks kept, limited in bytes |
//! | `binary` | values of gRPC that are no text |
//! | `request` | which list is a well-formed request, and which may be trailers (section 8) |
//! | `request_line` | method and path of a block that stands for itself, as HTTP/1 writes them |
//! | `outcome` | how a request goes on, and how it ends |
//! | `by_stream` | a map by stream number |
//! | `streams` | which streams the client has more to say on (section 5.1) |
//! | `from_v1` | v1's frames: which streams it closed, and which it never took (sections 6.4 and 6.8) |
//! | `answers` | what v1 answers, as far as its frames are captured |
//! | `midstream` | connections picked up in the middle: how many requests there were |
//! | `limits`, `refusal` | what a connection may cost; why it is no longer followed |
//!
//! What else only v1's direction tells is not known: the frame size that it allows, and its windows. The streams that it
//! has closed [`Reader::forget`] is told.

mod answers;
mod binary;
mod block;
mod by_stream;
mod collect;
mod control;
mod event;
mod field;
mod following;
pub mod frame;
mod from_v1;
pub mod hpack;
mod limits;
pub mod midstream;
mod outcome;
mod payload;
mod preface;
mod reader;
mod refusal;
mod request;
mod request_line;
mod streams;
#[cfg(test)]
mod tests;

pub use answers::{AnswerReader, GRPC_UNKNOWN, Said, Unseen, grpc_status};
pub use by_stream::ByStream;
pub use event::{Event, Head, Loss};
pub use field::{Field, FieldList, Fields};
pub use from_v1::{Framed, FromV1, NO_ERROR, REFUSED_STREAM, Told};
pub use limits::{Limits, SAVED, Shared};
pub use preface::PREFACE;
pub use reader::Reader;
pub use refusal::Refusal;
pub use request::is_grpc;
pub use request_line::request_line;
