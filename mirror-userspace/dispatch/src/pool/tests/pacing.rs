//! What endpoints take of copies behind others, found out on connections.

use std::time::Duration;

use super::driver::{Driver, OK, at, link};
use crate::{DispatchConfig, Pipelining, Retry, pool::Work};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";
const PUT: &str = "PUT / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

fn auto(connections: usize) -> DispatchConfig {
    DispatchConfig {
        connections,
        pipelining: Pipelining::Auto,
        ..DispatchConfig::default()
    }
}

/// Gives so many copies, and has all that is written on a connection answered, until none is left; how many were
/// written at a time.
fn exchange(driver: &mut Driver, slot: usize, copies: usize) -> Vec<usize> {
    for client in 0..copies {
        driver.send(client as u64, GET);
    }
    driver.connect();
    let mut together = Vec::new();
    loop {
        let count = driver.write(link(slot)).matches(GET).count();
        if count == 0 {
            return together;
        }
        together.push(count);
        for _ in 0..count {
            driver.read(link(slot), OK);
        }
    }
}

#[test]
fn a_target_that_takes_several_gets_several() {
    let mut driver = Driver::new(&auto(1));
    let together = exchange(&mut driver, 0, 200);
    assert_eq!(together[..2], [1, 2], "one more than it has answered");
    assert_eq!(together.iter().max(), Some(&64));
    assert!(together.len() < 20, "{together:?}");
    let counters = driver.counters();
    assert_eq!(counters.answered.success, 200);
    // What went behind others waited for them, which says nothing of the target.
    assert!(counters.pipelined > 150, "{counters:?}");
}

/// What is due is seen to, and connections that end are opened anew.
fn pass(driver: &mut Driver, time: Duration) {
    driver.now = driver.now + time;
    driver.pool.handle_timeout(driver.now);
    for slot in 0..2 {
        driver.pool.settle(driver.now, link(slot));
        if driver.pool.work(link(slot)) == Work::Close {
            driver.pool.handle_closed(driver.now, link(slot));
        }
    }
    driver.connect();
}

#[test]
fn one_that_forgets_the_rest_is_asked_again_ever_more_seldom() {
    let mut driver = Driver::new(&auto(1));
    let mut forgotten = 0;
    for round in 0..100 {
        driver.now = at(60_000 * round);
        driver.send(1, GET);
        driver.send(2, GET);
        driver.connect();
        loop {
            // It answers the first of what it reads, and forgets the others.
            while driver.write(link(0)).contains(GET) {
                driver.read(link(0), OK);
            }
            let waiting = driver.counters().in_flight;
            if waiting == 0 {
                break;
            }
            forgotten += waiting;
            pass(&mut driver, Duration::from_secs(5));
        }
    }
    let counters = driver.counters();
    assert_eq!(counters.answered.success, 200, "{counters:?}");
    assert_eq!(counters.sent_again, forgotten);
    // After 10 s, 20 s, 40 s, … in 100 minutes, each time one.
    assert!((5..=10).contains(&forgotten), "{forgotten}");
}

#[test]
fn what_stood_behind_a_reply_that_never_comes_goes_elsewhere() {
    for garbage in [false, true] {
        let mut driver = Driver::new(&auto(1));
        exchange(&mut driver, 0, 100);
        for client in 0..5 {
            driver.send(client, GET);
        }
        assert_eq!(driver.write(link(0)), GET.repeat(5));
        if garbage {
            driver.read(link(0), b"I beg your pardon?\r\n\r\n");
            driver.pool.handle_closed(driver.now, link(0));
        }
        pass(&mut driver, Duration::from_secs(5));
        assert_eq!(exchange(&mut driver, 0, 0), [1; 4]);
        let counters = driver.counters();
        assert_eq!(counters.failed.total(), 1, "{counters:?}");
        assert_eq!((counters.answered.success, counters.sent_again), (104, 4));
    }
}

/// An event stream, or a file that takes its time.
#[test]
fn a_body_that_others_wait_for_is_cut_ever_more_seldom() {
    let mut driver = Driver::new(&auto(1));
    for wait in [10, 20] {
        driver.now = driver.now + Duration::from_secs(600);
        driver.pool.handle_timeout(driver.now);
        pass(&mut driver, Duration::ZERO);
        exchange(&mut driver, 0, 100);
        let before = driver.counters();
        for client in 0..5 {
            driver.send(client, GET);
        }
        assert_eq!(driver.write(link(0)), GET.repeat(5));
        driver.read(
            link(0),
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfirst",
        );
        pass(&mut driver, Duration::from_millis(150));
        assert_eq!(driver.counters().sent_again, before.sent_again);
        pass(&mut driver, Duration::from_millis(50));
        assert_eq!(
            exchange(&mut driver, 0, 0),
            [1; 4],
            "each once more, and alone"
        );
        let counters = driver.counters();
        assert_eq!(counters.sent_again, before.sent_again + 4);
        assert_eq!(counters.answered.success, before.answered.success + 5);
        driver.now = driver.now + Duration::from_secs(wait - 1);
        assert_eq!(exchange(&mut driver, 0, 9), [1; 9]);
        pass(&mut driver, Duration::from_secs(1));
        assert_eq!(exchange(&mut driver, 0, 9)[0], 2);
    }
}

