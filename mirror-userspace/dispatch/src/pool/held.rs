//! Copies that hold their connection for long, and what that means for others.
//!
//! Event streams and long polls take as long as they like, by design. Each holds a connection, and as
//! many as there may be would keep all other copies waiting. So a connection that waits for the target
//! longer than [`HELD_AFTER`] does not count, and as many again may be opened; if those do not do, the
//! bodies that have gone on for longest are cut. A copy without a reply has its whole time-out; if the
//! target answered others meanwhile, it says nothing of the target.

use std::time::Duration;

use mirror_core::segment::Time;

use super::{
    Shared,
    link::{Link, Phase},
    settings::Settings,
    target::Target,
};
use crate::outcome::Stop;

/// How long a copy may wait for the target before its connection counts as held.
const HELD_AFTER: Duration = Duration::from_millis(500);

impl Link {
    /// When it counts as held, unless the target makes a step before.
    fn held_from(&self) -> Option<Time> {
        let in_turn = self.session.is_none();
        let waits =
            in_turn && self.phase == Phase::Busy && self.due.is_some() && self.stop.is_none();
        waits.then(|| self.since + HELD_AFTER)
    }
}

impl Target {
    /// How many connections there may be.
    #[inline]
    pub(super) fn limit(&self, settings: &Settings) -> usize {
        settings.connections + self.held.min(settings.connections)
    }

    /// Whether copies wait for a connection, and there may not be another one.
    fn is_full(&self, settings: &Settings) -> bool {
        self.queue.ready() > 0 && self.links.len() >= self.limit(settings)
    }

    /// When a connection that others wait for counts as held next.
    pub(super) fn held_due(&self, settings: &Settings) -> Option<Time> {
        if !self.is_full(settings) {
            return None;
        }
        let from = self.links.iter().filter_map(|(_, link)| link.held_from());
        from.filter(|from| *from > self.looked).min()
    }

    /// Looks which connections are held, and makes room for copies that wait for one.
    pub(super) fn see_to_held(&mut self, shared: &mut Shared, now: Time) {
        self.looked = now;
        let is_held = |link: &Link| link.held_from().is_some_and(|from| from <= now);
        self.held = self.links.iter().filter(|(_, link)| is_held(link)).count();
        if self.queue.ready() == 0 {
            return;
        }
        if self.is_full(&shared.settings) {
            let ending = self.links.iter().filter(|(_, link)| link.stop.is_some());
            let wanted = self.queue.ready().saturating_sub(ending.count());
            let bodies = self.links.iter().filter(|(_, link)| {
                // Copies behind it may be lost; where they are not, it was cut by `see_to_pace`.
                is_held(link) && link.exchange.is_reading_body() && link.exchange.len() == 1
            });
            let mut bodies: Vec<_> = bodies.map(|(slot, link)| (link.since, slot)).collect();
            bodies.sort_unstable();
            for (_, slot) in bodies.into_iter().take(wanted) {
                self.stop_link(shared, slot, Stop::Timeout);
            }
        }
        self.pump(shared, now);
    }
}
