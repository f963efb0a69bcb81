#![expect(
    clippy::cast_possible_truncation,
    reason = "crafted lengths and numbers are small, or meant to be cut"
)]

mod checksums;
mod craft;
mod damaged;
mod formats;
mod fragmented;
mod named;
mod packed;
mod tunnels;
mod written;
