//! Which frames are next.
//!
//! Streams are opened in the order of their numbers, as many as the target allows. Their bodies take turns, a frame
//! each; one without a window waits, and holds up nobody. Frames are composed into one buffer, ahead of the socket
//! by at most [`AHEAD`] bytes: bytes of a body are copied once, and small messages leave in one system call.

use mirror_core::segment::Time;

use super::{
    frames::{self, MAX_FRAME},
    hearing::Heard,
    session::Session,
    turn::{Turn, Writing},
};
use crate::copy::Copies;

/// Bytes of frames that are composed before they can be written; the last frame may exceed them.
const AHEAD: usize = 64 << 10;
/// Bytes of the buffer that a connection without copies keeps.
const KEPT: usize = 4 << 10;

/// What it means that the bytes up to a place are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// So many bytes of the connection.
    at: u64,
    stream: u32,
    what: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The copy's first byte was written.
    Begin,
    /// More of the copy was written, and there is still more.
    Progress,
    /// The copy's last byte was written.
    End,
}

impl Session {
    /// Whether there are bytes to write.
    pub(crate) fn poll_bytes(&mut self, copies: &mut Copies) -> bool {
        if self.mute {
            return false;
        }
        if self.greeted {
            while self.pending() < AHEAD && (self.open_next(copies) || self.write_next(copies)) {}
        }
        self.has_bytes()
    }

    /// Whether composed bytes are to be written.
    pub(crate) const fn has_bytes(&self) -> bool {
        self.pending() > 0 && !self.mute
    }

    /// Nothing can be written any more: it takes no more copies, and what was read tells how these end.
    pub(crate) fn handle_unwritable(&mut self) {
        self.mute = true;
        self.retired = true;
        self.unflushed = false;
        self.at = 0;
        self.out = Vec::new();
    }

    /// The bytes to write.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.out.get(self.at..).unwrap_or_default()
    }

    /// Composed bytes that are not written.
    pub(super) const fn pending(&self) -> usize {
        self.out.len() - self.at
    }

    /// Whether a layer below may hold back what was written.
    pub(crate) const fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// What was written has left.
    pub(crate) const fn handle_flushed(&mut self) {
        self.unflushed = false;
    }

    /// So many bytes were written. `begin` is told of each copy whose first byte was among them, and whether others
    /// on the connection are without a reply.
    pub(crate) fn advance(
        &mut self,
        now: Time,
        copies: &mut Copies,
        bytes: usize,
        mut begin: impl FnMut(&mut Turn),
    ) {
        self.at += bytes.min(self.pending());
        self.written += bytes as u64;
        self.unflushed = true;
        if self.pending() == 0 {
            self.out.clear();
            self.at = 0;
            if self.turns.is_empty() {
                self.out.shrink_to(KEPT);
            }
        }
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.at <= self.written) {
            self.flood.forgive();
            let Some(turn) = self.turns.get_mut(&mark.stream) else {
                continue;
            };
            match mark.what {
                Step::Begin => {
                    turn.begun = true;
                    begin(turn);
                }
                Step::Progress => {}
                Step::End => {
                    turn.written = true;
                    copies.set_written(&mut turn.job);
                    if turn.replied {
                        self.heard.push_back(Heard::Over(mark.stream));
                    }
                }
            }
            self.handle_progress(mark.stream, now, copies);
        }
    }

    /// Opens the next stream, if there may be one more.
    fn open_next(&mut self, copies: &mut Copies) -> bool {
        if self.opened >= self.settings.streams {
            return false;
        }
        let Some(stream) = self.unopened.pop_front() else {
            return false;
        };
        let begin = self.written + self.pending() as u64 + 1;
        let Some(turn) = self.turns.get_mut(&stream) else {
            return true;
        };
        let head = turn.job.blocks.map_or(0, |blocks| blocks.head);
        let body = copies.body(&turn.job);
        let ends = body.ends && body.bytes <= head && body.trailers == 0;
        frames::block(&mut self.out, stream, head, ends, |bytes, out| {
            copies.take(&mut turn.job, bytes, out);
        });
        turn.window = self.settings.window;
        turn.writing = Writing::Open;
        self.opened += 1;
        self.marks.push_back(Mark {
            at: begin,
            stream,
            what: Step::Begin,
        });
        if !ends && !copies.body(&turn.job).is_later() {
            turn.listed = true;
            self.ready.push_back(stream);
        }
        self.mark(stream, ends);
        true
    }

    /// Writes a frame of the next stream that has something to write.
    fn write_next(&mut self, copies: &mut Copies) -> bool {
        let Some(stream) = self.ready.pop_front() else {
            return false;
        };
        let Some(turn) = self.turns.get_mut(&stream) else {
            return true;
        };
        turn.listed = false;
        let body = copies.body(&turn.job);
        let mut ends = body.ends && body.bytes == 0;
        if body.is_later() || turn.writing != Writing::Open {
            return true;
        }
        if ends && body.trailers > 0 {
            frames::block(&mut self.out, stream, body.trailers, true, |bytes, out| {
                copies.take(&mut turn.job, bytes, out);
            });
        } else if ends {
            frames::data(&mut self.out, stream, 0, true);
        } else {
            let room = usize::try_from(self.window.min(turn.window)).unwrap_or_default();
            if room == 0 {
                if turn.window > 0 {
                    turn.listed = true;
                    self.starved.push_back(stream);
                }
                return true;
            }
            let some = body.bytes.min(MAX_FRAME).min(room);
            ends = body.ends && some == body.bytes && body.trailers == 0;
            frames::data(&mut self.out, stream, some, ends);
            copies.take(&mut turn.job, some, &mut self.out);
            turn.window -= some as i64;
            self.window -= some as i64;
            if !ends {
                turn.listed = true;
                self.ready.push_back(stream);
            }
        }
        self.mark(stream, ends);
        true
    }

    /// What was composed last is of this stream.
    fn mark(&mut self, stream: u32, ends: bool) {
        let what = if ends { Step::End } else { Step::Progress };
        if ends && let Some(turn) = self.turns.get_mut(&stream) {
            turn.writing = Writing::Ended;
        }
        self.marks.push_back(Mark {
            at: self.written + self.pending() as u64,
            stream,
            what,
        });
    }

    /// The windows of streams grew, or the connection's: those that waited may go on.
    pub(super) fn handle_window(&mut self, stream: u32) {
        if stream == 0 {
            self.ready.append(&mut self.starved);
        } else if let Some(turn) = self.turns.get_mut(&stream)
            && turn.writing == Writing::Open
            && turn.window > 0
            && !turn.listed
        {
            turn.listed = true;
            self.ready.push_back(stream);
        }
    }
}
