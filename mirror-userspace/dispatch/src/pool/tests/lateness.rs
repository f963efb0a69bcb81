//! From when on a target is late: each step that the target makes gives it all of its time again, and
//! while the source of a copy makes it wait, it has nothing to be late with.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use mirror_core::{
    budget::Budget,
    pipeline::{CopyId, Expect, MirrorCopy, Output, Persistence, RequestKey, Rest, TargetId},
    segment::Time,
};

use crate::{
    DispatchConfig, LinkId,
    pool::{Action, Origin, Pool, Settings, Work},
};

const LINK: LinkId = LinkId { target: 0, slot: 0 };

/// How long the target has.
const REPLY: Duration = Duration::from_secs(5);

fn at(seconds: u64) -> Time {
    Time::from_nanos((1_000 + seconds) * 1_000_000_000)
}

fn copy(rest: Rest) -> Output {
    Output::Copy(MirrorCopy {
        id: CopyId(1),
        target: TargetId(0),
        request: RequestKey::default(),
        at: at(0),
        pieces: vec![Bytes::from_static(b"0123456789")],
        rest,
        expect: Expect::Body,
        persistence: Persistence::Persistent,
        reserved: Budget::new(0).empty(),
    })
}

/// A pool with one target, and a connection to it that is being opened for this copy.
fn opening(rest: Rest) -> Pool {
    let config = DispatchConfig {
        reply_timeout: REPLY,
        ..DispatchConfig::default()
    };
    let endpoint = SocketAddr::from(([10, 0, 0, 1], 80));
    let mut pool = Pool::new(Settings::from(&config), [Origin::Written(endpoint)]);
    pool.handle_output(at(0), copy(rest));
    let link = LINK;
    assert_eq!(pool.poll_action(), Some(Action::Open { link, endpoint }));
    pool
}

/// Whether the pool waits for the target until this second, and not longer.
fn waits_until(pool: &mut Pool, seconds: u64) -> bool {
    pool.poll_timeout() == Some(at(seconds)) && {
        pool.handle_timeout(Time::from_nanos(at(seconds).as_nanos() - 1));
        let in_time = pool.work(LINK) != Work::Settle;
        pool.handle_timeout(at(seconds));
        pool.settle(at(seconds), LINK);
        in_time && pool.counters().next().unwrap().failed.timeout == 1
    }
}

#[test]
fn it_has_its_time_from_the_connection_on() {
    let mut pool = opening(Rest::Complete);
    assert_eq!(pool.poll_timeout(), None, "the shell bounds connecting");
    pool.handle_connected(at(2), LINK);
    assert!(waits_until(&mut pool, 7));
}

#[test]
fn each_byte_that_it_takes_gives_it_its_time_again() {
    let mut pool = opening(Rest::Complete);
    pool.handle_connected(at(0), LINK);
    assert!(pool.has_bytes(LINK));
    pool.handle_written(at(3), LINK, 4);
    assert!(pool.has_bytes(LINK));
    pool.handle_blocked(at(6), LINK);
    assert!(waits_until(&mut pool, 8));
}

#[test]
fn it_has_its_time_from_the_last_byte_that_left() {
    let mut pool = opening(Rest::Complete);
    pool.handle_connected(at(0), LINK);
    assert!(pool.has_bytes(LINK));
    pool.handle_written(at(1), LINK, 10);
    assert!(!pool.has_bytes(LINK) && pool.is_unflushed(LINK));
    pool.handle_flushed(at(4), LINK);
    assert!(waits_until(&mut pool, 9));
}

#[test]
fn it_has_nothing_to_be_late_with_while_the_source_pauses() {
    let mut pool = opening(Rest::Streamed);
    pool.handle_connected(at(0), LINK);
    assert!(pool.has_bytes(LINK));
    pool.handle_written(at(1), LINK, 10);
    assert!(!pool.has_bytes(LINK));
    assert_eq!(pool.poll_timeout(), None);
    let chunk = Output::Chunk {
        copy: CopyId(1),
        bytes: Bytes::from_static(b"more"),
        reserved: Budget::new(0).empty(),
    };
    pool.handle_output(at(60), chunk);
    assert!(pool.has_bytes(LINK));
    pool.handle_blocked(at(60), LINK);
    assert!(waits_until(&mut pool, 65), "it does not read");
}

#[test]
fn a_connection_that_rested_gives_it_all_of_its_time() {
    let mut pool = opening(Rest::Complete);
    pool.handle_connected(at(0), LINK);
    assert!(pool.has_bytes(LINK));
    pool.handle_written(at(0), LINK, 10);
    assert!(!pool.has_bytes(LINK));
    pool.handle_flushed(at(0), LINK);
    pool.handle_read(at(1), LINK, b"HTTP/1.1 204 No\r\n\r\n");
    assert!(matches!(pool.work(LINK), Work::Rest { .. }));
    pool.handle_output(at(20), copy(Rest::Complete));
    pool.handle_awake(at(21), LINK);
    assert!(waits_until(&mut pool, 26));
}
