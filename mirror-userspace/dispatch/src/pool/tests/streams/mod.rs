//! A pool that sends in HTTP/2, targets that do what they like, and a shell that has no time: all from a list of
//! choices, as in `simulation`.
//!
//! The targets hold the pool to what RFC 9113 says of clients: windows, limits and stream numbers; and to its own
//! promises: bodies are whole or reset, in order, and nothing arrives twice but what may.

mod arrival;
mod driver;
mod ending;
mod server;
mod world;

use super::{shell::Shell as _, vocabulary::TargetCounters};
use world::World;

/// Choices that are left; without any, the kindest one.
pub(super) struct Choices {
    all: Vec<u8>,
    made: usize,
}

impl Choices {
    /// A number below `count`, each as likely.
    pub(super) fn of(&mut self, count: usize) -> usize {
        let Some(choice) = self.all.get(self.made) else {
            return 0;
        };
        self.made += 1;
        usize::from(*choice) % count.max(1)
    }

    fn is_empty(&self) -> bool {
        self.made == self.all.len()
    }
}

/// Plays what the choices say, and holds the pool to its promises. Returns what came about.
pub(crate) fn run(choices: &[u8]) -> TargetCounters {
    let all = choices.to_vec();
    let mut world = World::new(Choices { all, made: 0 });
    while !world.choices.is_empty() {
        world.step();
        world.check();
    }
    world.end()
}

impl World {
    /// Lets the next event of the simulated network happen.
    fn step(&mut self) {
        match self.choices.of(24) {
            0..=4 => self.give_copy(),
            5 | 6 => self.continue_stream(),
            7 => self.cancel_something(),
            8 => self.let_time_pass(),
            9..=11 => self.run_woken(),
            12 => self.connect_or_refuse(),
            13..=20 => self.serve_somewhere(),
            21 => self.close_somewhere(),
            22 => self.wake_somewhere(),
            _ => self.change_something(),
        }
        self.act(None);
    }
}
