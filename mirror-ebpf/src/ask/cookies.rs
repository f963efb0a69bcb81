//! Handshakes under SYN cookies whose last ACK has passed here, and may not have come to v1's TCP yet.
//!
//! The kernel hands frames up in lists, and runs this hook for all of a list before TCP sees the first of
//! them. So a client's first words in two segments meet the listener both, and the cookie comes with the
//! first alone (its sequence number is in it). The second is taken if it acknowledges the same cookie
//! within the window that a SYN-ACK can offer.

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map};

use super::Question;

/// How many are remembered on a CPU, each until another one takes its place.
const PLACES: usize = 64;
/// The widest window of a SYN-ACK, which is never scaled (RFC 7323 section 2.2).
const WINDOW: u32 = 65_535;
/// How long a list takes to come to TCP, at the very most, in nanoseconds.
const FRESH: u64 = 100_000_000;

/// By the connection's hash.
#[btf_map]
static PROOFS: PerCpuArray<Proof, PLACES> = PerCpuArray::new();

/// A segment with a cookie that the listener has given.
#[repr(C)]
struct Proof {
    at: u64,
    tuple: [u32; 9],
    sequence: u32,
    acknowledgment: u32,
    /// Zero.
    reserved: u32,
}

/// Remembers that this segment came with a cookie.
#[inline(always)]
pub(super) fn remember(segment: &mut Question) {
    if let Some(proof) = place(segment) {
        proof.at = segment.now;
        for (to, &word) in proof.tuple.iter_mut().zip(&segment.tuple) {
            put(to, word);
        }
        proof.sequence = segment.sequence;
        proof.acknowledgment = segment.acknowledgment;
    }
}

/// Whether this segment follows one that came with a cookie just now.
#[inline(always)]
pub(super) fn is_behind(segment: &mut Question) -> bool {
    place(segment).is_some_and(|proof| {
        // As with `put`, no function is called.
        let words = proof.tuple.iter().zip(&segment.tuple);
        words.fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
            && proof.acknowledgment == segment.acknowledgment
            && segment.sequence.wrapping_sub(proof.sequence) <= WINDOW
            && segment.now.wrapping_sub(proof.at) <= FRESH
    })
}

#[inline(always)]
fn place(segment: &mut Question) -> Option<&'static mut Proof> {
    if segment.is_ipv6 == 0 {
        let [_, _, _, rest @ ..] = &mut segment.tuple;
        for word in rest {
            put(word, 0);
        }
    }
    let [a, _, ports, b, c, _, _, _, more_ports] = segment.tuple;
    let mixed = (a ^ ports ^ b ^ c ^ more_ports).wrapping_mul(0x9e37_79b1);
    let proof = PROOFS.get_ptr_mut(mixed >> (u32::BITS - PLACES.ilog2()))?;
    // SAFETY: a value of this CPU's, which no one else touches before the program ends.
    Some(unsafe { &mut *proof })
}

/// Writes one word. Of several at once the compiler makes a call, and [`look`](super::look)'s and its
/// caller's stack leave no room for that.
#[inline(always)]
fn put(to: &mut u32, word: u32) {
    // SAFETY: a valid word, which is borrowed.
    unsafe { (&raw mut *to).write_volatile(word) };
}
