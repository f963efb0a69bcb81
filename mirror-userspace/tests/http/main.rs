//! The HTTP/1 parser from outside: what goes in as bytes comes out as requests, however the bytes
//! are cut, and hostile bytes come out as nothing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state their expectations by unwrapping, in what they share too"
)]

mod feed;
mod gaps;
mod mutations;
mod offers;
mod replies;
mod requests;
mod smuggling;
mod streams;
mod vectors;
mod verdicts;
