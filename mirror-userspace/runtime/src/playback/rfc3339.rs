//! Capture times as people write them (RFC 3339), in UTC.

use std::fmt;

use jiff::Timestamp;
use mirror_core::segment::Time;

/// Prints a time that counts from the Unix epoch, with microseconds, or with nanoseconds where the
/// capture has them.
pub(super) struct Rfc3339(pub(super) Time);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        // 64 bits of nanoseconds end in the year 2554, a timestamp in 9999.
        let time = Timestamp::from_nanosecond(nanos.into()).map_err(|_| fmt::Error)?;
        let digits = if nanos.is_multiple_of(1_000) { 6 } else { 9 };
        write!(f, "{time:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_with_the_digits_that_they_have() {
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_000, "1970-01-01T00:00:00.000001Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (951_782_399_000_000_000, "2000-02-28T23:59:59.000000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_795_327_200_000_001_000, "2026-11-22T06:00:00.000001Z"),
            (4_107_542_400_123_456_789, "2100-03-01T00:00:00.123456789Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(Rfc3339(Time::from_nanos(nanos)).to_string(), expected);
        }
    }
}
