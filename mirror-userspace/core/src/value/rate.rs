//! Sampling rates, kept in whole steps so that what the user wrote is what is applied.
//!
//! Configuration documents have steps of 0.0001 %, and `1/3` is not a decimal number at all. A rate is
//! therefore a whole number of steps of 0.00000001 %: decimals are exact, and a fraction is off by less
//! than one step. There is no floating point.

use std::{fmt, str::FromStr};

use mirror_common::sample::ALWAYS;

use crate::value::BadValue;

/// Steps in one per cent.
const PERCENT: u64 = 100_000_000;
/// Steps in 100 %.
const WHOLE: u64 = 100 * PERCENT;
/// Decimal places of a per cent that a step resolves.
const PLACES: usize = 8;

const ACCEPTED: &str =
    "a percentage (25, 25%, 0.5%) or a fraction (1/3), from 0 to 100 % of the requests";

/// A share from 0 to 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Nothing: the kill switch.
    pub const ZERO: Self = Self(0);
    /// 100 %: everything is mirrored. The default.
    pub const ALL: Self = Self(WHOLE);

    /// The rate `part / whole`, or `None` if that is not a share: `whole` is 0 or less than `part`.
    ///
    /// It is rounded down to the next step, but never down to 0.
    #[must_use]
    pub fn from_fraction(part: u64, whole: u64) -> Option<Self> {
        if part > whole {
            return None;
        }
        let steps = (u128::from(part) * u128::from(WHOLE)).checked_div(u128::from(whole))?;
        let steps = u64::try_from(steps).ok()?;
        Some(Self(steps.max(u64::from(part > 0))))
    }

    /// The share as a number from 0 to 1, as precise as a `f64` is.
    #[must_use]
    pub fn ratio(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "both are below 2^53")]
        let ratio = self.0 as f64 / WHOLE as f64;
        ratio
    }

    /// The threshold for [`mirror_common::sample::is_sampled`]: 0 for 0 %, [`ALWAYS`] for 100 %
    /// and only then, at least 1 for what is not 0.
    #[must_use]
    pub fn threshold(self) -> u64 {
        let exact = u128::from(self.0) * u128::from(ALWAYS) / u128::from(WHOLE);
        u64::try_from(exact)
            .unwrap_or(ALWAYS)
            .max(u64::from(self.0 > 0))
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromStr for Rate {
    type Err = BadValue;

    /// Reads a percentage, with or without `%`, or a fraction.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let refuse = |problem| BadValue::new(text, problem, ACCEPTED);
        let trimmed = text.trim();
        if trimmed.starts_with('-') {
            return Err(refuse("is negative"));
        }
        let rate = match trimmed.split_once('/') {
            Some((part, whole)) => {
                let part = part.parse().map_err(|_| refuse("is no fraction"))?;
                let whole = whole.parse().map_err(|_| refuse("is no fraction"))?;
                if whole == 0 {
                    return Err(refuse("divides by zero"));
                }
                Self::from_fraction(part, whole)
            }
            None => {
                let number = trimmed.strip_suffix('%').unwrap_or(trimmed).trim_end();
                percentage(number).ok_or_else(|| refuse("is no number"))?
            }
        };
        rate.ok_or_else(|| refuse("is above 100 %"))
    }
}

impl TryFrom<f64> for Rate {
    type Error = BadValue;

    /// Takes a percentage as configuration documents hold it, by its shortest decimal form.
    fn try_from(percent: f64) -> Result<Self, BadValue> {
        percent.to_string().parse()
    }
}

