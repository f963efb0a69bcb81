//! Versions of kernels, as packages and people write them.

use std::{cmp::Ordering, fmt, str::FromStr};

/// A kernel's version: numbers, and the text that they were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    numbers: Vec<u32>,
    text: String,
}

impl Version {
    /// Of a package's name without flavour, such as `5.10.0-46` or `6.12.117+deb13`; `None` for one
    /// that names no kernel but a series, as a meta-package does.
    pub(super) fn of_package(text: &str) -> Option<Self> {
        let numbers: Vec<u32> = text
            .split(['.', '-', '+'])
            .filter_map(|word| word.trim_start_matches("deb").parse().ok())
            .collect();
        let dotted = text.split(['-', '+']).next().unwrap_or_default();
        (dotted.split('.').count() >= 3).then(|| Self {
            numbers,
            text: text.to_owned(),
        })
    }

    /// Its series.
    pub(super) fn series(&self) -> Series {
        let number = |at: usize| self.numbers.get(at).copied().unwrap_or_default();
        Series(number(0), number(1))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// The first two numbers of a version, such as 5.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series(pub(super) u32, pub(super) u32);

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.0, self.1))
    }
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('.')
            .map(|(major, minor)| (major.parse(), minor.parse()));
        match numbers {
            Some((Ok(major), Ok(minor))) => Ok(Self(major, minor)),
            _ => Err("accepted: the first two numbers of a kernel's version, such as 6.1".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_number_and_know_their_series() {
        let version = |text| Version::of_package(text).unwrap();
        assert!(version("5.10.0-46") > version("5.10.0-9"));
        assert!(version("6.1.0-50") > version("6.1.0-0.deb11.52"));
        assert!(version("6.12.117+deb13") > version("6.12.73+deb13"));
        assert_eq!(version("6.12.117+deb13").series(), Series(6, 12));
        assert_eq!(version("5.4.0-216").series(), Series(5, 4));
        assert_eq!(Version::of_package("6.12"), None, "a meta-package");
        assert_eq!(Version::of_package("7.3"), None);
        assert_eq!("6.1".parse(), Ok(Series(6, 1)));
        assert!("6".parse::<Series>().is_err());
    }
}
