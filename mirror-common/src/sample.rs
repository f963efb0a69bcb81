//! The sampling decision, the same on both sides of the ring.
//!
//! A key is hashed to 32 bits and compared with a threshold. So a key is always in or always out
//! (consistent), and what a lower rate selects is a subset of what a higher one does (nested).
//! Two nodes, or a node before and after a restart, decide alike if they have the same [`Secret`].

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The threshold under which every hash falls: a rate of 100 %.
pub const ALWAYS: u64 = 1 << 32;

/// Whether a key with this hash is sampled at this threshold (0 to [`ALWAYS`]).
#[must_use]
#[inline(always)]
pub const fn is_sampled(hash: u32, threshold: u64) -> bool {
    (hash as u64) < threshold
}

/// What the hashes of sampling decisions start from, so that a client can't choose ports or values that
/// are always in, or never. The default is none: then everyone can work out who is in.
///
/// It is mixed in, not the key of a MAC: who sees many decisions, by seeing what the targets get, may
/// tell more about others than chance allows. Nobody does who only sees the replies.
#[derive(Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Secret(u64);

impl Secret {
    /// No secret.
    pub const NONE: Self = Self(0);

    /// Of 64 bits, of which no one should be known to clients.
    #[must_use]
    #[inline(always)]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// Starts a hash that depends on it. Hashes of different purposes start from different seeds.
    #[must_use]
    #[inline(always)]
    pub const fn mix(self, seed: u64) -> Mix {
        Mix::new(seed ^ self.0)
    }
}

impl fmt::Debug for Secret {
    /// Whether there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::NONE { "None" } else { "…" })
    }
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

    /// Mixes one 64-bit word into the hash.
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
    secret: Secret,
    source: &[u8; 16],
    destination: &[u8; 16],
    source_port: u16,
    destination_port: u16,
) -> u32 {
    high_half(tuple(
        secret.mix(SAMPLE_SEED),
        source,
        destination,
        source_port,
        destination_port,
    ))
}

/// The sampling hash of a client address.
#[must_use]
#[inline(always)]
pub const fn client_hash(secret: Secret, source: &[u8; 16]) -> u32 {
    high_half(secret.mix(SAMPLE_SEED).address(source).finish())
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
        Mix::new(SHARD_SEED),
        source,
        destination,
        source_port,
        destination_port,
    ))
}

#[inline(always)]
const fn tuple(
    start: Mix,
    source: &[u8; 16],
    destination: &[u8; 16],
    source_port: u16,
    destination_port: u16,
) -> u64 {
    start
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
        let secrets = [
            Secret::NONE,
            Secret::new(1),
            Secret::new(0x0123_4567_89ab_cdef),
        ];
        for (percent, secret) in [1_u64, 10, 25, 50, 90]
            .into_iter()
            .flat_map(|percent| secrets.map(|secret| (percent, secret)))
        {
            let threshold = ALWAYS * percent / 100;
            let hit = (0..n)
                .filter(|i| {
                    let hash = connection_hash(
                        secret,
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
            let hash = client_hash(Secret::NONE, &client(i));
            assert!(!is_sampled(hash, ALWAYS / 10) || is_sampled(hash, ALWAYS / 4));
            assert!(is_sampled(hash, ALWAYS), "100 % is everything");
            assert!(!is_sampled(hash, 0), "0 is nothing");
        }
    }

    /// Who knows the hash without the secret finds ports that are always in; with one, they are in as
    /// often as any other.
    #[test]
    fn ports_that_are_chosen_without_the_secret_are_in_as_often_as_others() {
        let (source, server) = (client(3), client(9));
        let is_in = |secret, port| {
            let hash = connection_hash(secret, &source, &server, port, 80);
            is_sampled(hash, ALWAYS / 4)
        };
        let chosen: std::vec::Vec<u16> = (1024..=u16::MAX)
            .filter(|&port| is_in(Secret::NONE, port))
            .collect();
        for bits in [1, 1 << 63, 0x0123_4567_89ab_cdef] {
            let secret = Secret::new(bits);
            let hit = chosen.iter().filter(|&&port| is_in(secret, port)).count();
            let (hit, n) = (hit as f64, chosen.len() as f64);
            let sigma = (n * 0.25 * 0.75).sqrt();
            assert!(
                (hit - n / 4.0).abs() < 4.0 * sigma,
                "{bits:#x}: {hit} of {n}"
            );
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(
            std::format!("{:?} {:?}", Secret::NONE, Secret::new(5)),
            "None …"
        );
    }

    #[test]
    fn without_a_secret_the_hashes_are_what_they_always_were() {
        let hash = connection_hash(Secret::NONE, &client(1), &client(2), 40_000, 8080);
        let plain = Mix::new(SAMPLE_SEED)
            .address(&client(1))
            .address(&client(2));
        let plain = plain.word((40_000 << 16) | 8080).finish();
        assert_eq!(u64::from(hash), plain >> 32);
    }

    #[test]
    fn sampled_flows_spread_over_all_shards() {
        let server = client(9);
        let mut shards = [0_u32; 4];
        for port in 1024..=u16::MAX {
            let (source, port) = (client(3), port);
            let hash = connection_hash(Secret::new(7), &source, &server, port, 80);
            if is_sampled(hash, ALWAYS / 4) {
                shards[(shard_hash(&source, &server, port, 80) % 4) as usize] += 1;
            }
        }
        let total: u32 = shards.iter().sum();
        assert!(shards.iter().all(|&n| n * 4 > total * 9 / 10), "{shards:?}");
    }
}
