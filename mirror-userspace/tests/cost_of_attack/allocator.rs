//! Counts what a thread has allocated, as glibc's malloc takes it.
//!
//! A pipeline is one thread's, so counting by thread keeps tests apart that run side by side.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A chunk has 8 bytes of its own, is a multiple of 16 long, and at least 32.
fn chunk(size: usize) -> isize {
    isize::try_from((size + 8).next_multiple_of(16).max(32)).unwrap_or(isize::MAX)
}

fn count(change: isize) {
    // A thread that is ending has no counters any more.
    let _ending = LIVE.try_with(|live| {
        live.set(live.get() + change);
        PEAK.with(|peak| peak.set(peak.get().max(live.get())));
        TOTAL.with(|total| total.set(total.get() + change.max(0).cast_unsigned()));
    });
}

#[expect(unsafe_code, reason = "an allocator can be counted only by being one")]
// SAFETY: every call is handed on to the system's allocator as it came; counting neither allocates
// (the counters are initialised at compile time) nor touches the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(chunk(layout.size()));
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-chunk(layout.size()));
        // SAFETY: as above; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(chunk(size) - chunk(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What this thread holds now, in bytes.
pub(crate) fn live() -> isize {
    LIVE.get()
}

/// The most it held since the last call of [`forget_peak`].
pub(crate) fn peak() -> isize {
    PEAK.get()
}

/// The peak starts again from what is held now.
pub(crate) fn forget_peak() {
    PEAK.set(LIVE.get());
}

/// All bytes it ever allocated: copying into new memory is work, and shows here.
pub(crate) fn total() -> usize {
    TOTAL.get()
}

#[test]
fn memory_is_counted_as_malloc_takes_it() {
    let (before, total_before) = (live(), total());
    forget_peak();
    let small = Box::new(0_u8);
    assert_eq!(live() - before, 32);
    let mut large: Vec<u8> = Vec::with_capacity(1_000);
    assert_eq!(live() - before, 32 + 1_008);
    large.reserve_exact(2_000);
    assert_eq!(live() - before, 32 + 2_016);
    drop((small, large));
    assert_eq!((live(), peak()), (before, before + 32 + 2_016));
    assert_eq!(total() - total_before, 32 + 2_016);
}
