//! A pool that sends in HTTP/2, targets that do what they like, and a shell that has no time: all from a seed.
//!
//! The targets hold the pool to what RFC 9113 says of clients: windows, limits and stream numbers; and to its own
//! promises: bodies are whole or reset, in order, and nothing arrives twice but what may.

mod arrival;
mod driver;
mod ending;
mod server;
mod world;

use mirror_core::{counters::TargetCounters, random::Random};

use super::shell::Shell as _;
use world::World;

/// Choices that come out of a seed, so many.
struct Choices {
    random: Random,
    left: usize,
}

impl Choices {
    /// A number below `count`, each as likely; 0, the kindest one, when all choices are made.
    fn of(&mut self, count: usize) -> usize {
        if self.left == 0 {
            return 0;
        }
        self.left -= 1;
        self.random.below(count.max(1))
    }
}

fn run(seed: u64) -> TargetCounters {
    let mut random = Random::new(seed);
    let left = 100 + random.below(3_000);
    let mut world = World::new(Choices { random, left });
    while world.choices.left > 0 {
        world.step();
        world.check();
    }
    world.end()
}

#[test]
fn promises_hold_whatever_happens_on_streams() {
    let mut seen = TargetCounters::default();
    for seed in 0..200 {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(run) => seen += &run,
            Err(panic) => {
                println!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{seen:?}");
    let failed = seen.failed;
    for (what, count) in [
        ("answered", seen.answered.success),
        ("no_http2", failed.no_http2),
        ("refused", failed.refused),
        ("stream_reset", failed.stream_reset),
        ("cancelled", failed.cancelled),
        ("bad_reply", failed.bad_reply),
        ("timeout", failed.timeout),
        ("reset", failed.reset),
        ("connect", failed.connect),
        ("aborted", failed.aborted),
        ("stream_overflow", failed.stream_overflow),
        ("shutdown", failed.shutdown),
        ("dropped and cancelled", seen.dropped.cancelled),
        ("dropped and aborted", seen.dropped.aborted),
        ("sent_again", seen.sent_again),
        ("replies_cut", seen.replies_cut),
        ("replies_broken", seen.replies_broken),
        ("grpc", seen.grpc_status.ok),
    ] {
        assert!(count > 0, "the network is too kind: {what}");
    }
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
