//! How attachments share programs: each has an entry point of its own, a few instructions that say which
//! seat the frame is of and hand over to a program that is verified once for all of them.
//!
//! The seat goes through a per-CPU word: a program runs to its end on its CPU with bottom halves off, so that
//! nothing of ours comes between. The socket buffer's `cb` would be as quick, but others' programs at the
//! hook may have left something in it for one another.
//!
//! Where there is nobody to hand over to, the frame passes. So it is once the daemon is gone, for the kernel
//! then empties the array of programs, whoever still has an entry point attached.

use aya_ebpf::{
    bindings::{__sk_buff, TC_ACT_UNSPEC},
    btf_maps::{PerCpuArray, ProgramArray},
    macros::btf_map,
    programs::TcContext,
};
use mirror_common::{counter::slot, settings::SEATS};

/// The seat that the frame on this CPU is of.
#[btf_map]
static SEAT: PerCpuArray<u32, 1> = PerCpuArray::new();

/// Whom to hand over to, by seat and direction as counters are.
#[btf_map]
static PROGRAMS: ProgramArray<{ SEATS * slot::SLOTS }> = ProgramArray::new();

/// The seat that the frame is of. A program that was not come to by an entry point has the first.
#[inline(always)]
pub fn current() -> u32 {
    // SAFETY: this CPU's word, which nobody writes while the program runs.
    SEAT.get_ptr(0).map_or(0, |seat| unsafe { *seat })
}

/// Hands a frame of a seat over to the program for one of its [`slot`]s.
#[inline(always)]
pub fn enter(skb: *mut __sk_buff, seat: u32, slot: u32) -> i32 {
    if let Some(current) = SEAT.get_ptr_mut(0) {
        // SAFETY: as above.
        unsafe { *current = seat };
        let index = seat * slot::SLOTS as u32 + slot;
        // SAFETY: the kernel takes only programs of this kind into the array.
        unsafe { PROGRAMS.tail_call(&TcContext::new(skb), index) };
    }
    TC_ACT_UNSPEC
}

/// The entry points of all seats, `mirror_0`, `replies_0` and so on.
#[macro_export]
macro_rules! entry_points {
    () => {
        $crate::entry_points! {
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60
            61 62 63
        }
    };
    ($($seat:literal)*) => {
        const _: () = {
            // As many as there are seats.
            assert!([$($seat),*].len() == mirror_common::settings::SEATS);
        };
        $(
            const _: () = {
                #[unsafe(export_name = concat!("mirror_", $seat))]
                #[unsafe(link_section = concat!("classifier/mirror_", $seat))]
                extern "C" fn mirror(skb: *mut aya_ebpf::bindings::__sk_buff) -> i32 {
                    $crate::seats::enter(skb, $seat, mirror_common::counter::slot::REQUESTS)
                }

                #[unsafe(export_name = concat!("replies_", $seat))]
                #[unsafe(link_section = concat!("classifier/replies_", $seat))]
                extern "C" fn replies(skb: *mut aya_ebpf::bindings::__sk_buff) -> i32 {
                    $crate::seats::enter(skb, $seat, mirror_common::counter::slot::REPLIES)
                }
            };
        )*
    };
}
