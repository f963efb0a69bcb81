//! Replies by their status code, in bounded memory.

use std::collections::BTreeMap;

use super::sum::Sum;

/// Most codes that are told apart.
const MOST: usize = 64;

/// How many replies had which status code (100 to 599).
///
/// A code of more than 64 counts as the `x00` of its class, and one that is none as 500, which is what RFC 9110
/// section 15 has clients make of codes that they do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses(BTreeMap<u16, u64>);

impl Statuses {
    /// Counts a reply of this status.
    pub fn count(&mut self, status: u16) {
        self.count_times(status, 1);
    }

    /// The codes that came, in order, each with how many replies had it.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().map(|(status, count)| (*status, *count))
    }

    fn count_times(&mut self, status: u16, times: u64) {
        let class = match status {
            100..=599 => status / 100 * 100,
            _ => 500,
        };
        let has_room = self.0.len() < MOST || self.0.contains_key(&status);
        let status = match status {
            100..=599 if has_room => status,
            _ => class,
        };
        *self.0.entry(status).or_default() += times;
    }
}

impl Sum for Statuses {
    fn add(&mut self, more: &Self) {
        for (status, count) in more.iter() {
            self.count_times(status, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_counts_once_whatever_its_status_is() {
        let mut statuses = Statuses::default();
        for status in [200, 404, 200, 0, 99, 600, 999, u16::MAX] {
            statuses.count(status);
        }
        let told: Vec<_> = statuses.iter().collect();
        assert_eq!(told, [(200, 2), (404, 1), (500, 5)]);
        for status in 0..=1_000 {
            statuses.count(status);
        }
        let mut sum = statuses.clone();
        sum.add(&statuses);
        assert!(sum.iter().count() <= MOST + 5, "{sum:?}");
        let total: u64 = sum.iter().map(|(_, count)| count).sum();
        assert_eq!(total, 2 * (8 + 1_001));
        assert_eq!(
            sum.iter().find(|(status, _)| *status == 404),
            Some((404, 4))
        );
    }
}
