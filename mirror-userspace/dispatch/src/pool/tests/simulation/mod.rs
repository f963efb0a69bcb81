//! A pool, targets that do what they like, and a shell that has no time: all from a list of choices.
//!
//! Whoever makes the list decides what happens: a seeded generator in the tests, a fuzzer elsewhere.
//! When it ends, the world turns kind, and the pool has to come to rest.

mod copies;
mod driver;
mod ending;
mod server;
mod world;

use super::{
    shell::Shell as _,
    vocabulary::{Output, TargetCounters},
};
use world::World;

/// Choices that are left; without any, the kindest one.
pub(super) struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    /// A number below `count`, each as likely.
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

/// Plays what the choices say, and holds the pool to its promises. Returns what came about.
pub(crate) fn run(choices: &[u8]) -> TargetCounters {
    let mut world = World::new(Choices(choices));
    while !world.choices.is_empty() {
        world.step();
        world.check();
    }
    world.end()
}

impl World<'_> {
    /// Lets the next event of the simulated network happen.
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
