//! What is kept is paid for; what cannot be paid for is dropped whole, and the rest goes on.

use super::*;

/// A pipeline whose budget has room for `bytes` beside what one connection takes.
fn bench_with_room(bytes: usize, targets: usize) -> (Bench, Client) {
    let mut bench = Bench::new(Limits::default(), to_targets(targets));
    bench.connect(1);
    let connection = bench.pipeline.budget().used();
    let limits = Limits {
        memory: connection + bytes,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, to_targets(targets));
    let client = bench.connect(1);
    (bench, client)
}

#[test]
fn a_body_that_finds_no_room_is_dropped_and_the_next_request_is_mirrored() {
    let (mut bench, mut client) = bench_with_room(20_000, 1);
    bench.say(&mut client, post(50_000));
    let mut rest = 50_000;
    while rest > 0 {
        bench.say(&mut client, [b'x'; 1_000]);
        rest -= 1_000;
    }
    assert_eq!(bench.dropped(0), "over_budget 1");
    bench.say(&mut client, GET);
    let (received, counters) = bench.end();
    assert_eq!((received.len(), counters.requests), (1, 2));
    assert_eq!(received[0].bytes, mirrored(GET));
}

#[test]
fn a_streamed_body_that_finds_no_room_is_aborted_and_the_next_request_is_mirrored() {
    let (mut bench, mut client) = bench_with_room(20_000, 1);
    bench.say(&mut client, post(2 << 20));
    // The target reads nothing: everything that comes out stays in memory.
    for _ in 0..(2 << 20) / 1_024 {
        bench.say(&mut client, [b'x'; 1_024]);
    }
    assert_eq!(bench.received[0].ended, Ended::Aborted);
    bench.held.clear();
    bench.say(&mut client, GET);
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 2);
    assert_eq!(counters.targets[0].handed_over, 2);
}

#[test]
fn a_head_that_finds_no_room_is_dropped() {
    let (mut bench, mut client) = bench_with_room(10_000, 1);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(20_000));
    bench.say(&mut client, &long);
    assert_eq!(bench.dropped(0), "over_budget 1");
    bench.say(&mut client, GET);
    assert_eq!(bench.end().0.len(), 1);
}

#[test]
fn where_two_copies_do_not_fit_one_of_them_is_dropped() {
    let (mut bench, mut client) = bench_with_room(10_000, 2);
    bench.say(&mut client, post(6_000) + &"x".repeat(6_000));
    assert_eq!(
        (bench.dropped(0), bench.dropped(1)),
        (String::new(), "over_budget 1".into())
    );
    let (received, _) = bench.end();
    assert_eq!(received.len(), 1);
    assert_eq!(
        received[0].bytes.len(),
        mirrored(&post(6_000)).len() + 6_000
    );
}

#[test]
fn outputs_that_nobody_takes_stop_at_the_budget() {
    let (mut bench, mut client) = bench_with_room(50_000, 1);
    for _ in 0..1_000 {
        bench.say(&mut client, GET);
    }
    let handed_over = bench.counters().targets[0].handed_over;
    assert!((50..1_000).contains(&handed_over), "{handed_over}");
    assert_eq!(
        bench.dropped(0),
        format!("over_budget {}", 1_000 - handed_over)
    );
    bench.held.clear();
    bench.say(&mut client, GET);
    assert_eq!(bench.counters().targets[0].handed_over, handed_over + 1);
    bench.end();
}

#[test]
fn a_copy_holds_its_memory_until_it_is_dropped() {
    let mut bench = Bench::new(Limits::default(), to_targets(2));
    let mut client = bench.connect(1);
    let before = bench.pipeline.budget().used();
    bench.say(&mut client, post(50_000) + &"x".repeat(50_000));
    assert!(bench.pipeline.budget().used() >= before + 100_000);
    bench.held.pop();
    assert!(bench.pipeline.budget().used() >= before + 50_000);
    bench.held.pop();
    assert_eq!(bench.pipeline.budget().used(), before);
    bench.end();
}
