//! Latencies, kept one by one: exact quantiles, four bytes each.

use std::time::Duration;

/// The latencies of a run, to the microsecond; more than 71 minutes count as 71 minutes.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// Adds one latency.
    pub fn record(&mut self, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.micros.push(micros);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.micros.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.micros.is_empty()
    }

    /// The latencies that a share of all (0 to 1) does not exceed, by nearest rank; `None` without
    /// any. Sorts: ask once for each run.
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> Option<[Duration; N]> {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some(shares.map(|share| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rank between 0 and a length far below 2^53"
            )]
            let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
            let index = rank.saturating_sub(1).min(last);
            Duration::from_micros(sorted.get(index).copied().unwrap_or_default().into())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantiles([0.5]), None);
        for micros in (1..=100).rev() {
            latencies.record(Duration::from_micros(micros));
        }
        let expected = [1, 50, 99, 100, 100].map(Duration::from_micros);
        assert_eq!(
            latencies.quantiles([0.0, 0.5, 0.99, 0.999, 1.0]),
            Some(expected)
        );
    }
}
