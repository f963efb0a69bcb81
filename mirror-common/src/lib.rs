//! The contract between podmirror's two halves: what the kernel program writes and what the
//! daemon reads.
//!
//! Both halves are built from this crate, so a record layout, a counter or a sampling decision
//! has one home. It is `no_std`, allocates nothing and has no `unsafe`; the header walk
//! ([`packet`]) is generic over [`packet::LoadBytes`], so the very code that the kernel's verifier
//! accepts is unit-tested and fuzzed on the host.
//!
//! | module | what it holds |
//! |---|---|
//! | [`packet`] | from a frame's first byte to the TCP payload, or the reason why not |
//! | [`record`] | [`record::SegmentHeader`] and the size classes of ring records |
//! | [`settings`] | what the daemon tells the program: ports, sampling, link layer |
//! | [`counter`] | what the program tells the daemon: one counter for each way a segment can end |
//! | [`sample`] | the consistent, nested sampling decision, and the shard of a flow |

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod counter;
pub mod packet;
pub mod record;
pub mod sample;
pub mod settings;
