//! The sampling decision, the same on both sides of the ring.
//!
//! A key is hashed to 32 bits and compared with a threshold. So a key is always in or always out
//! (consistent), and what a lower rate selects is a subset of what a higher one does (nested).
//! The hash is not keyed: two nodes, or a node before and after a restart, decide alike.

/// The threshold under which every hash falls: a rate of 100 %.
pub const ALWAYS: u64 = 1 << 32;

/// Whether a key with this hash is sampled at this threshold (0 to [`ALWAYS`]).
#[must_use]
#[inline(always)]
pub const fn is_sampled(hash: u32, threshold: u64) -> bool {
    (hash as u64) < threshold
}

/// Mixes words into a well-distributed hash: the multiply-xorshift rounds of SplitMix64
/// (Steele, Lea, Flood 2014), one a word, which the eBPF instruction set does without a helper.
#[derive(Clone, Copy, Debug)]
pub struct Mix(u64);

impl Mix {
    /// Starts a hash. Hashes of different purposes start from different seeds.
    #[must_use]
    #[inline(always)]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Adds one word.
    #[must_use]
    #[inline(always)]
    pub const fn word(self, word: u64) -> Self {
        let mut state = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(state ^ (state >> 31))
    }

    /// Adds an address in its 16-byte form.
    #[must_use]
    #[inline(always)]
    pub const fn address(self, address: &[u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
        self.word(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            .word(u64::from_be_bytes([i, j, k, l, m, n, o, p]))
    }

    /// All 64 bits of the hash.
    #[must_use]
    #[inline(always)]
    pub const fn finish(self) -> u64 {
        self.0
    }
}

/// The seed of sampling decisions on packets.
const SAMPLE_SEED: u64 = 0x706f_646d_6972_726f;
/// The seed of the shard choice: independent of sampling, so that a sampled quarter of the flows
/// still spreads over all shards.
const SHARD_SEED: u64 = 0x7368_6172_6473_2121;

/// The sampling hash of a client connection.
#[must_use]
#[inline(always)]
pub const fn connection_hash(
    source: &[u8; 16],
    destination: &[u8; 16],
    source_port: u16,
    destination_port: u16,
) -> u32 {
    high_half(tuple(
        SAMPLE_SEED,
        source,
        destination,
        source_port,
        destination_port,
    ))
}

/// The sampling hash of a client address.
#[must_use]
#[inline(always)]
pub const fn client_hash(source: &[u8; 16]) -> u32 {
    high_half(Mix::new(SAMPLE_SEED).address(source).finish())
}

/// The hash whose remainder by the number of shards is a flow's shard.
#[must_use]
#[inline(always)]
pub const fn shard_hash(
    source: &[u8; 16],
    destination: &[u8; 16],
    source_port: u16,
    destination_port: u16,
) -> u32 {
    high_half(tuple(
        SHARD_SEED,
        source,
        destination,
        source_port,
        destination_port,
    ))
}

#[inline(always)]
const fn tuple(
    seed: u64,
    source: &[u8; 16],
    destination: &[u8; 16],
    source_port: u16,
    destination_port: u16,
) -> u64 {
    Mix::new(seed)
        .address(source)
        .address(destination)
        .word(((source_port as u64) << 16) | destination_port as u64)
        .finish()
}

#[inline(always)]
const fn high_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u16) -> [u8; 16] {
        let mut address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0];
        address[14..].copy_from_slice(&n.to_be_bytes());
        address
    }

    #[test]
    fn a_rate_selects_its_share_within_three_sigma() {
        let server = client(1);
        let n = 100_000_u32;
        for percent in [1_u64, 10, 25, 50, 90] {
            let threshold = ALWAYS * percent / 100;
            let hit = (0..n)
                .filter(|i| {
                    let hash = connection_hash(
                        &client(u16::try_from(i >> 10).unwrap()),
                        &server,
                        (i & 1023) as u16 + 1024,
                        80,
                    );
                    is_sampled(hash, threshold)
                })
                .count();
            let (p, n) = (percent as f64 / 100.0, f64::from(n));
            let sigma = (n * p * (1.0 - p)).sqrt();
            assert!(
                (hit as f64 - n * p).abs() < 3.0 * sigma,
                "{percent} %: {hit} of {n}"
            );
        }
    }

    #[test]
    fn a_lower_rate_selects_a_subset() {
        for i in 0..10_000_u16 {
            let hash = client_hash(&client(i));
            assert!(!is_sampled(hash, ALWAYS / 10) || is_sampled(hash, ALWAYS / 4));
            assert!(is_sampled(hash, ALWAYS), "100 % is everything");
            assert!(!is_sampled(hash, 0), "0 is nothing");
        }
    }

    #[test]
    fn sampled_flows_spread_over_all_shards() {
        let server = client(9);
        let mut shards = [0_u32; 4];
        for port in 1024..=u16::MAX {
            let (source, port) = (client(3), port);
            if is_sampled(connection_hash(&source, &server, port, 80), ALWAYS / 4) {
                shards[(shard_hash(&source, &server, port, 80) % 4) as usize] += 1;
            }
        }
        let total: u32 = shards.iter().sum();
        assert!(shards.iter().all(|&n| n * 4 > total * 9 / 10), "{shards:?}");
    }
}
