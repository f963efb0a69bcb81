use super::*;
use mirror_core::{
    budget::Budget,
    pipeline::{CopyId, Effect, Expect, MirrorCopy, Persistence, RequestKey, Rest, TargetId, Wire},
    segment::Time,
};

/// A copy that is known again by its time.
fn job(copies: &mut Copies, connection: u64, number: u64) -> Job {
    copies.begin(copy(connection, number))
}

fn copy(connection: u64, number: u64) -> MirrorCopy {
    MirrorCopy {
        id: CopyId(number),
        target: TargetId(0),
        request: RequestKey {
            connection: ConnectionId(connection),
            number: 1,
        },
        at: Time::from_nanos(number),
        wire: Wire::Http1,
        pieces: Vec::new(),
        rest: Rest::Streamed,
        expect: Expect::Body,
        persistence: Persistence::Persistent,
        effect: Effect::Idempotent,
        reserved: Budget::new(0).empty(),
    }
}

pub(super) fn http2(copies: &mut Copies, connection: u64, number: u64, streamed: bool) -> Job {
    let mut copy = copy(connection, number);
    if !streamed {
        copy.rest = Rest::Complete;
    }
    copy.wire = Wire::Http2 { trailers: None };
    copy.request.number = u32::try_from(number).unwrap();
    copies.begin(copy)
}

fn pop(queue: &mut Queue, copies: &mut Copies) -> Option<(u64, u64)> {
    let job = queue.pop(copies)?;
    let popped = (job.connection.0, job.at.as_nanos());
    copies.end(job);
    Some(popped)
}

#[test]
fn one_copy_of_a_connection_is_out_at_a_time() {
    let copies = &mut Copies::default();
    let mut queue = Queue::new(Order::Connection);
    for (connection, number) in [(1, 0), (1, 1), (2, 2), (1, 3)] {
        queue.push(job(copies, connection, number));
    }
    assert_eq!(pop(&mut queue, copies), Some((1, 0)));
    assert_eq!(pop(&mut queue, copies), Some((2, 2)));
    assert_eq!(pop(&mut queue, copies), None);
    queue.release(ConnectionId(1));
    assert_eq!(pop(&mut queue, copies), Some((1, 1)));
    queue.release(ConnectionId(2));
    assert_eq!(pop(&mut queue, copies), None);
    queue.release(ConnectionId(1));
    assert_eq!(pop(&mut queue, copies), Some((1, 3)));
    queue.release(ConnectionId(1));
    assert_eq!((queue.len(), queue.lanes.len()), (0, 0));
}

#[test]
fn without_order_all_are_ready() {
    let copies = &mut Copies::default();
    let mut queue = Queue::new(Order::None);
    (0..3).for_each(|number| queue.push(job(copies, 1, number)));
    for number in 0..3 {
        assert_eq!(pop(&mut queue, copies), Some((1, number)));
    }
    queue.release(ConnectionId(1));
    assert_eq!(queue.len(), 0);
}

#[test]
fn a_dropped_copy_does_not_stop_its_lane() {
    let copies = &mut Copies::default();
    let mut queue = Queue::new(Order::Connection);
    for number in 0..3 {
        queue.push(job(copies, 1, number));
        if number < 2 {
            copies.drop_stream(CopyId(number));
        }
    }
    assert_eq!(pop(&mut queue, copies), Some((1, 2)));
    assert_eq!(queue.len(), 0);
}

#[test]
fn nobody_overtakes_one_that_waits_to_follow() {
    let copies = &mut Copies::default();
    let mut queue = Queue::new(Order::Connection);
    let (client, link) = (ConnectionId(1), LinkId { target: 0, slot: 0 });
    queue.push(job(copies, 1, 0));
    assert_eq!(pop(&mut queue, copies), Some((1, 0)));
    queue.handle_given(client, link);
    assert_eq!(queue.link_to_follow(client), Some(link));
    queue.push(job(copies, 1, 1));
    assert_eq!(queue.link_to_follow(client), None, "1 is first");
    let behind = queue.pop_behind(client, copies, |_| true).unwrap();
    assert_eq!(behind.at.as_nanos(), 1);
    copies.end(behind);
    assert_eq!(queue.link_to_follow(client), Some(link));
}

#[test]
fn what_a_target_turned_away_goes_again_by_age() {
    let copies = &mut Copies::default();
    let mut queue = Queue::new(Order::Connection);
    for number in [0, 1, 2, 5] {
        queue.push(http2(copies, 1, number, false));
    }
    let taken = [0, 1, 2].map(|_| queue.pop_http2(copies, true).unwrap());
    for job in taken {
        queue.push_front(job);
    }
    queue.push(http2(copies, 2, 6, false));
    for number in [0, 1, 2, 5, 6] {
        let job = queue.pop_http2(copies, true).unwrap();
        assert_eq!(job.id, CopyId(number));
        copies.end(job);
    }
    assert_eq!(queue.len(), 0);
}

#[test]
fn draining_leaves_the_lanes_that_are_being_sent() {
    let copies = &mut Copies::default();
    let mut queue = Queue::new(Order::Connection);
    for (connection, number) in [(1, 0), (1, 1), (2, 2), (2, 3)] {
        queue.push(job(copies, connection, number));
    }
    assert_eq!(pop(&mut queue, copies), Some((1, 0)));
    assert_eq!(queue.drain(copies, |_, _| {}), 3);
    assert_eq!((queue.len(), queue.lanes.len()), (0, 1));
    queue.push(job(copies, 1, 4));
    assert_eq!(pop(&mut queue, copies), None, "0 is still out");
    queue.release(ConnectionId(1));
    assert_eq!(pop(&mut queue, copies), Some((1, 4)));
}
