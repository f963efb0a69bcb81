//! What each version of HTTP does on a connection, as state machines on values: which bytes are
//! next, and what the bytes that come back say.

pub(super) mod h1;
pub(super) mod h2;
