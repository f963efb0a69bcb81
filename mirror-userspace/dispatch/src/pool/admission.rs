//! Which copies a target takes.

use mirror_core::{pipeline::RequestKey, segment::Time};

use super::{
    sessions::most_open_ended,
    settings::Settings,
    target::{Addressing, Mode, Target},
};

impl Target {
    /// Whether one more copy may wait, which is open-ended or not.
    pub(super) fn has_room(&self, settings: &Settings, open_ended: bool) -> bool {
        let room = !open_ended || self.queue.open_ended() < most_open_ended(settings.queue);
        room && self.queue.len() < settings.queue
    }

    /// Why one more copy of this request, which is open-ended or not, is not taken, if it is not: it is counted so.
    pub(super) fn refuse(
        &mut self,
        settings: &Settings,
        now: Time,
        request: RequestKey,
        open_ended: bool,
    ) -> Option<&'static str> {
        let is_open = self.mode == Mode::Open;
        let has_room = self.has_room(settings, open_ended);
        let is_vacant = self.is_vacant(settings, now);
        let dropped = &mut self.counters.dropped;
        let back_off = self.back_off.as_ref();
        let (count, reason) = if !is_open {
            (&mut dropped.shutdown, "shutdown")
        } else if !has_room {
            (&mut dropped.queue_full, "queue_full")
        } else if is_vacant {
            (&mut dropped.no_endpoint, "no_endpoint")
        } else if back_off.is_some_and(|it| !it.admits(request)) {
            (&mut dropped.backing_off, "backing_off")
        } else if self.rate.as_mut().is_some_and(|rate| !rate.admit(now)) {
            (&mut dropped.max_rps, "max_rps")
        } else if !self.breaker.admit(now) {
            (&mut dropped.breaker_open, "breaker_open")
        } else {
            return None;
        };
        *count += 1;
        Some(reason)
    }

    /// Whether there has been no endpoint for longer than copies wait.
    pub(super) fn is_vacant(&self, settings: &Settings, now: Time) -> bool {
        match &self.addressing {
            Addressing::Told(vacancy) if self.endpoints.len() == 0 => {
                vacancy.is_too_long(now, settings.endpoint_wait)
            }
            _ => false,
        }
    }
}
