//! Large buffers that are reused.
//!
//! A large body takes its memory in blocks of one size, and returns them when it is written. The
//! allocator would return free memory to the kernel and fetch it anew, zeroed, for the next body. The
//! block returned last is handed out first: it may still be in the CPU's cache.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// The size of a block, in bytes: the payload of the largest record.
pub(super) const BLOCK: usize = 64 * 1024;

/// The free blocks of a shard.
///
/// A block in use counts against the budget of its user. Free blocks do not: there are at most as many
/// as [`new`](Self::new) allows.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    most: usize,
}

/// A block that will not be written to any more.
struct Filled {
    bytes: Vec<u8>,
    home: Blocks,
}

impl Blocks {
    /// Keeps up to `bytes` of free blocks.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            free: Arc::default(),
            most: bytes / BLOCK,
        }
    }

    /// An empty buffer with room for [`BLOCK`] bytes.
    pub(super) fn take(&self) -> Vec<u8> {
        self.with_free(Vec::pop)
            .unwrap_or_else(|| Vec::with_capacity(BLOCK))
    }

    /// The bytes that were written to a buffer. If it is a block, it is returned when the last of the bytes
    /// is dropped.
    pub(super) fn freeze(&self, bytes: Vec<u8>) -> Bytes {
        if bytes.capacity() == BLOCK {
            let home = self.clone();
            Bytes::from_owner(Filled { bytes, home })
        } else {
            Bytes::from(bytes)
        }
    }

    /// A copy of these bytes, in a block if that is what they [need](Self::memory_for).
    pub(super) fn copy(&self, bytes: &[u8]) -> Bytes {
        if Self::memory_for(bytes.len()) != BLOCK {
            return Bytes::copy_from_slice(bytes);
        }
        let mut block = self.take();
        block.extend_from_slice(bytes);
        self.freeze(block)
    }

    /// The memory that a copy of `len` bytes takes: a whole block from half a block on.
    pub(super) const fn memory_for(len: usize) -> usize {
        if len > BLOCK / 2 && len <= BLOCK {
            BLOCK
        } else {
            len
        }
    }

    fn give_back(&self, mut block: Vec<u8>) {
        block.clear();
        let most = self.most;
        self.with_free(|free| {
            if free.len() < most {
                free.push(block);
            }
        });
    }

    /// Only the shard's thread comes here, but bytes may travel to others, so there is a lock.
    fn with_free<R>(&self, see: impl FnOnce(&mut Vec<Vec<u8>>) -> R) -> R {
        see(&mut self.free.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(blocks: &Blocks, byte: u8) -> (Bytes, *const u8) {
        let mut block = blocks.take();
        assert!(block.is_empty(), "nobody sees what was in it before");
        block.push(byte);
        let at = block.as_ptr();
        (blocks.freeze(block), at)
    }

    fn free(blocks: &Blocks) -> usize {
        blocks.with_free(|free| free.len())
    }

    #[test]
    fn the_block_given_back_last_is_handed_out_first() {
        let blocks = Blocks::new(2 * BLOCK);
        let (first, _) = filled(&blocks, 1);
        let (second, at) = filled(&blocks, 2);
        assert_eq!((&first[..], &second[..]), (&[1][..], &[2][..]));
        drop(first);
        drop(second);
        assert_eq!(free(&blocks), 2);
        assert_eq!(filled(&blocks, 3).1, at);
    }

    #[test]
    fn a_block_comes_back_with_the_last_of_its_bytes() {
        let blocks = Blocks::new(BLOCK);
        let (bytes, _) = filled(&blocks, 1);
        let other = bytes.clone();
        drop(bytes);
        assert_eq!(free(&blocks), 0);
        drop(other);
        assert_eq!(free(&blocks), 1);
    }

    #[test]
    fn no_more_is_kept_than_was_told() {
        let blocks = Blocks::new(3 * BLOCK - 1);
        let all: Vec<_> = (0..5).map(|byte| filled(&blocks, byte)).collect();
        drop(all);
        assert_eq!(free(&blocks), 2);
    }

    #[test]
    fn other_buffers_are_not_kept() {
        let blocks = Blocks::new(BLOCK);
        assert_eq!(blocks.freeze(b"abc".to_vec()), &b"abc"[..]);
        assert_eq!(free(&blocks), 0);
    }

    #[test]
    fn only_copies_of_about_a_block_are_blocks() {
        for (len, kept) in [
            (0, 0),
            (BLOCK / 2, 0),
            (BLOCK / 2 + 1, 1),
            (BLOCK, 1),
            (BLOCK + 1, 0),
        ] {
            let blocks = Blocks::new(BLOCK);
            let bytes = vec![7; len];
            assert_eq!(blocks.copy(&bytes), bytes);
            assert_eq!(free(&blocks), kept, "{len} bytes");
        }
    }
}
