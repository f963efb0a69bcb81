//! Whose wrong checksums mean something.
//!
//! Where nearly all of a sender's checksums are wrong, nobody has computed them (see
//! [`checksum`](super::checksum)), or a tool has changed the packets since: they say nothing. Where
//! nearly all are right, a wrong one is damage or forgery, and v1's kernel has dropped the segment.
//! That is decided as the capture is read, from what the sender has sent so far.

use std::collections::HashMap;

use super::checksum::Sum;

/// How many wrong checksums there are for a right one where nobody has computed them. Some are right
/// even so: resets, which Linux sends without a socket's help, and one in 65 536 by chance.
const NEARLY_ALL: u64 = 16;

/// Senders in a generation.
const GENERATION: usize = 65_536;

/// The senders of a capture, those seen last: in two generations, the older one dropped when the
/// younger is full.
#[derive(Debug, Default)]
pub(super) struct Senders {
    young: HashMap<[u8; 16], Checksums, foldhash::fast::RandomState>,
    old: HashMap<[u8; 16], Checksums, foldhash::fast::RandomState>,
}

/// What one sender's checksums were.
#[derive(Clone, Copy, Debug, Default)]
struct Checksums {
    right: u64,
    wrong: u64,
}

impl Senders {
    /// Takes note of a segment, and tells whether its receiver will have taken it.
    pub(super) fn believe(&mut self, sender: [u8; 16], sum: Sum) -> bool {
        if sum == Sum::Unknown {
            return true;
        }
        if self.young.len() >= GENERATION && !self.young.contains_key(&sender) {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &self.old;
        let before = || old.get(&sender).copied().unwrap_or_default();
        let counted = self.young.entry(sender).or_insert_with(before);
        if sum == Sum::Right {
            counted.right += 1;
            return true;
        }
        counted.wrong += 1;
        counted.wrong > counted.right.saturating_mul(NEARLY_ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 16] = [1; 16];
    const OTHER: [u8; 16] = [2; 16];

    #[test]
    fn a_wrong_checksum_counts_where_others_are_right() {
        let mut senders = Senders::default();
        assert!(senders.believe(ONE, Sum::Right));
        for _ in 0..NEARLY_ALL {
            assert!(!senders.believe(ONE, Sum::Wrong));
        }
        assert!(senders.believe(OTHER, Sum::Wrong), "it has no right ones");
        assert!(senders.believe(ONE, Sum::Unknown));
    }

    #[test]
    fn nearly_only_wrong_ones_say_nothing() {
        let mut senders = Senders::default();
        for n in 0..1_000 {
            let sum = if n % 100 == 99 {
                Sum::Right
            } else {
                Sum::Wrong
            };
            assert!(senders.believe(ONE, sum), "{n}");
        }
    }

    #[test]
    fn any_number_of_senders_takes_bounded_memory() {
        let mut senders = Senders::default();
        senders.believe(ONE, Sum::Right);
        for n in 0..3 * GENERATION {
            let mut sender = [0; 16];
            sender[8..].copy_from_slice(&n.to_be_bytes());
            senders.believe(sender, Sum::Right);
            if n % 1_000 == 0 {
                assert!(!senders.believe(ONE, Sum::Wrong), "remembered: in use");
                senders.believe(ONE, Sum::Right);
            }
        }
        assert!(senders.young.len() + senders.old.len() <= 2 * GENERATION);
    }
}
