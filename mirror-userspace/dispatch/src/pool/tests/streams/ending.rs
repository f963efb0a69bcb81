//! The world turns kind, and the pool comes to rest.

use std::time::Duration;

use mirror_core::counters::TargetCounters;

use super::{
    super::{
        losses::{tell, to_tell},
        shell::Shell as _,
        vocabulary::LinkId,
    },
    world::World,
};

/// Rounds in which a pool comes to rest that has nothing to wait for but these.
const ROUNDS: usize = 2_000;

impl World {
    /// Brings all to an end, and checks what must hold then.
    pub(super) fn end(mut self) -> TargetCounters {
        self.kind = true;
        while !self.streaming.is_empty() {
            let breaks = self.streaming.len().is_multiple_of(2);
            self.end_stream(0, breaks);
        }
        self.act(None);
        if self.copies.len().is_multiple_of(3) {
            self.pool.stop(self.now);
            self.act(None);
            self.run_all();
        } else {
            self.pool.drain();
            self.come_to_rest();
        }
        assert!(self.pool.is_quiet());
        self.close_idle();
        assert!(self.pool.is_written(), "not written");
        assert!(self.is_memory_back(), "bytes of the budget are lost");
        self.check();
        let counters = self.counters();
        let left = (counters.queued, counters.in_flight, counters.open);
        assert_eq!(left, (0, 0, 0));
        assert_eq!(tell(&mut self.pool), to_tell(&counters));
        counters
    }

    fn connect_all(&mut self) {
        for link in self.connecting() {
            self.connect(link);
        }
    }

    fn come_to_rest(&mut self) {
        self.run_all();
        for _ in 0..ROUNDS {
            if self.pool.is_quiet() {
                return;
            }
            self.connect_all();
            for link in self.links() {
                self.be_kind(link);
                self.woken.push_back(link);
            }
            self.run_all();
            self.check();
            self.now = self.now + Duration::from_millis(100);
            self.see_to_timeouts();
        }
        panic!("it does not come to rest: {:?}", self.counters());
    }

    /// Windows are wide, and what is whole is answered.
    fn be_kind(&mut self, link: LinkId) {
        if !self.conn(link).pipe.is_open() {
            return;
        }
        self.open_up(link);
        self.open_windows(link, 100_000);
        let whole = self.conn(link).whole();
        for number in whole {
            self.reply(link, number, 0);
        }
    }

    fn close_idle(&mut self) {
        for _ in 0..4 {
            self.connect_all();
            let all = self.links();
            self.woken.extend(all);
            self.run_all();
            self.now = self.now + self.settings.idle_timeout;
            self.see_to_timeouts();
            self.run_all();
        }
    }
}
