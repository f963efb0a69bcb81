//! The socket buffer: headers by direct packet access where they lie in its linear part, and by
//! helper where they do not; payload by helper, in one copy.

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext, bindings::__sk_buff, helpers::bpf_skb_load_bytes, programs::TcContext,
};
use mirror_common::packet::{LoadBytes, TcpSegment, search_multipath_option};

use crate::{
    asm::{opaque, read1, read2, read4, read8},
    maps::{SETTINGS, zero},
};

/// How far into the linear part headers are read directly, in bytes. It bounds the offsets for
/// the verifier; longer chains of headers take the other way.
const LINEAR_HEADERS: usize = 256;

/// The linear part of a socket buffer.
pub struct Linear {
    data: usize,
    end: usize,
    total: usize,
}

impl Linear {
    /// The linear part of this socket buffer.
    #[inline(always)]
    pub fn new(ctx: &TcContext) -> Self {
        Self::between(ctx.data(), ctx.data_end(), ctx.len() as usize)
    }

    /// The bytes from `data` to `end`, as the kernel gave them, of a packet of `total` bytes.
    #[inline(always)]
    pub(crate) fn between(data: usize, end: usize, total: usize) -> Self {
        Self {
            data: opaque(data),
            end: opaque(end),
            total,
        }
    }
}

impl LoadBytes for Linear {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        // Before Linux 5.16 the verifier forgets the bounds of what is spilled: the register that
        // is compared has to be the one that is added.
        let offset = opaque(offset);
        if offset > LINEAR_HEADERS - N {
            return None;
        }
        let start = opaque(self.data + offset);
        if start + N > self.end {
            return None;
        }
        let mut bytes = [0; N];
        let (words, rest) = bytes.as_chunks_mut::<8>();
        let mut at = start;
        for word in words {
            // SAFETY: the bytes lie before `data_end`, which the verifier checks once more.
            *word = unsafe { read8(at) };
            at += 8;
        }
        let (halves, rest) = rest.as_chunks_mut::<4>();
        for half in halves {
            // SAFETY: as above.
            *half = unsafe { read4(at) };
            at += 4;
        }
        let (quarters, rest) = rest.as_chunks_mut::<2>();
        for quarter in quarters {
            // SAFETY: as above.
            *quarter = unsafe { read2(at) };
            at += 2;
        }
        for byte in rest {
            // SAFETY: as above.
            [*byte] = unsafe { read1(at) };
        }
        Some(bytes)
    }

    #[inline(always)]
    fn total_len(&self) -> usize {
        self.total
    }
}

/// A whole socket buffer, wherever its bytes lie: one helper call a read.
pub struct Paged<'a>(pub &'a TcContext);

/// Bytes on the stack that can be taken up as words.
#[repr(C, align(8))]
pub(crate) struct Aligned<const N: usize>(pub(crate) [u8; N]);

impl LoadBytes for Paged<'_> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<Aligned<N>>::uninit();
        // SAFETY: the destination is `N` bytes long.
        if !unsafe { copy_exactly(self.0, offset, bytes.as_mut_ptr().cast(), N) } {
            return None;
        }
        // SAFETY: the helper has written all of it.
        let Aligned(bytes) = unsafe { bytes.assume_init() };
        Some(bytes)
    }

    #[inline(always)]
    fn total_len(&self) -> usize {
        self.0.len() as usize
    }
}

/// Copies `len` bytes at `offset` to `to`, where the verifier knows the bounds of `len` and that it is not
/// 0.
///
/// # Safety
///
/// `to` must be valid for writes of `len` bytes.
#[inline(always)]
pub unsafe fn copy_exactly(ctx: &TcContext, offset: usize, to: *mut u8, len: usize) -> bool {
    // SAFETY: the caller promises room for `len` bytes; the helper checks the source.
    unsafe { bpf_skb_load_bytes(ctx.as_ptr(), offset as u32, to.cast(), len as u32) == 0 }
}

/// Whether the segment has the option of Multipath TCP.
#[inline(always)]
pub fn has_multipath_option(ctx: &TcContext, segment: &TcpSegment) -> bool {
    let end = segment.payload_offset as u32;
    find_multipath_option(ctx.skb.skb, end - segment.options_len as u32, end) != 0
}

/// A function of its own: the verifier follows each turn of the search, and need not do so once more for
/// each way that leads to it.
#[inline(never)]
fn find_multipath_option(skb: *mut __sk_buff, from: u32, end: u32) -> u32 {
    let Some(settings) = SETTINGS.get(0) else {
        return 0;
    };
    let packet = Options {
        packet: &TcContext::new(skb),
        zero: zero(settings) as usize,
    };
    let (from, end) = (from as usize, end as usize);
    u32::from(search_multipath_option(
        &packet,
        packet.forget(from),
        packet.forget(end),
    ))
}

/// A packet of which options are read, one by one.
struct Options<'a> {
    packet: &'a TcContext,
    zero: usize,
}

impl LoadBytes for Options<'_> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        Paged(self.packet).load(offset)
    }

    #[inline(always)]
    fn total_len(&self) -> usize {
        Paged(self.packet).total_len()
    }

    #[inline(always)]
    fn forget(&self, value: usize) -> usize {
        value ^ self.zero
    }
}
