//! The rest of streamed copies: it goes past the queue, to the copy wherever that is.

use bytes::Bytes;
use mirror_core::{
    budget::Reserved,
    pipeline::{CopyId, DropReason, GivenUp, RequestKey},
    segment::Time,
};

use super::{Action, Pool};
use crate::{
    copy::{Broken, Stage},
    ids::LinkId,
    outcome::Failure,
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
            self.wake(now, stage);
        }
    }

    /// A streamed copy is whole, with these trailers in HTTP/2.
    pub(super) fn handle_finish(
        &mut self,
        now: Time,
        id: CopyId,
        trailers: Option<Bytes>,
        share: Reserved,
    ) {
        if let Some(stream) = self.shared.copies.stream_mut(id) {
            stream.finish(trailers, share);
            let stage = stream.stage();
            self.wake(now, stage);
        }
    }

    /// The source of a streamed copy broke.
    pub(super) fn handle_abort(&mut self, now: Time, id: CopyId, cause: DropReason) {
        self.break_off(now, id, Broken::Aborted(cause));
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
                if let Some(lost) = &mut self.shared.lost {
                    let (failure, cause) = (Failure::from(why), why.cause());
                    let (request, target) = (stream.request(), stream.target());
                    lost.drop_in_place(now, failure.name(), cause, request, target);
                }
                self.shared.copies.drop_stream(id);
            }
            stage @ Stage::Sending(_) => {
                stream.break_off(why);
                self.wake(now, stage);
            }
            Stage::Streaming(link, number) => {
                stream.break_off(why);
                self.give_up(now, link, number, why.into());
            }
        }
    }

    /// A request in HTTP/2 is given up: so are its copies.
    pub(super) fn handle_cancel(&mut self, now: Time, request: RequestKey, why: GivenUp) {
        for index in 0..self.targets.len() {
            let Some(place) = self.shared.copies.place(index, request) else {
                continue;
            };
            match place.stage {
                Stage::Streaming(link, number) => {
                    self.give_up(now, link, number, why.into());
                }
                Stage::Waiting | Stage::Sending(_) => {
                    if let Some(target) = self.targets.get_mut(index) {
                        target.handle_cancelled(why, now);
                    }
                    if let Some(lost) = &mut self.shared.lost {
                        let why = Failure::from(why).name();
                        lost.drop_in_place(now, why, None, request, index);
                    }
                    self.shared.copies.drop_request(index, request);
                }
            }
        }
    }

    /// A copy on a stream is given up.
    fn give_up(&mut self, now: Time, link: LinkId, number: u32, why: Failure) {
        if let Some(target) = self.targets.get_mut(link.target) {
            target.give_up_stream(&mut self.shared, now, link, number, why);
        }
    }

    /// Whoever sends a copy has something new to see.
    fn wake(&mut self, now: Time, stage: Stage) {
        let LinkId { target, slot } = match stage {
            Stage::Waiting => return,
            Stage::Sending(link) => link,
            Stage::Streaming(link, number) => {
                if let Some(target) = self.targets.get_mut(link.target) {
                    target.handle_source(&mut self.shared, now, link, number);
                }
                link
            }
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
