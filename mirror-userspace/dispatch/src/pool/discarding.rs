//! Bodies of replies that nobody looks at, and that need not be read for that.

use mirror_core::segment::Time;

use super::{Pool, link::Phase};
use crate::{ids::LinkId, wire::h1::Read};

impl Pool {
    /// How many of the next bytes on a connection are certain to be of a body of which nothing is kept. Whoever has
    /// the socket may discard up to so many of them unseen, and say so by
    /// [`handle_discarded`](Self::handle_discarded). Always 0 in HTTP/2, where frames have to be read.
    #[must_use]
    #[inline]
    pub fn discardable(&self, id: LinkId) -> u64 {
        match self.link(id) {
            Some(link) if link.phase == Phase::Busy => link.exchange.discardable(),
            _ => 0,
        }
    }

    /// So many of the [`discardable`](Self::discardable) bytes were discarded.
    pub fn handle_discarded(&mut self, now: Time, id: LinkId, bytes: u64) {
        let Some((link, _)) = self.link_mut(id) else {
            return;
        };
        match link.exchange.handle_discarded(bytes) {
            Read::More => self.hear(now, id),
            Read::Ended(ended, _) => self.conclude(now, id, ended),
        }
    }
}
