//! The world turns kind, and the pool comes to rest.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{
    super::{
        losses::{tell, to_tell},
        shell::Shell as _,
        vocabulary::{Order, TargetCounters},
    },
    world::World,
};

/// Rounds in which a pool comes to rest that has nothing to wait for but these.
const ROUNDS: usize = 2_000;

impl World<'_> {
    /// Brings all to an end, and checks what must hold then.
    pub(super) fn end(mut self) -> TargetCounters {
        while !self.streaming.is_empty() {
            let breaks = self.streaming.len().is_multiple_of(2);
            self.end_stream(0, breaks);
        }
        self.act(None);
        if self.copies.len().is_multiple_of(3) {
            // Nobody has to answer for it.
            self.pool.stop(self.now);
            self.act(None);
            self.run_all();
        } else {
            self.pool.drain();
            self.come_to_rest();
        }
        assert!(self.pool.is_quiet() && self.pool.is_written());
        self.close_idle();
        assert!(self.is_memory_back(), "bytes of the budget are lost");
        self.check_order();
        self.check();
        let mut seen = TargetCounters::default();
        for counters in self.pool.counters() {
            assert_eq!(
                (counters.queued, counters.in_flight, counters.open),
                (0, 0, 0)
            );
            seen += &counters;
        }
        assert_eq!(tell(&mut self.pool), to_tell(&seen));
        seen
    }

    fn come_to_rest(&mut self) {
        // Some were told before that they are late, and do not know it yet.
        self.run_all();
        let late = self.late();
        for _ in 0..ROUNDS {
            if self.pool.is_quiet() {
                assert_eq!(self.late(), late, "answered at once, and late");
                return;
            }
            self.resolve_all();
            for link in self.connecting() {
                self.connect(link);
            }
            for link in self.links() {
                self.reply_if_whole(link);
                self.woken.push_back(link);
            }
            self.run_all();
            self.check();
            self.now = self.now + Duration::from_millis(100);
            self.see_to_timeouts();
        }
        let counters: Vec<_> = self.pool.counters().collect();
        panic!("it does not come to rest: {counters:?}");
    }

    /// Copies that were not answered in time.
    fn late(&self) -> u64 {
        self.pool
            .counters()
            .map(|counters| counters.failed.timeout)
            .sum()
    }

    /// Nothing is under way: all connections are closed in time.
    fn close_idle(&mut self) {
        let all = self.links();
        self.woken.extend(all);
        self.run_all();
        self.now = self.now + self.settings.idle_timeout;
        self.see_to_timeouts();
        self.run_all();
    }

    /// Of each client connection copies arrived in order, the first time that they did.
    fn check_order(&self) {
        if self.settings.order != Order::Connection {
            return;
        }
        let (mut last, mut seen) = (HashMap::new(), HashSet::new());
        for delivery in self.deliveries.iter().filter(|one| seen.insert(one.copy)) {
            let client = self.copies[delivery.copy].client;
            let before = last.insert(client, delivery.copy);
            assert!(before < Some(delivery.copy), "{} came late", delivery.copy);
        }
    }
}
