//! Capture times as people write them (RFC 3339), in UTC.

use std::fmt;

use mirror_core::segment::Time;

/// Prints a time that counts from the Unix epoch, with microseconds, or with nanoseconds where the
/// capture has them.
pub(super) struct Rfc3339(pub(super) Time);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if fraction.is_multiple_of(1_000) {
            write!(f, ".{:06}Z", fraction / 1_000)
        } else {
            write!(f, ".{fraction:09}Z")
        }
    }
}

/// The date of a day after 1970-01-01 in the Gregorian calendar: counted in years that begin in
/// March, so that the leap day is the last of its year, and in eras of 400 years, which are all
/// equally long.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let since_march_of_year_0 = days + 719_468;
    let day_of_era = since_march_of_year_0 % ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = if month_from_march < 10 {
        (month_from_march + 3, 0)
    } else {
        (month_from_march - 9, 1)
    };
    let year = year_of_era + since_march_of_year_0 / ERA * 400 + next_year;
    (year, month, day)
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

    #[test]
    fn every_day_of_five_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..200_000 {
            assert_eq!(date(days), (year, month, day), "day {days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let len = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == len => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }
}
