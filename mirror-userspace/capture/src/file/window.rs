//! A window onto a byte stream: bytes are looked at where they lie, then left behind.
//!
//! A capture may be larger than memory, or endless (`tcpdump -w - | podmirror replay -`), and its
//! length fields may lie. So the buffer grows only while bytes really arrive, by doubling, and what
//! nobody wants to look at is skipped without being held.

use std::io::{self, ErrorKind, Read};

/// What is allocated at first, and read at once at most.
const INITIAL: usize = 64 * 1024;

/// The bytes of a stream from the current position on, as far as they were asked for.
#[derive(Debug)]
pub(super) struct Window<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> Window<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; INITIAL],
            start: 0,
            end: 0,
        }
    }

    /// The stream that is read from.
    pub(super) fn input(&self) -> &R {
        &self.input
    }

    /// The size of the buffer, in bytes.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// The bytes that are in the window now.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Widens the window to at least `len` bytes; `false` if the stream ends before.
    pub(super) fn fill(&mut self, len: usize) -> io::Result<bool> {
        while self.end - self.start < len {
            if self.end == self.buffer.len() {
                self.make_room();
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Moves on by `len` bytes, in the window or beyond it; `false` if the stream ends before.
    pub(super) fn skip(&mut self, mut len: u64) -> io::Result<bool> {
        loop {
            let here = self.end - self.start;
            match usize::try_from(len) {
                Ok(len) if len <= here => {
                    self.start += len;
                    return Ok(true);
                }
                _ => len -= here as u64,
            }
            (self.start, self.end) = (0, 0);
            if !self.fill(1)? {
                return Ok(false);
            }
        }
    }

    /// Takes the place of bytes already left behind, or doubles the buffer if there are none.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        } else {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a read, and an interruption before each.
    struct Dripping<'a>(&'a [u8], bool);

    impl Read for Dripping<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            self.0.read(&mut buf[..1])
        }
    }

    #[test]
    fn looks_and_moves_on_however_the_bytes_arrive() {
        let mut window = Window::new(Dripping(b"abcdefgh", false));
        assert!(window.fill(3).unwrap());
        assert_eq!(window.bytes(), b"abc");
        assert!(window.skip(5).unwrap(), "two of them unseen");
        assert!(window.fill(2).unwrap());
        assert_eq!(window.bytes(), b"fg");
        assert!(!window.fill(4).unwrap(), "only three are left");
        assert_eq!(window.bytes(), b"fgh");
        assert!(window.skip(3).unwrap(), "the end itself can be reached");
        assert!(!window.skip(1).unwrap(), "but not passed");
    }

    #[test]
    fn what_is_skipped_is_never_held() {
        let mut window = Window::new(io::repeat(7).take(1 << 30));
        assert!(window.skip(1 << 28).unwrap());
        assert_eq!(window.capacity(), INITIAL);
        assert!(window.fill(3 * INITIAL).unwrap());
        assert_eq!(window.capacity(), 4 * INITIAL, "doubled as bytes came");
    }

    #[test]
    fn a_claimed_length_allocates_nothing_until_the_bytes_arrive() {
        let mut window = Window::new(&b"short"[..]);
        assert!(!window.fill(usize::MAX).unwrap());
        assert_eq!(window.capacity(), INITIAL);
    }
}
