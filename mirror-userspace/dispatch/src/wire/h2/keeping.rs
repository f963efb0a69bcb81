//! Bodies of replies that are to be compared: kept as they come.

use mirror_core::http::h2::frame::FrameHeader;

use super::{block::unpadded, session::Session};

impl Session {
    /// Whether the body of the reply on this stream is kept.
    pub(super) fn keeps(&self, stream: u32) -> bool {
        let turn = self.turns.get(&stream);
        turn.is_some_and(|turn| turn.kept.is_some() && turn.answered && !turn.replied)
    }

    /// Whether replies that have begun are kept.
    pub(crate) fn is_keeping(&self) -> bool {
        let mut turns = self.turns.values();
        turns.any(|turn| turn.kept.is_some() && turn.answered)
    }

    /// A DATA frame came.
    pub(super) fn keep(&mut self, frame: &FrameHeader, payload: &[u8]) {
        if !self.keeps(frame.stream) {
            return;
        }
        let turn = self.turns.get_mut(&frame.stream);
        if let Some(kept) = turn.and_then(|turn| turn.kept.as_deref_mut()) {
            match unpadded(frame, payload) {
                Some(bytes) => kept.handle_body(bytes),
                None => kept.spoil(),
            }
        }
    }
}
