//! podmirror's kernel half: a program that looks at each frame of an interface and copies the sampled
//! TCP payloads into a ring. It never writes to a packet. At a pod, as a TC program, it never decides
//! on one, either; at a port that receives copies, as an XDP program, it ends them there.
//!
//! | module | what it does |
//! |---|---|
//! | [`skb`] | reads headers and payload of a socket buffer |
//! | [`xdp`] | the same of a frame that is none yet |
//! | [`inside`] | takes tunnels off either |
//! | [`asm`] | keeps the compiler from outsmarting the verifier |
//! | [`ask`] | what v1's kernel has for a segment |
//! | [`maps`] | settings in, counters out |
//! | [`mirror`] | one frame: parse, port, sample, copy, count |
//! | [`rings`] | a segment's records in BPF ring buffers |
//! | [`seats`] | how attachments share programs |
//!
//! Three objects are built from it: `bin/ring.rs` (BPF ring buffers, Linux 5.10 and later) and
//! `bin/perf.rs` (perf event array, Linux 5.4 and later), which differ in the ring only, and
//! `bin/xdp.rs` (XDP, BPF ring buffers, Linux 5.18 and later).

#![no_std]
#![feature(asm_experimental_arch)]

pub mod ask;
pub mod asm;
pub mod inside;
pub mod maps;
pub mod mirror;
#[cfg(feature = "rings")]
pub mod rings;
pub mod seats;
pub mod skb;
pub mod xdp;

/// Nothing here panics; the linker drops this if it is right.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
