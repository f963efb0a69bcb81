//! A frame before it is a socket buffer: headers by direct packet access in its first buffer, and by
//! helper beyond; payload by helper, in one copy, from however many buffers it has (Linux 5.18).

use core::{cell::Cell, mem::MaybeUninit};

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::XdpContext,
};
use mirror_common::{
    packet::{Addresses, Link, LoadBytes, TcpSegment, Walk},
    settings::{Settings, TapSettings},
};

use crate::{
    inside,
    mirror::Frame,
    skb::{Aligned, Linear},
};

/// A frame at a port that receives copies. It begins with an Ethernet header.
pub struct TapFrame<'a> {
    ctx: &'a XdpContext,
    tap: &'a TapSettings,
    /// Of all buffers, in bytes.
    total: usize,
    /// How many were taken off.
    tunnels: Cell<usize>,
}

impl<'a> TapFrame<'a> {
    /// The frame that the program is run for.
    #[inline(always)]
    pub fn new(ctx: &'a XdpContext, tap: &'a TapSettings) -> Self {
        Self {
            ctx,
            tap,
            // SAFETY: the context is the one that the kernel gave.
            total: unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as usize,
            tunnels: Cell::new(0),
        }
    }

    /// Whether it is a copy, in which nobody here is interested: it came in a tunnel that the
    /// [walk](Frame::walk) has taken off, or is for another station.
    #[inline(always)]
    pub fn is_copy(&self) -> bool {
        self.tunnels.get() != 0
            || self
                .linear()
                .load(0)
                .is_some_and(|destination| self.tap.is_for_another(destination))
    }

    #[inline(always)]
    fn linear(&self) -> Linear {
        Linear::between(self.ctx.data(), self.ctx.data_end(), self.total)
    }
}

impl Frame for TapFrame<'_> {
    /// Each has a program, and so maps, of its own.
    #[inline(always)]
    fn seat(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn walk(&self, settings: &Settings) -> Walk {
        let inside = inside::follow(Link::Ethernet, settings, self.linear(), Buffers(self));
        self.tunnels.set(inside.tunnels);
        inside.found
    }

    #[inline(always)]
    fn addresses(&self, segment: &TcpSegment) -> Option<Addresses> {
        match segment.addresses(&self.linear()) {
            None => segment.addresses(&Buffers(self)),
            found => found,
        }
    }

    #[inline(always)]
    fn is_multipath(&self, segment: &TcpSegment) -> bool {
        !segment.has_usual_options(&self.linear()) && segment.has_multipath_option(&Buffers(self))
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: usize, to: *mut u8, len: usize) -> bool {
        // SAFETY: the caller promises room for `len` bytes; the helper checks the source.
        unsafe { bpf_xdp_load_bytes(self.ctx.ctx, offset as u32, to.cast(), len as u32) == 0 }
    }
}

impl EbpfContext for TapFrame<'_> {
    fn as_ptr(&self) -> *mut core::ffi::c_void {
        self.ctx.as_ptr()
    }
}

/// All buffers of the frame: one helper call a read.
struct Buffers<'a>(&'a TapFrame<'a>);

impl LoadBytes for Buffers<'_> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<Aligned<N>>::uninit();
        // SAFETY: the destination is `N` bytes long.
        if !unsafe { self.0.copy(offset, bytes.as_mut_ptr().cast(), N) } {
            return None;
        }
        // SAFETY: the helper has written all of it.
        let Aligned(bytes) = unsafe { bytes.assume_init() };
        Some(bytes)
    }

    #[inline(always)]
    fn total_len(&self) -> usize {
        self.0.total
    }
}
