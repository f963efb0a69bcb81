//! Bytes to frames (RFC 9113 section 4.1). What matters of a frame is in its header or small; DATA is counted and
//! passed over, unless the reply is to be compared.

use mirror_core::http::h2::frame::{FrameHeader, Kind};

use super::{
    frames::{FRAME_HEADER, MAX_FRAME},
    hearing::Fault,
};

/// How far the next frame has come. Holds at most one frame's header and payload.
#[derive(Debug, Default)]
pub(super) struct Input {
    header: [u8; FRAME_HEADER],
    /// Bytes of the header that have come.
    have: usize,
    /// The frame whose payload is being read.
    frame: Option<FrameHeader>,
    /// Bytes of it that are still to come.
    left: usize,
    payload: Vec<u8>,
}

impl Input {
    /// Whether no frame has begun to come.
    pub(super) const fn is_untouched(&self) -> bool {
        self.have == 0 && self.frame.is_none()
    }

    /// The next frame with its payload, once both are there; the payload is empty where it does not matter, as that
    /// of DATA does unless its stream `keeps` it. Takes its bytes off `bytes`.
    ///
    /// # Errors
    ///
    /// If a server may not send such a frame, wherever it comes.
    pub(super) fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
        keeps: impl Fn(u32) -> bool,
    ) -> Result<Option<(FrameHeader, &'a [u8])>, Fault> {
        let frame = match self.frame {
            Some(frame) => frame,
            None => {
                let Some(frame) = self.header(bytes) else {
                    return Ok(None);
                };
                check(&frame)?;
                self.left = usize::try_from(frame.len).unwrap_or(usize::MAX);
                self.payload.clear();
                *self.frame.insert(frame)
            }
        };
        let (some, rest) = bytes.split_at_checked(self.left).unwrap_or((*bytes, &[]));
        *bytes = rest;
        let whole = some.len() == self.left;
        self.left -= some.len();
        let matters = match frame.kind {
            Kind::Data => keeps(frame.stream),
            Kind::Priority | Kind::Unknown => false,
            _ => true,
        };
        let in_place = whole && self.payload.is_empty();
        if matters && !in_place {
            self.payload.extend_from_slice(some);
        }
        if !whole {
            return Ok(None);
        }
        self.frame = None;
        let payload = match (matters, in_place) {
            (false, _) => &[],
            (true, true) => some,
            (true, false) => &self.payload[..],
        };
        Ok(Some((frame, payload)))
    }

    /// What was kept of a payload is not needed any more.
    pub(super) fn forget(&mut self) {
        if self.frame.is_none() {
            self.payload = Vec::new();
        }
    }

    fn header(&mut self, bytes: &mut &[u8]) -> Option<FrameHeader> {
        if self.have == 0
            && let Some((header, rest)) = bytes.split_first_chunk()
        {
            *bytes = rest;
            return Some(FrameHeader::parse(*header));
        }
        let room = self.header.get_mut(self.have..)?;
        let (some, rest) = bytes.split_at_checked(room.len()).unwrap_or((*bytes, &[]));
        *bytes = rest;
        room.get_mut(..some.len())?.copy_from_slice(some);
        self.have += some.len();
        if self.have < FRAME_HEADER {
            return None;
        }
        self.have = 0;
        Some(FrameHeader::parse(self.header))
    }
}

/// What a server may send, as far as the header alone says: nothing on streams that only it could open.
fn check(frame: &FrameHeader) -> Result<(), Fault> {
    let ours = match frame.kind {
        Kind::Reset => frame.stream % 2 == 1,
        Kind::WindowUpdate => frame.stream == 0 || frame.stream % 2 == 1,
        _ => true,
    };
    let fits = usize::try_from(frame.len).is_ok_and(|len| len <= MAX_FRAME);
    if ours && frame.is_well_formed() && fits {
        Ok(())
    } else {
        Err(Fault::Broken)
    }
}
