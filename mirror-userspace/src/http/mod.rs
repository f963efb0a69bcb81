//! Bytes to requests: heads by httparse, framing by RFC 9112 section 6.3.

mod event;

pub use event::{Field, Framing, Head, HttpEvent, Lost, Protocol, Span, Version};
