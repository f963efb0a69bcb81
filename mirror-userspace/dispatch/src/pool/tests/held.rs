//! Copies that hold their connection for long, and those that wait beside them.

use super::driver::{Driver, OK, at, link};
use crate::{DispatchConfig, LinkId, Pipelining, breaker, pool::Work};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";
const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// Two connections, time-outs of 5 s, a breaker that two failures open.
fn two() -> Driver {
    let breaker = breaker::Limits {
        failures: 2,
        ..breaker::Limits::default()
    };
    Driver::new(&DispatchConfig {
        connections: 2,
        pipelining: Pipelining::UpTo(1),
        breaker,
        ..DispatchConfig::default()
    })
}

impl Driver {
    fn pass(&mut self, milliseconds: u64) {
        self.now = at(milliseconds);
        self.pool.handle_timeout(self.now);
    }

    /// Connects what is to be opened, and writes what there is on it.
    fn go_on(&mut self) -> usize {
        let opened = self.opened();
        for link in &opened {
            self.pool.handle_connected(self.now, *link);
            assert_eq!(self.write(*link), GET);
        }
        opened.len()
    }

    /// Has the one connection that has a copy to write write it.
    fn whoever_writes(&mut self) -> LinkId {
        self.connect();
        let mut writing = Vec::new();
        for link in (0..8).map(link) {
            if self.write(link) == GET {
                writing.push(link);
            }
        }
        assert_eq!(writing.len(), 1);
        writing[0]
    }

    /// Closes connections that have to stop; how many there were.
    fn close_stopped(&mut self) -> usize {
        let stopped: Vec<_> = (0..8)
            .map(link)
            .filter(|link| self.pool.work(*link) == Work::Settle)
            .collect();
        for link in &stopped {
            self.pool.settle(self.now, *link);
            assert_eq!(self.pool.work(*link), Work::Close);
            self.pool.handle_closed(self.now, *link);
        }
        stopped.len()
    }
}

#[test]
fn as_many_connections_again_take_the_place_of_those_that_are_held() {
    let mut driver = two();
    (0..5).for_each(|client| driver.send(client, GET));
    assert_eq!(driver.go_on(), 2);
    assert_eq!(driver.pool.poll_timeout(), Some(at(500)));
    driver.pass(499);
    assert_eq!(driver.go_on(), 0);
    driver.pass(500);
    assert_eq!(driver.go_on(), 2, "both are held");
    driver.pass(4_000);
    assert_eq!(driver.go_on(), 0, "and no more than as many again");
    assert_eq!(
        (driver.counters().queued, driver.counters().in_flight),
        (1, 4)
    );
    driver.read(link(0), OK);
    assert_eq!(driver.write(link(0)), GET);
    assert_eq!(driver.counters().failed.total(), 0);
}

#[test]
fn bodies_that_go_on_give_way_to_copies_that_wait() {
    let mut driver = two();
    (0..4).for_each(|client| driver.send(client, GET));
    driver.go_on();
    driver.pass(500);
    assert_eq!(driver.go_on(), 2);
    for (slot, time) in [(2, 600), (0, 700), (3, 800), (1, 900)] {
        driver.pass(time);
        driver.read(link(slot), ENDLESS);
    }
    assert_eq!(driver.counters().answered.success, 4);
    driver.pass(1_300);
    assert_eq!(driver.close_stopped(), 0, "nobody waits");
    driver.send(4, GET);
    driver.send(5, GET);
    driver.pass(1_301);
    assert_eq!(driver.close_stopped(), 2, "one for each that waits");
    assert_eq!(driver.go_on(), 2);
    driver.read(link(3), b"3\r\nabc\r\n");
    driver.read(link(1), b"3\r\nabc\r\n");
    let counters = driver.counters();
    assert_eq!((counters.replies_cut, counters.in_flight), (2, 2));
    assert_eq!(counters.failed.total(), 0);
}

#[test]
fn a_copy_that_is_late_while_others_are_answered_says_nothing_of_the_target() {
    let mut driver = two();
    for round in 0..10 {
        let began = round * 10_000;
        driver.now = at(began);
        driver.send(1, GET);
        driver.whoever_writes();
        driver.now = at(began + 4_000);
        driver.send(2, GET);
        let other = driver.whoever_writes();
        driver.read(other, OK);
        driver.pass(began + 5_000);
        assert_eq!(driver.close_stopped(), 1, "the first is late");
    }
    let counters = driver.counters();
    assert_eq!(
        (counters.failed.timeout, counters.answered.success),
        (10, 10)
    );
    assert_eq!(counters.breaker_opened, 0);
}

#[test]
fn a_target_that_answers_nobody_is_left_alone() {
    let mut driver = two();
    driver.send(1, GET);
    driver.go_on();
    driver.read(link(0), OK);
    for client in 0..2 {
        driver.send(client, GET);
    }
    driver.go_on();
    driver.write(link(0));
    driver.pass(5_000);
    assert_eq!(driver.close_stopped(), 2);
    let counters = driver.counters();
    assert_eq!((counters.failed.timeout, counters.breaker_opened), (2, 1));
}
