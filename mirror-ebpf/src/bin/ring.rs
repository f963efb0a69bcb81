//! The object for kernels with BPF ring buffers (Linux 5.10 and later): one ring a shard.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::{BPF_RB_NO_WAKEUP, TC_ACT_UNSPEC},
    btf_maps::{Array, ArrayOfMaps, RingBuf},
    macros::{btf_map, classifier},
    programs::TcContext,
};
use aya_log_ebpf::warn;
use mirror_common::{
    packet::{TcpSegment, Unparsable},
    record::{MAX_SEGMENT, SIZE_CLASSES, SegmentHeader},
    settings::MAX_SHARDS,
};
use mirror_ebpf::{
    mirror::{Capture, Notice, Ring, mirror_frame},
    skb,
};

const HEADER: usize = size_of::<SegmentHeader>();
const SMALL: usize = SIZE_CLASSES[0];
const MEDIUM: usize = SIZE_CLASSES[1];
const LARGE: usize = SIZE_CLASSES[2];
const LARGEST: usize = SIZE_CLASSES[3];

/// The inner map is a template: the loader puts rings of its own size in, one a shard.
type ShardRing = RingBuf<[u8; 0], { 64 * 1024 }>;

/// The rings, by shard.
#[btf_map]
static RINGS: ArrayOfMaps<ShardRing, MAX_SHARDS> = ArrayOfMaps::new();

/// Not 0 while the shard's reader sleeps, or is about to.
#[btf_map]
static SLEEPING: Array<u32, MAX_SHARDS> = Array::new();

/// The entry point, for ingress and egress hooks alike.
#[classifier]
fn mirror(ctx: TcContext) -> i32 {
    mirror_frame(&ctx, &Rings);
    TC_ACT_UNSPEC
}

struct Rings;

impl Ring for Rings {
    #[inline(always)]
    fn capture(
        &self,
        ctx: &TcContext,
        segment: &TcpSegment,
        header: SegmentHeader,
        shard: u32,
    ) -> Capture {
        let Some(ring) = RINGS.get(shard) else {
            return Capture::RingFull;
        };
        let mut record = Record {
            ctx,
            ring,
            shard,
            header,
            from: segment.payload_offset,
        };
        let mut left = segment.payload_len;
        for _ in 0..MAX_SEGMENT / LARGEST {
            if left <= LARGEST {
                break;
            }
            match record.write::<LARGEST>(LARGEST) {
                Capture::Whole => {}
                lost => return lost,
            }
            record.advance(LARGEST);
            left -= LARGEST;
        }
        if left <= SMALL {
            record.write::<SMALL>(left)
        } else if left <= MEDIUM {
            record.write::<MEDIUM>(left)
        } else if left <= LARGE {
            record.write::<LARGE>(left)
        } else {
            record.write::<LARGEST>(left)
        }
    }

    #[inline(always)]
    fn notice(&self, ctx: &TcContext, notice: Notice) {
        match notice {
            Notice::RingFull => log_ring_full(ctx),
            Notice::Unparsable(reason) => log_unparsable(ctx, reason),
        }
    }
}

/// Whether a shard's reader sleeps. Asked as late as can be, for it may go to sleep meanwhile.
#[inline(always)]
fn is_sleeping(shard: u32) -> bool {
    // SAFETY: the map returned a valid value, which the reader may be writing: a volatile read
    // of one word sees it before or after.
    SLEEPING
        .get_ptr(shard)
        .is_some_and(|sleeping| unsafe { sleeping.read_volatile() } != 0)
}

#[inline(never)]
fn log_ring_full(ctx: &TcContext) {
    warn!(ctx, "a ring is full: segments are lost (logged once a CPU)");
}

#[inline(never)]
fn log_unparsable(ctx: &TcContext, reason: Unparsable) {
    warn!(
        ctx,
        "a packet cannot be parsed, reason {} (logged once a CPU)", reason as u32
    );
}

/// The next record of a segment.
struct Record<'a> {
    ctx: &'a TcContext,
    ring: &'a ShardRing,
    shard: u32,
    header: SegmentHeader,
    /// Where in the socket buffer its bytes begin.
    from: usize,
}

impl Record<'_> {
    /// The next record begins this many bytes further.
    #[inline(always)]
    fn advance(&mut self, len: usize) {
        self.from += len;
        self.header.offset += len as u32;
    }

    /// Puts `len` bytes, at most `CLASS`, into the ring, in a record of this size class.
    #[inline(always)]
    fn write<const CLASS: usize>(&mut self, len: usize) -> Capture {
        let Some(mut bytes) = self.ring.reserve_bytes(HEADER + CLASS, 0) else {
            return Capture::RingFull;
        };
        self.header.captured = len as u32;
        let record = bytes.as_mut_ptr();
        // SAFETY: the reservation is longer than a header and, as all of the ring's, aligned to 8.
        unsafe { record.cast::<SegmentHeader>().write(self.header) };
        // SAFETY: the reservation has `CLASS` bytes behind the header.
        if len != 0 && !unsafe { skb::copy::<CLASS>(self.ctx, self.from, record.add(HEADER), len) }
        {
            bytes.discard(u64::from(BPF_RB_NO_WAKEUP));
            return Capture::Truncated;
        }
        let wakeup = if is_sleeping(self.shard) {
            // The kernel wakes a reader that has caught up with the ring.
            0
        } else {
            u64::from(BPF_RB_NO_WAKEUP)
        };
        bytes.submit(wakeup);
        Capture::Whole
    }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
