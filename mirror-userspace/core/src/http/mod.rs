//! Bytes to requests: heads by httparse, framing by RFC 9112 section 6.3.
//!
//! ```text
//!            Reader                            head + framing          body
//!  bytes ─► Blank ─► detect ─► Scan ─► (kept) ─► httparse, 6.3 ─► length | Chunked ─► next request
//!                      │                              │ ambiguous        │ gap
//!                      ▼                              ▼                  ▼
//!                other protocol                  left alone      skip exactly, or Resync
//! ```
//!
//! The rule above all others: nothing is reported as a request that the client did not send as one.
//! Where two readers could differ, the connection is no longer followed; `docs/SMUGGLING.md` has the
//! cases.

pub mod chunked;
mod detect;
mod event;
mod framing;
pub(crate) mod grammar;
pub mod h2;
mod head;
mod limits;
mod odd;
mod parser;
mod proxy;
mod reader;
pub mod reply;
mod request_head;
mod resync;
mod scan;
#[cfg(test)]
mod tests;

pub use detect::begins_request;
pub use event::{Field, Framing, Head, Http2, HttpEvent, Lost, Protocol, Span, Upgrade, Version};
pub use limits::{Limits, MAX_FIELDS};
pub use parser::{Answer, Footing, Input, Parser, Rest};
pub use request_head::RequestHead;