/// Behind others it would have come again, and after what another client sent meanwhile.
#[test]
fn a_put_is_not_written_before_a_reply_that_never_comes() {
    let mut driver = Driver::new(&auto(1));
    exchange(&mut driver, 0, 100);
    driver.send(1, GET);
    driver.send(2, PUT);
    assert_eq!(driver.write(link(0)), GET);
    pass(&mut driver, Duration::from_secs(5));
    assert_eq!(driver.write(link(0)), PUT);
    driver.read(link(0), OK);
    let counters = driver.counters();
    assert_eq!((counters.answered.success, counters.sent_again), (101, 0));
}

#[test]
fn a_reset_with_copies_behind_it_takes_it_back_to_one() {
    let mut driver = Driver::new(&auto(1));
    exchange(&mut driver, 0, 100);
    for client in 0..5 {
        driver.send(client, GET);
    }
    assert_eq!(driver.write(link(0)), GET.repeat(5));
    driver.pool.handle_reset(driver.now, link(0));
    driver.pool.handle_closed(driver.now, link(0));
    assert_eq!(driver.connect(), 1);
    let together = exchange(&mut driver, 0, 0);
    assert_eq!(together, [1; 5], "each once more, and alone");
    assert_eq!(exchange(&mut driver, 0, 20), [1; 20]);
    assert_eq!(driver.counters().sent_again, 5);
    driver.now = driver.now + Duration::from_secs(10);
    let together = exchange(&mut driver, 0, 200);
    assert_eq!(together[..2], [2, 2], "on trial");
    assert!(together.contains(&64));
}

#[test]
fn what_a_target_closes_behind_is_learnt() {
    let mut driver = Driver::new(&auto(1));
    let mut on_connection = 0;
    let mut in_vain = Vec::new();
    for client in 0..700 {
        driver.send(client % 30, GET);
    }
    // It closes with the hundredth reply.
    while driver.counters().answered.success < 700 {
        driver.connect();
        let count = driver.write(link(0)).matches(GET).count();
        for reply in 0..count {
            on_connection += 1;
            if on_connection < 100 {
                driver.read(link(0), OK);
                continue;
            }
            driver.read(link(0), LAST);
            driver.pool.handle_closed(driver.now, link(0));
            in_vain.push(count - reply - 1);
            on_connection = 0;
            break;
        }
    }
    assert_eq!(in_vain.len(), 7);
    assert!(in_vain[0] > 0, "{in_vain:?}");
    assert_eq!(in_vain[1..], [0; 6], "once is enough");
    let counters = driver.counters();
    assert_eq!(counters.sent_again, in_vain[0] as u64);
    assert!(counters.pipelined > 500, "{counters:?}");
}

#[test]
fn a_target_that_closes_behind_each_reply_gets_one_at_a_time() {
    let mut driver = Driver::new(&auto(1));
    for client in 0..50 {
        driver.send(client, GET);
    }
    for _ in 0..50 {
        assert_eq!(driver.connect(), 1);
        assert_eq!(driver.write(link(0)), GET);
        driver.read(link(0), LAST);
        driver.pool.handle_closed(driver.now, link(0));
    }
    let counters = driver.counters();
    assert_eq!((counters.answered.success, counters.sent_again), (50, 0));
}

#[test]
fn what_has_an_effect_goes_alone() {
    let mut driver = Driver::new(&auto(1));
    exchange(&mut driver, 0, 100);
    for (client, text) in [(1, GET), (2, POST), (3, PUT), (4, PUT), (5, GET), (6, GET)] {
        driver.send(client, text);
    }
    for together in [GET, POST, PUT, PUT, &GET.repeat(2)] {
        assert_eq!(driver.write(link(0)), together);
        for _ in 0..together.matches(" / ").count() {
            driver.read(link(0), OK);
        }
    }
}

#[test]
fn one_by_one_where_copies_behind_a_close_would_be_lost() {
    let mut driver = Driver::new(&DispatchConfig {
        retry: Retry::Never,
        ..auto(1)
    });
    assert_eq!(exchange(&mut driver, 0, 50), [1; 50]);
}

#[test]
fn one_by_one_where_each_latency_is_compared() {
    use mirror_core::verdict::Role;
    let mut driver = Driver::new(&auto(1));
    let roles = [Some(Role::Baseline), Some(Role::Candidate)];
    let contents = DispatchConfig::default().contents;
    driver.pool.compare(&roles, false, Vec::new(), contents);
    assert_eq!(exchange(&mut driver, 0, 50), [1; 50]);
}
