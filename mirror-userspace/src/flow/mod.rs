//! Segments to ordered bytes, connection by connection.

mod event;

pub use event::{Close, Data, StreamEvent};
