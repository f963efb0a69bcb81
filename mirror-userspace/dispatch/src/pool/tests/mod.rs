//! The pool under a simulated network and a simulated clock.

mod driver;
mod held;
mod lateness;
mod losses;
mod shell;
mod simulation;
mod streams;
mod turns;
mod unconnected;

use mirror_core::{counters::TargetCounters, random::Random};

/// What the simulation is written in: the fuzz target of the pool includes it with other words.
mod vocabulary {
    pub(super) use crate::{
        LinkId, Order, breaker,
        pool::{Action, Origin, Pool, Retry, Settings, Unconnected, Work},
        reply,
    };
    pub(super) use mirror_core::{
        budget::{Budget, Reserved},
        counters::TargetCounters,
        pipeline::{
            ConnectionId, CopyId, Effect, Expect, MirrorCopy, Output, Persistence, RequestKey,
            Rest, TargetId, Wire,
        },
        segment::Time,
    };
}

/// Whatever happens in whatever order, the promises hold.
#[test]
fn promises_hold_whatever_happens() {
    let mut seen = TargetCounters::default();
    for seed in 0..800 {
        let mut random = Random::new(seed);
        let len = 50 + random.below(1_500);
        let choices: Vec<_> = (0..len)
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        let run = std::panic::catch_unwind(|| simulation::run(&choices));
        match run {
            Ok(run) => seen += &run,
            Err(panic) => {
                println!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{seen:?}");
    assert!(covers_all(&seen), "the network is too kind: {seen:?}");
}

/// What copies in HTTP/2 alone come to.
const OF_HTTP2: [&str; 4] = ["cancelled", "no_http2", "refused", "stream_reset"];

/// Whether everything that a copy can come to has happened.
fn covers_all(seen: &TargetCounters) -> bool {
    let singles = [
        ("answered", seen.answered.total()),
        ("pipelined", seen.pipelined),
        ("sent_again", seen.sent_again),
        ("replies_cut", seen.replies_cut),
        ("replies_broken", seen.replies_broken),
        ("avoided", seen.avoided),
        ("breaker_opened", seen.breaker_opened),
    ];
    let (dropped, failed) = (seen.dropped.named(), seen.failed.named());
    let mut all = singles.iter().chain(&dropped).chain(&failed);
    all.all(|(name, count)| *count > 0 || OF_HTTP2.contains(name))
}
