//! The object for kernels without BPF ring buffers (Linux 5.3 to 5.7): the perf ring buffer of the
//! CPU. It copies twice, since the kernel lets no one reserve room in that ring.

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
    asm::opaque,
    mirror::{Capture, Ring, mirror_frame},
    skb,
};

/// A per-CPU map's value has at most 32 KiB (`PCPU_MIN_UNIT_SIZE`), and a perf sample 64 KiB.
const SCRATCH: usize = 32 * 1024;
/// The most payload bytes of one record.
const PIECE: usize = SCRATCH - size_of::<SegmentHeader>();

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

/// The entry point, for ingress and egress hooks alike.
#[classifier]
fn mirror(ctx: TcContext) -> i32 {
    mirror_frame(&ctx, &Events);
    TC_ACT_UNSPEC
}

struct Events;

impl Ring for Events {
    #[inline(always)]
    fn capture(
        &self,
        ctx: &TcContext,
        segment: &TcpSegment,
        mut header: SegmentHeader,
        _shard: u32,
    ) -> Capture {
        let Some(record) = RECORDS.get_ptr_mut(0) else {
            return Capture::RingFull;
        };
        let mut left = segment.payload_len;
        let mut from = segment.payload_offset;
        for _ in 0..MAX_SEGMENT.div_ceil(PIECE) {
            // The verifier wants the length bounded on the register that the helpers get.
            let len = opaque(left.min(PIECE));
            if len > PIECE {
                return Capture::Truncated;
            }
            header.captured = len as u32;
            // SAFETY: the map returned this CPU's record, which no one else touches before the
            // program ends; its payload has room for `len` bytes.
            let copied = unsafe {
                (&raw mut (*record).header).write(header);
                len == 0 || skb::copy(ctx, from, (&raw mut (*record).payload).cast(), len)
            };
            if !copied {
                return Capture::Truncated;
            }
            if !output(ctx, record, size_of::<SegmentHeader>() + len) {
                return Capture::RingFull;
            }
            header.offset += len as u32;
            from += len;
            left -= len;
            if left == 0 {
                break;
            }
        }
        Capture::Whole
    }
}

/// Appends the first `len` bytes of `record` to the CPU's ring; false if it has no room, or no
/// reader has opened it.
#[inline(always)]
fn output(ctx: &TcContext, record: *mut Record, len: usize) -> bool {
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

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
