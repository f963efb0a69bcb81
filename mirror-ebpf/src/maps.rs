//! What the daemon tells the program, and what the program counts.

use aya_ebpf::{
    btf_maps::{Array, PerCpuArray},
    macros::btf_map,
};
use mirror_common::{
    counter::{Counter, Counters, slot},
    settings::{SEATS, Settings},
};

/// By seat. The daemon writes it; zeroed settings copy nothing.
#[btf_map]
pub static SETTINGS: Array<Settings, SEATS> = Array::new();

/// [`Settings::zero`], which is the same at every seat, taken or not.
#[inline(always)]
pub fn zero(settings: &Settings) -> u32 {
    // SAFETY: a valid, aligned field of a map's value.
    unsafe { (&raw const settings.zero).read_volatile() }
}

/// One array of counters per CPU, seat and direction: one lookup per frame, then plain increments.
#[btf_map]
pub static COUNTERS: PerCpuArray<Counters, { SEATS * slot::SLOTS }> = PerCpuArray::new();

/// The counters of the CPU that the program runs on.
pub struct CpuCounters(&'static mut Counters);

impl CpuCounters {
    /// The counters of the CPU that the program runs on, for one of the [`slot`]s of a seat.
    #[inline(always)]
    pub fn current(seat: u32, slot: u32) -> Option<Self> {
        let counters = COUNTERS.get_ptr_mut(seat.wrapping_mul(slot::SLOTS as u32) + slot)?;
        // SAFETY: the map returned a valid slot of this CPU; the program runs to its end on it
        // with bottom halves off, so nothing else holds a reference to the slot.
        Some(Self(unsafe { &mut *counters }))
    }

    /// Adds one, and says whether it was the first.
    #[inline(always)]
    pub fn count(&mut self, counter: Counter) -> bool {
        self.count_at(counter as usize)
    }

    /// [`count`](Self::count) by index, for [`mirror_common::counter::unparsable`].
    #[inline(always)]
    pub fn count_at(&mut self, index: usize) -> bool {
        match self.0.get_mut(index) {
            Some(count) => {
                *count = count.wrapping_add(1);
                *count == 1
            }
            None => false,
        }
    }
}