/// Reads `digits[.digits]`: `None` if it is no such number, `Some(None)` if it is above 100 %.
fn percentage(number: &str) -> Option<Option<Rate>> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() + decimals.len() == 0 {
        return None;
    }
    let (kept, beyond) = decimals.split_at(decimals.len().min(PLACES));
    let steps: u64 = format!("{kept:0<PLACES$}").parse().ok()?;
    let beyond = beyond.bytes().any(|byte| byte != b'0');
    let whole = whole.trim_start_matches('0');
    let whole: u64 = match whole {
        "" => 0,
        // Longer than any number up to 100, and maybe than a u64.
        long if long.len() > 3 => return Some(None),
        short => short.parse().ok()?,
    };
    let total = whole * PERCENT + steps;
    if total > WHOLE || (total == WHOLE && beyond) {
        return Some(None);
    }
    Some(Some(Rate(total.max(u64::from(beyond)))))
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, steps) = (self.0 / PERCENT, self.0 % PERCENT);
        if steps == 0 {
            return write!(f, "{whole} %");
        }
        let decimals = format!("{steps:0PLACES$}");
        write!(f, "{whole}.{} %", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_written_is_what_is_kept() {
        for (text, shown) in [
            ("25", "25 %"),
            ("25%", "25 %"),
            ("25 %", "25 %"),
            (" 25 ", "25 %"),
            ("025.50", "25.5 %"),
            ("0.5%", "0.5 %"),
            (".5", "0.5 %"),
            ("5.", "5 %"),
            ("0", "0 %"),
            ("0/7", "0 %"),
            ("0.0001%", "0.0001 %"),
            ("99.9999", "99.9999 %"),
            ("1/3", "33.33333333 %"),
            ("1/4", "25 %"),
            ("3/3", "100 %"),
            ("100", "100 %"),
            ("100.000000000000%", "100 %"),
            // Finer than a step, but neither 0 nor 100 %.
            ("0.0000000000001", "0.00000001 %"),
            ("1/18446744073709551615", "0.00000001 %"),
            ("99.99999999999", "99.99999999 %"),
            ("18446744073709551614/18446744073709551615", "99.99999999 %"),
        ] {
            assert_eq!(rate(text).to_string(), shown, "{text}");
            assert_eq!(rate(shown), rate(text), "what is shown reads back");
        }
    }

    #[test]
    fn what_is_no_share_is_refused_by_name() {
        for text in [
            "",
            " ",
            "%",
            ".",
            "-1",
            "-0",
            "+5",
            "NaN",
            "nan",
            "inf",
            "1e1",
            "0x10",
            "25%%",
            "2 5",
            "1,5",
            "100.1",
            "100.0000000000001",
            "101",
            "99999999999999999999999",
            "4/3",
            "1/0",
            "0/0",
            "1/",
            "/3",
            "1/3%",
            "1/-3",
            "1/2/3",
            "-1/3",
            "½",
            "25 percent",
            "٣",
        ] {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("\"{text}\" ")), "{error}");
            assert!(
                error.contains("accepted: a percentage (25, 25%, 0.5%)"),
                "{error}"
            );
        }
    }

    #[test]
    fn thresholds_are_exact_at_both_ends() {
        assert_eq!(rate("0").threshold(), 0);
        assert_eq!(rate("100").threshold(), ALWAYS);
        assert_eq!(rate("25").threshold(), ALWAYS / 4);
        assert_eq!(rate("1/3").threshold(), ALWAYS / 3);
        assert_eq!(rate("0.00000001").threshold(), 1);
        assert_eq!(rate("99.99999999").threshold(), ALWAYS - 1);
        assert_eq!(Rate::default().threshold(), ALWAYS);
        for (text, ratio) in [("0", 0.0), ("0.5%", 0.005), ("25", 0.25), ("100", 1.0)] {
            assert!((rate(text).ratio() - ratio).abs() < f64::EPSILON, "{text}");
        }
    }

    #[test]
    fn every_document_step_is_its_own_rate_and_threshold() {
        let mut last = Rate::ZERO;
        for step in 1..=1_000_000_u64 {
            let now = Rate::from_fraction(step, 1_000_000).unwrap();
            assert!(now.threshold() > last.threshold(), "{now} after {last}");
            last = now;
        }
        assert_eq!(last, Rate::ALL);
    }

    #[test]
    fn document_numbers_are_taken_by_their_decimal_form() {
        assert_eq!(Rate::try_from(0.0001), Ok(rate("0.0001")));
        assert_eq!(Rate::try_from(33.3333), Ok(rate("33.3333")));
        assert_eq!(Rate::try_from(100.0), Ok(Rate::ALL));
        for bad in [f64::NAN, f64::INFINITY, -1.0, -0.0, 100.000_1, f64::MAX] {
            assert!(Rate::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(Rate::try_from(f64::MIN_POSITIVE), Ok(Rate(1)));
    }
}
