//! The header walk with tunnels taken off, for whichever kind of frame.

use aya_ebpf::{EbpfContext, programs::TcContext};
use mirror_common::{
    packet::{Addresses, Inside, Link, LoadBytes, TcpSegment, Unparsable, Walk, walk_inside},
    settings::Settings,
};

use crate::{
    maps::zero,
    mirror::{Frame, link},
    skb::{Linear, Paged},
};

/// Follows the headers of a frame into its tunnels: in its first bytes, which can be read directly; and
/// once more in `all` of them, if they end within the headers.
#[inline(always)]
pub fn follow<A: LoadBytes>(link: Link, settings: &Settings, first: Linear, all: A) -> Inside {
    let first = Forgetful {
        packet: first,
        settings,
    };
    let inside = match walk_inside(&first, link, settings.tunnels) {
        Inside {
            found: Walk::Unparsable(Unparsable::Truncated),
            ..
        } => {
            let all = Forgetful {
                packet: all,
                settings,
            };
            walk_inside(&all, link, settings.tunnels)
        }
        inside => inside,
    };
    Inside {
        tunnels: first.forget(inside.tunnels),
        found: match inside.found {
            Walk::Tcp(segment) => Walk::Tcp(TcpSegment {
                network_offset: first.forget(segment.network_offset),
                payload_offset: first.forget(segment.payload_offset),
                payload_len: first.forget(segment.payload_len),
                options_len: first.forget(segment.options_len),
                ..segment
            }),
            other => other,
        },
    }
}

/// A walk has many ways, and one through two tunnels more than the verifier follows (a million instructions); a
/// value joined with what it read from a map has only one past.
pub(crate) struct Forgetful<'a, P> {
    pub(crate) packet: P,
    pub(crate) settings: &'a Settings,
}

impl<P: LoadBytes> LoadBytes for Forgetful<'_, P> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.packet.load(offset)
    }

    #[inline(always)]
    fn total_len(&self) -> usize {
        self.packet.total_len()
    }

    #[inline(always)]
    fn forget(&self, value: usize) -> usize {
        value ^ zero(self.settings) as usize
    }
}

/// A socket buffer that may come in tunnels, which are taken off. Nobody can be asked for its connection.
pub struct Tunnelled(pub TcContext);

impl Frame for Tunnelled {
    #[inline(always)]
    fn seat(&self) -> u32 {
        self.0.seat()
    }

    #[inline(always)]
    fn walk(&self, settings: &Settings) -> Walk {
        let Self(skb) = self;
        follow(link(settings), settings, Linear::new(skb), Paged(skb)).found
    }

    #[inline(always)]
    fn addresses(&self, segment: &TcpSegment) -> Option<Addresses> {
        self.0.addresses(segment)
    }

    #[inline(always)]
    fn is_multipath(&self, segment: &TcpSegment) -> bool {
        self.0.is_multipath(segment)
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: usize, to: *mut u8, len: usize) -> bool {
        // SAFETY: the caller's promise is the same.
        unsafe { self.0.copy(offset, to, len) }
    }
}

impl EbpfContext for Tunnelled {
    fn as_ptr(&self) -> *mut core::ffi::c_void {
        self.0.as_ptr()
    }
}
