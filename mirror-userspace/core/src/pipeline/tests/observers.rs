//! Whoever looks on sees what policy lets through, with a clear end.

use std::{cell::RefCell, rc::Rc};

use super::*;
use crate::{http::RequestHead, value::Rate};

/// Writes down what it sees: `head body… end` for each request.
#[derive(Clone)]
struct Log {
    text: Rc<RefCell<String>>,
    room: Result<(), NotKept>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            text: Rc::default(),
            room: Ok(()),
        }
    }
}

impl Log {
    fn add(&self, info: &RequestInfo, what: &str) {
        let ConnectionId(number) = info.request.connection;
        self.text
            .borrow_mut()
            .push_str(&format!("{number}:{what} "));
    }

    fn take(&self) -> String {
        self.text.take()
    }
}

impl Observer for Log {
    fn head(&mut self, info: &RequestInfo, head: &RequestHead<'_>) {
        self.add(info, &String::from_utf8_lossy(head.target()));
    }

    fn body(&mut self, info: &RequestInfo, raw: &[u8]) {
        self.add(info, &String::from_utf8_lossy(raw));
    }

    fn end(&mut self, info: &RequestInfo) -> Result<(), NotKept> {
        self.add(info, "end");
        self.room
    }

    fn lost(&mut self, info: &RequestInfo) {
        self.add(info, "lost");
    }
}

fn observing(policy: PolicyConfig) -> (Bench, Log) {
    let log = Log::default();
    let policy = Policy::new(policy).unwrap();
    let mut pipeline = Pipeline::observing(Limits::default(), policy);
    pipeline.observe(Box::new(log.clone()));
    (Bench::with(pipeline), log)
}

#[test]
fn an_observing_pipeline_shows_requests_and_keeps_nothing() {
    let (mut bench, log) = observing(to_targets(1));
    let (mut one, mut other) = (bench.connect(1), bench.connect(2));
    let before = bench.pipeline.budget().used();
    bench.say(&mut one, post(6) + "abc");
    bench.say(&mut other, GET);
    assert_eq!(bench.pipeline.budget().used(), before);
    bench.say(&mut one, "def".to_owned() + &post(6) + "a");
    bench.reset(&one);
    assert_eq!(
        log.take(),
        "1:/b 1:abc 2:/a 2:end 1:def 1:end 1:/b 1:a 1:lost "
    );
    assert_eq!(bench.dropped(0), "reset 1");
    let (received, counters) = bench.end();
    assert!(received.is_empty());
    assert_eq!((counters.requests, counters.observed), (3, 2));
}

#[test]
fn what_the_observer_has_no_room_for_is_dropped_not_observed() {
    let policy = Policy::new(to_targets(1)).unwrap();
    let mut pipeline = Pipeline::observing(Limits::default(), policy);
    pipeline.observe(Box::new(Log {
        room: Err(NotKept::NoRoom),
        ..Log::default()
    }));
    let mut bench = Bench::with(pipeline);
    let mut client = bench.connect(1);
    bench.say(&mut client, GET);
    assert_eq!(bench.dropped(0), "over_budget 1");
    assert_eq!(bench.end().1.observed, 0);
}

#[test]
fn it_shows_what_its_first_target_would_get() {
    let mut policy = to_targets(2);
    policy.targets[0].rate = Some(Rate::ZERO);
    let (mut bench, log) = observing(policy);
    let mut client = bench.connect(1);
    bench.say(&mut client, GET);
    assert_eq!(log.take(), "");
    assert_eq!(bench.counters().targets[0].sampled_out, 1);
    assert_eq!(bench.counters().observed, 0);
}

#[test]
fn beside_targets_it_sees_what_at_least_one_of_them_gets() {
    let mut policy = to_targets(2);
    policy.targets[0].rate = Some(Rate::ZERO);
    let mut bench = Bench::new(Limits::default(), policy);
    let log = Log::default();
    bench.pipeline.observe(Box::new(log.clone()));
    let mut client = bench.connect(1);
    let looped = "GET /loop HTTP/1.1\r\nHost: a\r\nX-Mirrored-By: podmirror\r\n\r\n";
    bench.say(&mut client, post(3) + "abc" + looped + GET);
    assert_eq!(log.take(), "1:/b 1:abc 1:end 1:/a 1:end ");
    bench
        .pipeline
        .policy_mut()
        .set_target_rate(1, Some(Rate::ZERO));
    bench.say(&mut client, GET);
    assert_eq!(log.take(), "", "nobody gets it");
    bench.end();
}

#[test]
fn a_request_that_finds_no_room_is_lost_to_the_observer_once() {
    for length in [50_000, 2 << 20] {
        let limits = Limits {
            memory: 60_000,
            ..Limits::default()
        };
        let mut bench = Bench::new(limits, to_targets(1));
        let log = Log::default();
        bench.pipeline.observe(Box::new(log.clone()));
        let mut client = bench.connect(1);
        bench.say(&mut client, post(length));
        for _ in 0..length / 1_000 {
            bench.say(&mut client, [b'x'; 1_000]);
        }
        let seen = log.take();
        assert!(
            seen.starts_with("1:/b 1:x") && seen.ends_with("x 1:lost "),
            "{length}"
        );
        assert_eq!(seen.matches("lost").count(), 1);
        bench.reset(&client);
        assert_eq!(log.take(), "");
        bench.end();
    }
}
