//! How much of a BPF ring is taken: what its writers reserved, and its reader has not freed.

use std::{
    io,
    os::fd::BorrowedFd,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

/// The ring's two positions, which the kernel shows in its first two pages (`kernel/bpf/ringbuf.c`, since Linux
/// 5.8): where the reader is, and where the next record goes.
pub(super) struct Fill {
    pages: NonNull<u8>,
    page: usize,
}

#[expect(
    unsafe_code,
    reason = "a reader is made where the capture starts, and used elsewhere"
)]
// SAFETY: the pages are this value's own until it is dropped, and are only read, atomically.
unsafe impl Send for Fill {}

#[expect(
    unsafe_code,
    reason = "two pages that the kernel and the reader write to"
)]
impl Fill {
    /// Of the ring of this file.
    pub(super) fn of(ring: BorrowedFd<'_>) -> io::Result<Self> {
        let page = page_size();
        let (length, may, how) = (2 * page, ProtFlags::READ, MapFlags::SHARED);
        // SAFETY: it is mapped where the kernel likes, over nothing else.
        let pages = unsafe { mmap(null_mut(), length, may, how, ring, 0) }?;
        let pages = NonNull::new(pages.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { pages, page })
    }

    /// Bytes of records that were reserved and not freed, a moment ago.
    pub(super) fn bytes(&self) -> usize {
        // The reader's place first: it never passes the other.
        let read = self.read();
        self.reserved().wrapping_sub(read)
    }

    /// How far the reader is. A record that was reserved and is not written yet holds it back.
    pub(super) fn read(&self) -> usize {
        self.position(0)
    }

    /// Where the next record goes.
    pub(super) fn reserved(&self) -> usize {
        self.position(self.page)
    }

    fn position(&self, offset: usize) -> usize {
        // SAFETY: `offset` is that of a page which is mapped as long as `self` lives, and begins with a word that is
        // aligned and written atomically.
        let position = unsafe { self.pages.add(offset).cast::<AtomicUsize>().as_ref() };
        position.load(Ordering::Acquire)
    }
}

#[expect(unsafe_code, reason = "what was mapped is unmapped")]
impl Drop for Fill {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and no reference into it outlives a call.
        if let Err(error) = unsafe { munmap(self.pages.as_ptr().cast(), 2 * self.page) } {
            log::debug!("a ring's positions stay mapped: {error}");
        }
    }
}
