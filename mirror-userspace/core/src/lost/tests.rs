//! What is kept, what has to go, and what a flood costs.

use std::net::SocketAddr;

use mirror_common::record::flag;

use super::*;
use crate::segment::Segment;

const GAP: Why = Why::dropped("gap");
const FULL: Why = Why::dropped("queue_full");

fn loss(number: u64, why: Why) -> Loss {
    Loss {
        number,
        at: Time::default(),
        why,
        cause: None,
        count: 1,
        flow: None,
        target: None,
        line: Some("GET / HTTP/1.1".into()),
        segments: Vec::new(),
    }
}

fn numbers(kept: &Kept) -> Vec<u64> {
    let mut numbers: Vec<_> = kept.iter().map(|loss| loss.number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_newest_are_kept_and_a_flood_of_one_reason_does_not_push_out_another() {
    let mut kept = Kept::new(4, usize::MAX);
    kept.push(loss(1, GAP));
    for number in 2..100 {
        kept.push(loss(number, FULL));
    }
    assert_eq!(numbers(&kept), [1, 97, 98, 99]);
    assert_eq!((kept.len(), kept.gone), (4, 95));
    for number in 100..105 {
        kept.push(loss(number, GAP));
    }
    assert_eq!(numbers(&kept), [98, 99, 103, 104], "each has its half");
}

#[test]
fn what_is_kept_is_bounded_in_bytes() {
    let one = loss(1, GAP).bytes();
    let mut kept = Kept::new(100, 3 * one);
    for number in 1..=10 {
        kept.push(loss(number, GAP));
    }
    assert_eq!(numbers(&kept), [8, 9, 10]);
    let mut large = loss(11, GAP);
    large.line = Some("a".repeat(4 * one).into());
    kept.push(large);
    assert!(kept.is_empty(), "it does not fit at all");
    kept.push(loss(12, GAP));
    assert_eq!(numbers(&kept), [12], "and takes no room");
}

#[test]
fn so_many_of_each_reason_are_written_down_in_a_second() {
    let mut allowance = Allowance::new(10);
    let at = |millis: u64| Time::from_nanos(millis * 1_000_000);
    let mut lets = |millis, why| (0..50).filter(|_| allowance.lets(at(millis), why)).count();
    assert_eq!([lets(1_000, FULL), lets(1_999, FULL)], [10, 0]);
    assert_eq!(lets(1_999, GAP), 10, "another reason has its own");
    assert_eq!(lets(2_000, FULL), 10);
    assert_eq!(
        [lets(1_999, FULL), lets(2_001, FULL)],
        [0, 0],
        "time steps back"
    );
    assert_eq!(allowance.refused, 40 + 50 + 40 + 40 + 100);
    let mut all = Allowance::new(usize::MAX);
    assert_eq!((0..2_000).filter(|_| all.lets(at(0), GAP)).count(), 1_000);
    assert!(!Allowance::new(0).lets(at(0), GAP));
}

fn flow(port: u16) -> FlowId {
    FlowId {
        client: SocketAddr::from(([10, 0, 0, 1], port)).into(),
        server: SocketAddr::from(([10, 1, 0, 1], 80)).into(),
        attachment: 0,
    }
}

fn segment(flow: FlowId, seq: u32, payload: &[u8]) -> Segment<'_> {
    Segment {
        at: Time::from_nanos(seq.into()),
        flow,
        direction: Direction::ToServer,
        expected: None,
        seq: SeqNum(seq),
        ack: Some(SeqNum(7)),
        flags: TcpFlags(flag::ACK),
        urgent: None,
        starts_segment: true,
        payload,
        wire_len: 5,
    }
}

#[test]
fn the_last_eight_segments_of_a_connection_are_remembered_in_order() {
    for bytes in [0, 3] {
        let mut trails = Trails::new(TrailLimits {
            connections: 4,
            bytes,
        });
        assert_eq!(trails.of(&flow(1)), []);
        for seq in 0..10 {
            trails.push(&segment(flow(1), seq, b"hello"));
            trails.push(&segment(flow(2), 100 + seq, b"ab"));
        }
        let seqs = |port| -> Vec<u32> {
            let all = trails.of(&flow(port));
            all.iter().map(|segment| segment.seq.0).collect()
        };
        assert_eq!(seqs(1), Vec::from_iter(2..10));
        assert_eq!(seqs(2), Vec::from_iter(102..110));
        let last = trails.of(&flow(1)).pop().unwrap();
        assert_eq!(&*last.bytes, b"hello".get(..bytes).unwrap());
        assert_eq!((last.len, last.ack), (5, Some(SeqNum(7))));
        // Another connection in its place.
        trails.push(&segment(flow(5), 1, b"x"));
        let one = trails.of(&flow(5));
        assert_eq!((one.len(), trails.of(&flow(1)).len()), (1, 0));
        assert_eq!(one.first().unwrap().bytes.len(), bytes.min(1));
    }
}

#[test]
fn the_latest_of_a_place_is_found() {
    let mut latest = Latest::new(3);
    for number in 1..=4 {
        latest.put(number, number * 10);
    }
    assert_eq!(
        [1, 2, 3, 4, 5].map(|number| latest.get(number).copied()),
        [None, Some(20), Some(30), Some(40), None]
    );
    let mut none = Latest::new(0);
    none.put(1, 1);
    assert_eq!(none.get(1), None);
}
