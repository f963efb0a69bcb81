#![expect(
    clippy::cast_possible_truncation,
    reason = "crafted lengths and numbers are small, or meant to be cut"
)]

mod craft;
mod damaged;
mod formats;
mod fragmented;
mod packed;
mod written;
