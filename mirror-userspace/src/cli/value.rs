//! The small value syntaxes that several flags share.

use std::time::Duration;

/// `500ms`, `5s`, `2m`, `1h`: a number with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len()
        - text
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
            .len();
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("accepted: a number with its unit, such as 500ms, 5s, 2m or 1h".into()),
    };
    number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok())
        .filter(|duration| *duration <= Duration::from_hours(24 * 365))
        .ok_or_else(|| {
            "accepted: a number with its unit, such as 500ms, 5s, 2m or 1h; at most a year".into()
        })
}

/// `0.05`: a number above 0 and below 1.
pub(super) fn part(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|part| *part > 0.0 && *part < 1.0)
        .ok_or_else(|| "accepted: a number above 0 and below 1, such as 0.05".into())
}

/// `0.5%`: a part of one, above 0.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    text.strip_suffix('%')
        .and_then(|number| number.parse::<f64>().ok())
        .filter(|percent| percent.is_finite() && *percent > 0.0)
        .map(|percent| percent / 100.0)
        .ok_or_else(|| "accepted: a percentage above 0, such as 0.5%".into())
}

/// `4096`, `64K`, `256M`, `1G`: bytes, with powers of 1024.
pub(super) fn size(text: &str) -> Result<usize, String> {
    const ACCEPTED: &str =
        "accepted: bytes, or with K, M or G for powers of 1024, such as 256M; at least 1";
    let (number, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 10),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 20),
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 30),
        _ => (Some(text), 0),
    };
    number
        .and_then(|number| number.parse::<usize>().ok())
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| ACCEPTED.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_percentages_are_above_nothing() {
        assert_eq!(part("0.05"), Ok(0.05));
        assert_eq!(percent("0.5%"), Ok(0.005));
        assert!(
            ["0", "1", "-0.1", "nan", "5%"]
                .iter()
                .all(|bad| part(bad).is_err())
        );
        assert!(
            ["0%", "5", "-1%", "inf%", "nan%"]
                .iter()
                .all(|bad| percent(bad).is_err())
        );
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("1h"), Ok(Duration::from_hours(1)));
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "5 s",
            "1.2.3s",
            "99999999999999h",
            "5d",
        ] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size("1"), Ok(1));
        assert_eq!(size("64K"), Ok(64 << 10));
        assert_eq!(size("256M"), Ok(256 << 20));
        assert_eq!(size("1g"), Ok(1 << 30));
        for bad in [
            "",
            "0",
            "M",
            "-1",
            "1.5M",
            "1MB",
            "99999999999999999999",
            "9999999999999G",
            "\u{e9}",
        ] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }
}
