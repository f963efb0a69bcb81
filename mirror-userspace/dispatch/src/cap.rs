//! A cap on what a target gets, which the shards of a process share.

/// Most copies per second to a target. Keeps what was asked for: the sum of the shards' parts, each of which is rounded,
/// is not always that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharedCap {
    whole: f64,
    shards: usize,
}

impl SharedCap {
    /// So many copies per second, divided evenly among so many shards, of which there is at least one.
    #[must_use]
    pub fn new(whole: f64, shards: usize) -> Self {
        let shards = shards.max(1);
        Self { whole, shards }
    }

    /// What all shards send together at most, exactly as it was asked for.
    #[must_use]
    pub const fn whole(self) -> f64 {
        self.whole
    }

    /// What one shard sends at most.
    #[must_use]
    pub fn of_shard(self) -> f64 {
        self.whole / self.shards as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_of_all_shards_is_what_was_asked_for_and_each_has_an_equal_part() {
        let mut rounded = 0;
        for whole in [0.1, 1.0, 10.5, 29.0, 100.0, 3_000.0, 1e6] {
            for shards in 1..=64 {
                let cap = SharedCap::new(whole, shards);
                assert_eq!(cap.whole().to_string(), whole.to_string(), "{shards}");
                let sum: f64 = (0..shards).map(|_| cap.of_shard()).sum();
                assert!((sum - whole).abs() <= 1e-12 * whole, "{sum} of {whole}");
                rounded += u32::from(cap.of_shard() * shards as f64 != whole);
            }
        }
        assert!(rounded > 0, "the parts alone would have been enough");
    }

    #[test]
    fn without_shards_it_is_that_of_one() {
        assert_eq!(SharedCap::new(2.5, 0), SharedCap::new(2.5, 1));
    }
}
