//! From when on a target is late: each step that the target makes gives it all of its time again, and
//! while the source of a copy makes it wait, it has nothing to be late with.

use std::time::Duration;

use mirror_core::{pipeline::Rest, segment::Time};

use super::driver::{Driver, OK, at, link};
use crate::{DispatchConfig, pool::Work};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";

/// A connection that is being opened, for a copy; the target has 5 s.
fn opening(rest: Rest) -> Driver {
    let mut driver = Driver::new(&DispatchConfig {
        reply_timeout: Duration::from_secs(5),
        ..DispatchConfig::default()
    });
    driver.give(1, GET, rest);
    assert_eq!(driver.opened(), [link(0)]);
    driver
}

/// Whether the pool waits for the target until this second, and not longer.
fn waits_until(driver: &mut Driver, seconds: u64) -> bool {
    let (pool, end) = (&mut driver.pool, at(seconds * 1_000));
    pool.poll_timeout() == Some(end) && {
        pool.handle_timeout(Time::from_nanos(end.as_nanos() - 1));
        let in_time = pool.work(link(0)) != Work::Settle;
        pool.handle_timeout(end);
        pool.settle(end, link(0));
        in_time && driver.counters().failed.timeout == 1
    }
}

#[test]
fn it_has_its_time_from_the_connection_on() {
    let mut driver = opening(Rest::Complete);
    assert_eq!(
        driver.pool.poll_timeout(),
        None,
        "the shell bounds connecting"
    );
    driver.pool.handle_connected(at(2_000), link(0));
    assert!(waits_until(&mut driver, 7));
}

#[test]
fn each_byte_that_it_takes_gives_it_its_time_again() {
    let mut driver = opening(Rest::Complete);
    driver.pool.handle_connected(at(0), link(0));
    assert!(driver.pool.has_bytes(link(0)));
    driver.pool.handle_written(at(3_000), link(0), 4);
    assert!(driver.pool.has_bytes(link(0)));
    driver.pool.handle_blocked(at(6_000), link(0));
    assert!(waits_until(&mut driver, 8));
}

#[test]
fn it_has_its_time_from_the_last_byte_that_left() {
    let mut driver = opening(Rest::Complete);
    driver.pool.handle_connected(at(0), link(0));
    assert!(driver.pool.has_bytes(link(0)));
    driver.pool.handle_written(at(1_000), link(0), GET.len());
    assert!(!driver.pool.has_bytes(link(0)) && driver.pool.is_unflushed(link(0)));
    driver.pool.handle_flushed(at(4_000), link(0));
    assert!(waits_until(&mut driver, 9));
}

#[test]
fn it_has_nothing_to_be_late_with_while_the_source_pauses() {
    let mut driver = opening(Rest::Streamed);
    driver.pool.handle_connected(at(0), link(0));
    assert_eq!(driver.write(link(0)), GET);
    assert_eq!(driver.pool.poll_timeout(), None);
    driver.now = at(60_000);
    driver.chunk(mirror_core::pipeline::CopyId(0), "more");
    assert!(driver.pool.has_bytes(link(0)));
    driver.pool.handle_blocked(at(60_000), link(0));
    assert!(waits_until(&mut driver, 65), "it does not read");
}

#[test]
fn a_connection_that_rested_gives_it_all_of_its_time() {
    let mut driver = opening(Rest::Complete);
    driver.pool.handle_connected(at(0), link(0));
    assert_eq!(driver.write(link(0)), GET);
    driver.read(link(0), OK);
    driver.now = at(20_000);
    driver.send(1, GET);
    driver.pool.handle_awake(at(21_000), link(0));
    assert!(waits_until(&mut driver, 26));
}
