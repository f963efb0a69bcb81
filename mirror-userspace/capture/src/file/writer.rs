//! Segments as a pcapng file that other tools open.
//!
//! What the mirror holds are segments without the headers they came with. Those are rebuilt:
//! addresses, ports, numbers, flags, lengths and checksums are true, what was not kept (MAC
//! addresses, TTL, window, TCP options) has fixed values. A segment larger than an IP packet (GRO)
//! becomes several. One that was cut keeps its length on the wire, and has no TCP checksum.
//!
//! The file can be a pipe: nothing is written twice. So what is known only in the end, the losses,
//! is the comment of a closing section without packets.

use std::io::{self, Write};

use mirror_common::record::MAX_SEGMENT;
use mirror_core::segment::Segment;

use super::headers::{self, MAX_PAYLOAD, Piece};

pub use super::headers::Headers;

/// Writes segments into a pcapng file, with times in nanoseconds.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    out: W,
    headers: Headers,
    frame: Vec<u8>,
    block: Vec<u8>,
    written: u64,
}

impl<W: Write> CaptureWriter<W> {
    /// Starts a file. `comments` are shown as the capture's comments; what is over 65 535 bytes
    /// long is cut.
    ///
    /// # Errors
    /// `out` can't be written.
    pub fn new(out: W, headers: Headers, comments: &[&str]) -> io::Result<Self> {
        let mut writer = Self {
            out,
            headers,
            frame: Vec::new(),
            block: Vec::new(),
            written: 0,
        };
        writer.section(comments)?;
        writer.interface()?;
        Ok(writer)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes a segment. Its time must be counted from the Unix epoch.
    ///
    /// # Errors
    /// `out` can't be written.
    pub fn write(&mut self, segment: &Segment<'_>) -> io::Result<()> {
        let captured = segment.payload.len();
        let wire = captured.max((segment.wire_len as usize).min(MAX_SEGMENT));
        let mut start = 0;
        loop {
            let len = (wire - start).min(MAX_PAYLOAD);
            let end = start + len;
            let piece = Piece {
                start,
                wire_len: len,
                payload: segment
                    .payload
                    .get(start.min(captured)..end.min(captured))
                    .unwrap_or_default(),
                is_last: end == wire,
            };
            self.packet(segment, &piece)?;
            if piece.is_last {
                return Ok(());
            }
            start = end;
        }
    }

    /// Lets everything written so far be seen.
    ///
    /// # Errors
    /// `out` can't be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the file, with `comments` on what was captured and what was lost.
    ///
    /// # Errors
    /// `out` can't be written.
    pub fn finish(mut self, comments: &[&str]) -> io::Result<W> {
        if !comments.is_empty() {
            self.section(comments)?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// Section header block (draft-ietf-opsawg-pcapng section 4.1).
    fn section(&mut self, comments: &[&str]) -> io::Result<()> {
        const COMMENT: u16 = 1;
        const APPLICATION: u16 = 4;
        self.block.clear();
        self.u32(0x1a2b_3c4d);
        self.u16(1);
        self.u16(0);
        // The section's length is not known.
        self.block.extend([0xff; 8]);
        for comment in comments {
            self.option(COMMENT, comment.as_bytes());
        }
        self.option(APPLICATION, b"podmirror");
        self.end_options();
        self.write_block(0x0a0d_0d0a)
    }

    /// Interface description block (section 4.2).
    fn interface(&mut self) -> io::Result<()> {
        const TIME_RESOLUTION: u16 = 9;
        self.block.clear();
        self.u16(self.headers.link().0);
        self.u16(0);
        self.u32(0);
        self.option(TIME_RESOLUTION, &[9]);
        self.end_options();
        self.write_block(1)
    }

    /// Enhanced packet block (section 4.3).
    fn packet(&mut self, segment: &Segment<'_>, piece: &Piece<'_>) -> io::Result<()> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        headers::rebuild(self.headers, segment, piece, &mut frame);
        let wire = frame.len() + piece.wire_len - piece.payload.len();
        self.block.clear();
        self.u32(0);
        let [a, b, c, d, e, f, g, h] = segment.at.as_nanos().to_be_bytes();
        self.u32(u32::from_be_bytes([a, b, c, d]));
        self.u32(u32::from_be_bytes([e, f, g, h]));
        self.len(frame.len());
        self.len(wire);
        self.block.extend_from_slice(&frame);
        self.pad();
        self.frame = frame;
        self.write_block(6)
    }

    fn write_block(&mut self, kind: u32) -> io::Result<()> {
        let len = u32::try_from(self.block.len() + 12).unwrap_or(u32::MAX);
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&len.to_le_bytes())?;
        self.written += u64::from(len);
        Ok(())
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.u16(code);
        self.u16(len);
        self.block
            .extend_from_slice(value.get(..usize::from(len)).unwrap_or_default());
        self.pad();
    }

    fn end_options(&mut self) {
        self.u32(0);
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn u16(&mut self, value: u16) {
        self.block.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.block.extend(value.to_le_bytes());
    }

    /// A frame's length; frames are far shorter than 4 GiB.
    fn len(&mut self, len: usize) {
        self.u32(u32::try_from(len).unwrap_or(u32::MAX));
    }
}
