//! A pool, targets that do what they like, and a shell that has no time: all from a list of choices.
//!
//! Whoever makes the list decides what happens: a seeded generator in the tests, a fuzzer elsewhere.
//! When it ends, the world turns kind, and the pool has to come to rest.

mod copies;
mod driver;
mod ending;
mod server;
mod world;

use std::ops::AddAssign;

use super::vocabulary::{Output, TargetCounters};
use world::World;

/// Choices that are left; without any, the kindest one.
pub(super) struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    /// One of `count`.
    pub(super) fn of(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % count.max(1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What came about, to see that a test has seen it all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    answered: u64,
    pipelined: u64,
    sent_again: u64,
    cut: u64,
    avoided: u64,
    breaker_opened: u64,
    dropped: [u64; 7],
    failed: [u64; 8],
}

impl Seen {
    pub(super) fn of(counters: &TargetCounters) -> Self {
        Self {
            answered: counters.answered.total(),
            pipelined: counters.pipelined,
            sent_again: counters.sent_again,
            cut: counters.replies_cut,
            avoided: counters.avoided,
            breaker_opened: counters.breaker_opened,
            dropped: counters.dropped.named().map(|(_, count)| count),
            failed: counters.failed.named().map(|(_, count)| count),
        }
    }

    /// Whether nothing is left out.
    #[allow(dead_code, reason = "a fuzzer need not see everything")]
    pub(crate) fn covers_all(&self) -> bool {
        let singles = [
            self.answered,
            self.pipelined,
            self.sent_again,
            self.cut,
            self.avoided,
            self.breaker_opened,
        ];
        let mut all = singles.iter().chain(&self.dropped).chain(&self.failed);
        all.all(|count| *count > 0)
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.answered += other.answered;
        self.pipelined += other.pipelined;
        self.sent_again += other.sent_again;
        self.cut += other.cut;
        self.avoided += other.avoided;
        self.breaker_opened += other.breaker_opened;
        for (mine, theirs) in self.dropped.iter_mut().zip(other.dropped) {
            *mine += theirs;
        }
        for (mine, theirs) in self.failed.iter_mut().zip(other.failed) {
            *mine += theirs;
        }
    }
}

/// Plays what the choices say, and holds the pool to its promises.
pub(crate) fn run(choices: &[u8]) -> Seen {
    let mut world = World::new(Choices(choices));
    while !world.choices.is_empty() {
        world.step();
        world.check();
    }
    world.end()
}

impl World<'_> {
    /// One thing happens.
    fn step(&mut self) {
        match self.choices.of(20) {
            0..=3 => self.give_copy(),
            4 | 5 => self.continue_stream(),
            6 => self.let_time_pass(),
            7 | 8 => self.run_woken(),
            9 | 10 => self.connect_or_refuse(),
            11..=13 => self.serve_somewhere(),
            14 => self.wake_somewhere(),
            15 => self.close_somewhere(),
            16 => self.change_addresses(),
            17 => self.resolve_something(),
            18 => self.pool.handle_nap(),
            _ => self.begin_to_end(),
        }
        self.act(None);
    }

    /// Hands the pool a step, and sees that what it has no room for is dropped.
    fn hand_over(&mut self, target: usize, output: Output) {
        let is_copy = matches!(output, Output::Copy(_));
        let before = self.counters(target).dropped;
        let room = self.pool.has_room(&output);
        self.pool.handle_output(self.now, output);
        let after = self.counters(target).dropped;
        if is_copy {
            self.given[target] += 1;
            let full = after.queue_full - before.queue_full;
            assert!(full == 0 || !room, "there was room");
            assert!(room || after.total() > before.total(), "no room, but taken");
        }
    }
}
