//! The rest of streamed copies: it goes past the queue, to the copy wherever that is.

use bytes::Bytes;
use mirror_core::{budget::Reserved, pipeline::CopyId, segment::Time};

use super::{Action, Pool};
use crate::{
    copy::{Broken, Stage},
    ids::LinkId,
};

impl Pool {
    /// Whether so many more bytes of a streamed copy may wait.
    pub(super) fn has_window(&self, copy: CopyId, bytes: usize) -> bool {
        let stream = self.shared.copies.stream(copy);
        let window = self.shared.settings.stream_window;
        stream.is_none_or(|stream| stream.waiting() + bytes <= window)
    }

    /// More of a streamed copy, unless no more of it is of use.
    pub(super) fn handle_chunk(&mut self, now: Time, id: CopyId, bytes: Bytes, share: Reserved) {
        if !self.has_window(id, bytes.len()) {
            return self.break_off(now, id, Broken::Overflow);
        }
        if let Some(stream) = self.shared.copies.stream_mut(id) {
            stream.push(bytes, share);
            let stage = stream.stage();
            self.wake(stage);
        }
    }

    /// A streamed copy is whole.
    pub(super) fn handle_finish(&mut self, id: CopyId) {
        if let Some(stream) = self.shared.copies.stream_mut(id) {
            stream.finish();
            let stage = stream.stage();
            self.wake(stage);
        }
    }

    /// The source of a streamed copy broke.
    pub(super) fn handle_abort(&mut self, now: Time, id: CopyId) {
        self.break_off(now, id, Broken::Aborted);
    }

    /// A streamed copy will never be whole.
    fn break_off(&mut self, now: Time, id: CopyId, why: Broken) {
        let Some(stream) = self.shared.copies.stream_mut(id) else {
            return;
        };
        match stream.stage() {
            Stage::Waiting => {
                if let Some(target) = self.targets.get_mut(stream.target()) {
                    target.handle_broken(why, now);
                }
                self.shared.copies.drop_stream(id);
            }
            stage @ Stage::Sending(_) => {
                stream.break_off(why);
                self.wake(stage);
            }
        }
    }

    /// Whoever sends a copy has something new to see.
    fn wake(&mut self, stage: Stage) {
        let Stage::Sending(LinkId { target, slot }) = stage else {
            return;
        };
        if let Some(link) = self
            .targets
            .get(target)
            .and_then(|target| target.link(slot))
            && link.is_connected()
        {
            self.shared
                .actions
                .push_back(Action::Wake(LinkId { target, slot }));
        }
    }
}
