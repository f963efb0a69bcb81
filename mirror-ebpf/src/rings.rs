//! BPF ring buffers, one a shard: how a segment becomes records in one of them.
//!
//! The maps themselves are in the objects that have them, for an object without them must not
//! name a kind of map that its kernels lack.

use aya_ebpf::{
    EbpfContext,
    bindings::BPF_RB_NO_WAKEUP,
    btf_maps::{Array, ArrayOfMaps, RingBuf},
};
use aya_log_ebpf::warn;
use mirror_common::{
    packet::{TcpSegment, Unparsable},
    record::{LARGEST, MAX_SEGMENT, SegmentHeader, capacity},
    settings::{MAX_SHARDS, ROWS},
};

use crate::{
    asm::{length_within, opaque},
    maps::{SETTINGS, zero},
    mirror::{Capture, Frame, Notice, Ring},
};

const HEADER: usize = size_of::<SegmentHeader>();

/// The inner map is a template: the loader puts rings of its own size in.
pub type ShardRing = RingBuf<[u8; 0], { 64 * 1024 }>;

/// Rows of rings, one a mirror; in a row, by shard.
pub type ShardRings = ArrayOfMaps<ShardRing, { ROWS * MAX_SHARDS }>;

/// By ring: not 0 while its reader sleeps, or is about to.
pub type Sleeping = Array<u32, { ROWS * MAX_SHARDS }>;

/// The maps that an object has for them.
pub struct Rings {
    /// The rings.
    pub rings: &'static ShardRings,
    /// Whose readers sleep.
    pub sleeping: &'static Sleeping,
}

impl<F: Frame + EbpfContext> Ring<F> for Rings {
    #[inline(always)]
    fn capture(
        &self,
        frame: &F,
        segment: &TcpSegment,
        header: SegmentHeader,
        number: u32,
    ) -> Capture {
        let (Some(ring), Some(settings)) = (self.rings.get(number), SETTINGS.get(0)) else {
            return Capture::RingFull;
        };
        let mut record = Record {
            frame,
            ring,
            sleeping: self.sleeping,
            number,
            header,
            from: segment.payload_offset,
        };
        let mut left = segment.payload_len;
        for _ in 0..MAX_SEGMENT / LARGEST {
            if left <= LARGEST {
                break;
            }
            match record.write(LARGEST, LARGEST) {
                Capture::Whole => {}
                lost => return lost,
            }
            record.advance(LARGEST);
            left -= LARGEST;
        }
        // What comes now is followed once for each size, and not for each number of turns as well.
        let zero = zero(settings);
        record.from ^= zero as usize;
        record.header.offset ^= zero;
        left ^= zero as usize;
        record.write(left.min(LARGEST), opaque(capacity(left)))
    }

    #[inline(always)]
    fn notice(&self, frame: &F, notice: Notice) {
        match notice {
            Notice::RingFull => log_ring_full(frame),
            Notice::Unparsable(reason) => log_unparsable(frame, reason),
        }
    }
}

/// Whether a ring's reader sleeps. Asked as late as can be, for it may go to sleep meanwhile.
#[inline(always)]
fn is_sleeping(sleeping: &Sleeping, number: u32) -> bool {
    // SAFETY: the map returned a valid value, which the reader may be writing: a volatile read
    // of one word sees it before or after.
    sleeping
        .get_ptr(number)
        .is_some_and(|sleeping| unsafe { sleeping.read_volatile() } != 0)
}

#[inline(never)]
fn log_ring_full<C: EbpfContext>(ctx: &C) {
    warn!(ctx, "a ring is full: segments are lost (logged once a CPU)");
}

#[inline(never)]
fn log_unparsable<C: EbpfContext>(ctx: &C, reason: Unparsable) {
    warn!(
        ctx,
        "a packet cannot be parsed, reason {} (logged once a CPU)", reason as u32
    );
}

/// The next record of a segment.
struct Record<'a, F> {
    frame: &'a F,
    ring: &'a ShardRing,
    sleeping: &'a Sleeping,
    number: u32,
    header: SegmentHeader,
    /// Where in the frame its bytes begin.
    from: usize,
}

impl<F: Frame> Record<'_, F> {
    /// The next record begins this many bytes further.
    #[inline(always)]
    fn advance(&mut self, len: usize) {
        self.from += len;
        self.header.offset += len as u32;
    }

    /// Puts `len` bytes into the ring, in a record that has room for `capacity`, which the verifier knows.
    #[inline(always)]
    fn write(&mut self, len: usize, capacity: usize) -> Capture {
        let Some(mut bytes) = self.ring.reserve_bytes(HEADER + capacity, 0) else {
            return Capture::RingFull;
        };
        self.header.captured = len as u32;
        let record = bytes.as_mut_ptr();
        // SAFETY: the reservation is longer than a header and, as all of the ring's, aligned to 8.
        unsafe { record.cast::<SegmentHeader>().write(self.header) };
        // SAFETY: the reservation has `capacity` bytes behind the header.
        let copy = |len| unsafe { self.frame.copy(self.from, record.add(HEADER), len) };
        if len != 0 && !copy(length_within(len, capacity)) {
            bytes.discard(u64::from(BPF_RB_NO_WAKEUP));
            return Capture::Truncated;
        }
        let wakeup = if is_sleeping(self.sleeping, self.number) {
            // The kernel wakes a reader that has caught up with the ring.
            0
        } else {
            u64::from(BPF_RB_NO_WAKEUP)
        };
        bytes.submit(wakeup);
        Capture::Whole
    }
}
