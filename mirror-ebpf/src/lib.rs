//! podmirror's kernel half: a TC program that looks at each frame of an interface and copies the
//! sampled TCP payloads into a ring. It never writes to a packet and never decides on one.
//!
//! | module | what it does |
//! |---|---|
//! | [`skb`] | reads headers and payload of a socket buffer |
//! | [`asm`] | keeps the compiler from outsmarting the verifier |
//! | [`maps`] | settings in, counters out |
//! | [`mirror`] | one frame: parse, port, sample, copy, count |
//!
//! Two objects are built from it, which differ in the ring only: `bin/ring.rs` (BPF ring buffers,
//! Linux 5.10 and later) and `bin/perf.rs` (perf event array, Linux 5.4 and later).

#![no_std]
#![feature(asm_experimental_arch)]

pub mod asm;
pub mod maps;
pub mod mirror;
pub mod skb;

/// Nothing here panics; the linker drops this if it is right.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
