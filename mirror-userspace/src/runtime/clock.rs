//! The one clock of live mirroring: `CLOCK_MONOTONIC`, which the kernel program stamps with.

use nix::time::{ClockId, clock_gettime};

use crate::segment::Time;

/// Now, on the clock of [`mirror_common::record::SegmentHeader::timestamp`].
pub(super) fn now() -> Time {
    // Linux always has this clock; zero would only make timers late.
    let nanos = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
        let (seconds, nanos) = (now.tv_sec().unsigned_abs(), now.tv_nsec().unsigned_abs());
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    });
    Time::from_nanos(nanos)
}
