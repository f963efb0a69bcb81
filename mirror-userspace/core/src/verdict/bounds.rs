//! How much a comparison keeps at most.

use super::{contents::MAX_FIELDS, level::MAX_GROUPS};

/// How much a comparison keeps at most, in one shard. The parts of the probability of a mistake are the same with any
/// bounds, so that counts that were made within different ones add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests that are open at once: older ones are given up. Default: 16 384, about 2 MiB of memory, or 8 with long
    /// names.
    pub open: usize,
    /// Groups of requests that are told apart. Default: 64, which is the most that there may be.
    pub groups: usize,
    /// Fields of replies that have counters of their own, in each group. Default: 256, the most that there may be.
    pub fields: usize,
}

impl Bounds {
    /// Bounds within which a shard's comparison takes at most 4 MiB: 1 MiB of open requests with the longest names, 1.3 MiB
    /// of latencies spread over all that is told apart, and 0.8 MiB of fields with the longest names.
    pub const SMALL: Self = Self {
        open: 2_048,
        groups: 32,
        fields: 64,
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            open: 16_384,
            groups: usize::try_from(MAX_GROUPS).unwrap_or(usize::MAX),
            fields: usize::try_from(MAX_FIELDS).unwrap_or(usize::MAX),
        }
    }
}
