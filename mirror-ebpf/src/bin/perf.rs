//! The object for kernels without BPF ring buffers of any size (Linux 5.4 to 5.9): the perf ring
//! buffer of the CPU. It copies twice, since the kernel lets no one reserve room in that ring.

#![no_std]
#![no_main]

use core::ptr;

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_CURRENT_CPU, TC_ACT_UNSPEC},
    btf_maps::{PerCpuArray, PerfEventByteArray},
    helpers::bpf_perf_event_output,
    macros::{btf_map, classifier},
    programs::TcContext,
};
use mirror_common::{
    packet::TcpSegment,
    record::{MAX_SEGMENT, SegmentHeader},
};
use mirror_ebpf::{
    asm::length,
    inside::Tunnelled,
    mirror::{Capture, Frame, Ring, mirror_frame, mirror_reply},
};

/// The most payload bytes of one record: the largest power of two that a record has room for. A
/// per-CPU map's value has at most 32 KiB (`PCPU_MIN_UNIT_SIZE`), and a perf sample 64 KiB.
const PIECE: usize = 16 * 1024;

/// A record while it is put together.
#[repr(C)]
struct Record {
    header: SegmentHeader,
    payload: [u8; PIECE],
}

/// The perf ring buffers, by CPU.
#[btf_map]
static EVENTS: PerfEventByteArray = PerfEventByteArray::new();

/// Where a CPU puts a record together.
#[btf_map]
static RECORDS: PerCpuArray<Record, 1> = PerCpuArray::new();

/// What segments to v1 come to from the entry points, at ingress and egress hooks alike.
#[classifier]
fn mirror(ctx: TcContext) -> i32 {
    mirror_frame(&ctx, &Events);
    TC_ACT_UNSPEC
}

/// The same where segments come in tunnels, which are taken off.
#[classifier]
fn decap(ctx: TcContext) -> i32 {
    mirror_frame(&Tunnelled(ctx), &Events);
    TC_ACT_UNSPEC
}

/// The same at the other hook of a place, for what v1 says and acknowledges.
#[classifier]
fn replies(ctx: TcContext) -> i32 {
    mirror_reply(&ctx, &Events);
    TC_ACT_UNSPEC
}

struct Events;

impl<F: Frame + EbpfContext> Ring<F> for Events {
    #[inline(always)]
    fn capture(
        &self,
        frame: &F,
        segment: &TcpSegment,
        mut header: SegmentHeader,
        _shard: u32,
    ) -> Capture {
        let Some(record) = RECORDS.get_ptr_mut(0) else {
            return Capture::RingFull;
        };
        let mut from = segment.payload_offset;
        let mut left = segment.payload_len;
        // Pieces of one size first: a length that changes in a loop is followed turn by turn, and
        // the verifier has an end (a million instructions).
        for _ in 0..MAX_SEGMENT / PIECE {
            if left <= PIECE {
                break;
            }
            header.captured = PIECE as u32;
            // SAFETY: the map returned this CPU's record, which no one else touches before the
            // program ends; its payload has room for a piece.
            let copied = unsafe {
                (&raw mut (*record).header).write(header);
                frame.copy(from, (&raw mut (*record).payload).cast(), PIECE)
            };
            if !copied {
                return Capture::Truncated;
            }
            if !output(frame, record, size_of::<Record>()) {
                return Capture::RingFull;
            }
            header.offset += PIECE as u32;
            from += PIECE;
            left -= PIECE;
        }
        header.captured = left as u32;
        // SAFETY: as above.
        unsafe { (&raw mut (*record).header).write(header) };
        if left == 0 {
            return if output(frame, record, size_of::<SegmentHeader>()) {
                Capture::Whole
            } else {
                Capture::RingFull
            };
        }
        // SAFETY: as above.
        let payload = unsafe { &raw mut (*record).payload };
        // SAFETY: as above.
        if !unsafe { frame.copy(from, payload.cast(), length::<PIECE>(left)) } {
            return Capture::Truncated;
        }
        if output(
            frame,
            record,
            size_of::<SegmentHeader>() + length::<PIECE>(left),
        ) {
            Capture::Whole
        } else {
            Capture::RingFull
        }
    }
}

/// Appends the first `len` bytes of `record` to the CPU's ring; false if it has no room, or no
/// reader has opened it.
#[inline(always)]
fn output(ctx: &impl EbpfContext, record: *mut Record, len: usize) -> bool {
    // SAFETY: the record is valid for `len` bytes, and the map is what the helper asks for.
    unsafe {
        bpf_perf_event_output(
            ctx.as_ptr(),
            ptr::from_ref(&EVENTS).cast_mut().cast(),
            BPF_F_CURRENT_CPU,
            record.cast(),
            len as u64,
        ) == 0
    }
}

mirror_ebpf::entry_points!();

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
