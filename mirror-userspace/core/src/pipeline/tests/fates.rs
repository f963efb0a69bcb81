//! What policy decides, as the counters have it.

use super::*;
use crate::{
    policy::{FilterConfig, SampleBy},
    value::Rate,
};

#[test]
fn filtered_requests_are_counted_by_rule_and_their_bodies_let_go() {
    let policy = PolicyConfig {
        filter: FilterConfig {
            deny_paths: vec!["/b".parse().unwrap()],
            ..FilterConfig::default()
        },
        ..to_targets(2)
    };
    let mut bench = Bench::new(Limits::default(), policy);
    let mut client = bench.connect(1);
    let before = bench.pipeline.budget().used();
    bench.say(&mut client, post(5_000));
    bench.say(&mut client, vec![b'x'; 4_999]);
    assert_eq!(
        bench.pipeline.budget().used(),
        before,
        "nothing is kept of it"
    );
    bench.say(&mut client, "x".to_owned() + GET);
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 2);
    assert_eq!(counters.filtered.iter().sum::<u64>(), 1);
    assert_eq!(counters.targets[0].sampled_out, 0);
}

#[test]
fn a_request_that_is_filtered_and_then_breaks_is_counted_once() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(
        &mut client,
        "POST / HTTP/1.1\r\nX-Mirrored-By: podmirror\r\nContent-Length: 9\r\n\r\nabc",
    );
    bench.reset(&client);
    let (_, counters) = bench.end();
    assert_eq!((counters.requests, counters.filtered[0]), (1, 1));
}

#[test]
fn each_target_samples_for_itself() {
    let mut policy = to_targets(3);
    policy.sample_by = SampleBy::Request;
    policy.targets[0].rate = Some(Rate::ZERO);
    policy.targets[1].rate = Some("50%".parse().unwrap());
    let mut bench = Bench::new(Limits::default(), policy);
    let mut client = bench.connect(1);
    for _ in 0..200 {
        bench.say(&mut client, GET);
    }
    let (_, counters) = bench.end();
    let handed_over = |target: usize| counters.targets[target].handed_over;
    assert_eq!((handed_over(0), handed_over(2)), (0, 200));
    assert_eq!(counters.targets[0].sampled_out, 200);
    // Four standard deviations of a fair coin are 28.
    assert!((72..=128).contains(&handed_over(1)), "{}", handed_over(1));
}

#[test]
fn a_rate_can_be_changed_between_two_requests() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    for rate in [Rate::ALL, Rate::ZERO, Rate::ALL] {
        bench.pipeline.policy_mut().set_sample_rate(rate);
        bench.say(&mut client, GET);
    }
    let (received, counters) = bench.end();
    assert_eq!((received.len(), counters.targets[0].sampled_out), (2, 1));
}
