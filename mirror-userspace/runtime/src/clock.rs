//! The one clock of live mirroring: `CLOCK_MONOTONIC`, which the kernel program stamps with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mirror_core::segment::Time;
use nix::time::{ClockId, clock_gettime};

/// What makes a time of [`now`]'s clock one since the Unix epoch. Steps of the system's clock later
/// on are not seen.
#[must_use]
pub fn epoch() -> Duration {
    let now_since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    now_since_epoch
        .unwrap_or_default()
        .saturating_sub(Duration::from_nanos(now().as_nanos()))
}

/// Now, on the clock of [`mirror_common::record::SegmentHeader::timestamp`].
#[must_use]
pub fn now() -> Time {
    // Linux always has this clock; zero would only make timers late.
    let nanos = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
        let (seconds, nanos) = (now.tv_sec().unsigned_abs(), now.tv_nsec().unsigned_abs());
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    });
    Time::from_nanos(nanos)
}
