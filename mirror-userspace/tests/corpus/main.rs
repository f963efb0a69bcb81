//! Captures that others recorded, with the requests that other tools found in them.
//!
//! The corpus is not part of the repository: `PODMIRROR_CORPUS` names its folder, whose form
//! `docs/CORPUS.md` tells. Without it these tests say that they were skipped.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a corpus that cannot be read fails the test"
)]

mod bytes;
mod deviations;
mod http2;
mod http2_copies;
mod oracle;
mod requests;
mod streams;
