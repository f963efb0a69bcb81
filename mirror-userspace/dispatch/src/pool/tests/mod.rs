//! The pool under a simulated network and a simulated clock.

mod driver;
mod held;
mod lateness;
mod losses;
mod pacing;
mod shell;
mod simulation;
mod streams;
mod turns;
mod unconnected;

use mirror_core::{counters::TargetCounters, random::Random};

/// What the simulations are written in: the fuzz targets of the pool include them with other words.
mod vocabulary {
    pub(super) use crate::{
        DispatchConfig, LinkId, Order, Pipelining, breaker,
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

/// Choices out of a seed, at least so many and up to so many more.
fn choices(seed: u64, least: usize, more: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let len = least + random.below(more);
    (0..len)
        .map(|_| u8::try_from(random.below(256)).unwrap())
        .collect()
}

/// Whatever happens in whatever order, the promises hold.
#[test]
fn promises_hold_whatever_happens() {
    let mut seen = TargetCounters::default();
    for seed in 0..800 {
        let choices = choices(seed, 50, 1_500);
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
const OF_HTTP2: [&str; 5] = [
    "cancelled",
    "no_http2",
    "refused",
    "refused_by_v1",
    "stream_reset",
];

/// What takes seconds of one thing after the other, which chance does not bring: `back_off/tests` play it.
const PLAYED_ELSEWHERE: [&str; 1] = ["backing_off"];

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
    let excepted = [&OF_HTTP2[..], &PLAYED_ELSEWHERE].concat();
    all.all(|(name, count)| *count > 0 || excepted.contains(name))
}

#[test]
fn promises_hold_whatever_happens_on_streams() {
    let mut seen = TargetCounters::default();
    for seed in 0..200 {
        let choices = choices(seed, 100, 3_000);
        match std::panic::catch_unwind(|| streams::run(&choices)) {
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
        ("refused_by_v1", failed.refused_by_v1),
        ("dropped and cancelled", seen.dropped.cancelled),
        ("dropped and refused by v1", seen.dropped.refused_by_v1),
        ("dropped and aborted", seen.dropped.aborted),
        ("sent_again", seen.sent_again),
        ("replies_cut", seen.replies_cut),
        ("replies_broken", seen.replies_broken),
        ("grpc", seen.grpc_status.ok),
    ] {
        assert!(count > 0, "the network is too kind: {what}");
    }
}
