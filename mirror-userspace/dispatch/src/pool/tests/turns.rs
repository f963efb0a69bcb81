//! Whose turn it is on a connection that several want.

use super::driver::{Driver, OK, link};
use crate::{DispatchConfig, Pipelining};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";
const PUT: &str = "PUT / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";

/// A connection that has answered so often that it may have `pipeline` copies.
fn proven(pipeline: usize) -> Driver {
    let mut driver = Driver::new(&DispatchConfig {
        connections: 1,
        pipelining: Pipelining::UpTo(pipeline),
        ..DispatchConfig::default()
    });
    for _ in 0..pipeline {
        driver.send(0, GET);
        driver.connect();
        assert_eq!(driver.write(link(0)), GET);
        driver.read(link(0), OK);
    }
    driver
}

#[test]
fn a_copy_that_goes_alone_is_not_kept_waiting_by_those_that_follow_each_other() {
    let mut driver = proven(4);
    for client in [1, 2, 1, 2] {
        driver.send(client, GET);
    }
    assert_eq!(driver.write(link(0)), GET.repeat(4));
    driver.send(3, POST);
    let mut answered = 0;
    // Each client has the next one as soon as one is answered.
    while driver.write(link(0)) != POST {
        assert!(answered < 100, "its turn never comes");
        driver.read(link(0), OK);
        answered += 1;
        driver.send(1 + answered % 2, GET);
    }
    driver.read(link(0), OK);
    let waiting = answered;
    for _ in 0..waiting {
        driver.write(link(0));
        driver.read(link(0), OK);
    }
    let counters = driver.counters();
    assert_eq!((counters.queued, counters.in_flight), (0, 0));
}

#[test]
fn copies_that_take_effect_each_time_go_alone() {
    let mut driver = proven(4);
    for (client, text) in [(1, GET), (2, POST), (3, POST), (4, GET), (5, GET)] {
        driver.send(client, text);
    }
    for together in [GET, POST, POST, &GET.repeat(2)] {
        assert_eq!(driver.write(link(0)), together);
        for _ in 0..together.matches(" / ").count() {
            driver.read(link(0), OK);
        }
    }
    assert_eq!(driver.counters().answered.success, 9);
}

/// There may be no new connection: the copy meets another one that is closed.
#[test]
fn a_copy_is_sent_again_once_wherever_it_goes() {
    let mut driver = Driver::new(&DispatchConfig {
        connections: 2,
        pipelining: Pipelining::UpTo(1),
        ..DispatchConfig::default()
    });
    (0..2).for_each(|client| driver.send(client, GET));
    assert_eq!(driver.connect(), 2);
    for slot in 0..2 {
        assert_eq!(driver.write(link(slot)), GET);
        driver.read(link(slot), OK);
    }
    driver.send(0, PUT);
    assert_eq!(driver.write(link(1)), PUT, "it was used last");
    driver.pool.handle_eof(driver.now, link(1));
    assert_eq!(driver.counters().queued, 1);
    // The connection is not closed yet as another copy comes.
    driver.send(1, GET);
    assert_eq!(driver.write(link(0)), PUT);
    driver.pool.handle_eof(driver.now, link(0));
    let counters = driver.counters();
    assert_eq!((counters.failed.reset, counters.sent_again), (1, 1));
}
