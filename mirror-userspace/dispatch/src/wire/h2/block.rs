//! Header blocks of replies, collected from HEADERS and CONTINUATION frames (RFC 9113 section 4.3) and decoded.

use mirror_core::{
    budget::Budget,
    http::h2::{
        FieldList,
        frame::{END_HEADERS, END_STREAM, FrameHeader},
        hpack::Decoder,
    },
};

use super::hearing::Fault;

/// Most bytes of a block, as they are on the wire.
const BLOCK: usize = 128 << 10;
/// Most CONTINUATION frames of a block.
const CONTINUATIONS: usize = 64;
/// Memory of a decoder's table: until it has read that we want none, a target may use 4096 bytes (RFC 9113 section
/// 6.5.2), in entries that take up to four times as much.
const TABLE: usize = 32 << 10;

/// PADDED and PRIORITY, of HEADERS.
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The header blocks of one connection.
#[derive(Debug)]
pub(super) struct Blocks {
    decoder: Decoder,
    list: FieldList,
    open: Option<Block>,
}

/// A block that is not complete.
#[derive(Debug)]
struct Block {
    stream: u32,
    /// END_STREAM of its HEADERS frame.
    ends: bool,
    frames: usize,
    bytes: Vec<u8>,
}

/// A block that is complete and decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) stream: u32,
    /// Whether nothing follows it on its stream.
    pub(super) ends: bool,
}

impl Blocks {
    /// For field lists of at most so many bytes, by the measure of section 6.5.2.
    pub(super) fn new(list: usize) -> Self {
        Self {
            decoder: Decoder::new(&Budget::new(TABLE)),
            list: FieldList::new(list),
            open: None,
        }
    }

    /// The fields of the last block that was complete.
    pub(super) const fn list(&self) -> &FieldList {
        &self.list
    }

    /// Whether only the CONTINUATION of this stream may come (section 6.10).
    pub(super) fn expects(&self) -> Option<u32> {
        self.open.as_ref().map(|block| block.stream)
    }

    /// Begins a header block with a HEADERS frame.
    pub(super) fn begin(
        &mut self,
        frame: &FrameHeader,
        payload: &[u8],
    ) -> Result<Option<Whole>, Fault> {
        let fragment = strip(frame, payload).ok_or(Fault::Broken)?;
        let ends = frame.flags & END_STREAM != 0;
        let stream = frame.stream;
        if frame.flags & END_HEADERS == 0 {
            self.open = Some(Block {
                stream,
                ends,
                frames: 0,
                bytes: fragment.to_vec(),
            });
            return Ok(None);
        }
        self.decode(fragment)?;
        Ok(Some(Whole { stream, ends }))
    }

    /// Goes on with the block in a CONTINUATION frame.
    pub(super) fn go_on(
        &mut self,
        frame: &FrameHeader,
        payload: &[u8],
    ) -> Result<Option<Whole>, Fault> {
        let block = self.open.as_mut().ok_or(Fault::Broken)?;
        block.frames += 1;
        if block.frames > CONTINUATIONS || block.bytes.len() + payload.len() > BLOCK {
            return Err(Fault::Broken);
        }
        block.bytes.extend_from_slice(payload);
        if frame.flags & END_HEADERS == 0 {
            return Ok(None);
        }
        let Block {
            stream,
            ends,
            bytes,
            ..
        } = self.open.take().ok_or(Fault::Broken)?;
        self.decode(&bytes)?;
        Ok(Some(Whole { stream, ends }))
    }

    fn decode(&mut self, block: &[u8]) -> Result<(), Fault> {
        let decoded = self.decoder.decode(block, &mut self.list);
        decoded.map_err(|_| Fault::Broken)
    }
}

/// The fragment of a HEADERS frame, without padding and priority (section 6.2).
fn strip<'a>(frame: &FrameHeader, payload: &'a [u8]) -> Option<&'a [u8]> {
    let fragment = unpadded(frame, payload)?;
    match frame.flags & PRIORITY {
        0 => Some(fragment),
        _ => fragment.get(5..),
    }
}

/// The payload of a DATA or HEADERS frame, without padding (sections 6.1 and 6.2).
pub(super) fn unpadded<'a>(frame: &FrameHeader, payload: &'a [u8]) -> Option<&'a [u8]> {
    if frame.flags & PADDED == 0 {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}
