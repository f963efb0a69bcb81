//! Requests of HTTP/2: by stream, held or streamed, lost or reset; counted where they can't be read.

mod answers;
mod lost;
mod midstream;
mod refused;
mod upgrades;

use super::{books::books, *};
use crate::testing::{block, data, fields, frame, headers, opening};

type Fields<'a> = &'a [(&'a str, &'a str)];

const GET_A: Fields<'_> = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/a"),
    (":authority", "v1"),
];

const CALL: Fields<'_> = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.B/c"),
    (":authority", "v1"),
    ("te", "trailers"),
    ("!authorization", "Bearer x"),
    ("content-type", "application/grpc"),
];

const RESET: u8 = 3;
const CANCEL: &[u8] = &[0, 0, 0, 8];

/// A copy, decoded: its number, its fields, its body, and its trailers.
#[derive(Debug, PartialEq, Eq)]
struct Copied {
    number: u32,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    trailers: Option<Vec<(String, String)>>,
    ended: Ended,
}

fn owned(fields: Fields<'_>) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    fields.iter().map(owned).collect()
}

/// A list as a target gets it.
fn marked(fields: Fields<'_>) -> Vec<(String, String)> {
    let mark = [("x-mirrored-by", "podmirror")];
    [owned(fields), owned(&mark)].concat()
}

fn copied(received: &Received) -> Copied {
    let Wire::Http2 { trailers } = &received.wire else {
        panic!("{received:?}");
    };
    Copied {
        number: received.number,
        fields: fields(&received.head),
        body: received.bytes[received.head.len()..].to_vec(),
        trailers: trailers.as_ref().map(|block| fields(block)),
        ended: received.ended,
    }
}

fn whole(number: u32, fields: Fields<'_>, body: &str) -> Copied {
    Copied {
        number,
        fields: marked(fields),
        body: body.into(),
        trailers: None,
        ended: Ended::Whole,
    }
}

/// What comes of a connection that sends this, in pieces of so many bytes; the books balance.
fn sent_in_pieces(stream: &[u8], step: usize, limits: Limits) -> (Vec<Copied>, PipelineCounters) {
    let mut bench = Bench::new(limits, to_targets(1));
    let mut client = bench.connect(1);
    for piece in stream.chunks(step) {
        bench.say(&mut client, piece);
    }
    bench.finish(&client);
    let ledger = books(&bench.pipeline);
    assert!(ledger.balanced, "{ledger}");
    let (received, counters) = bench.end();
    assert_eq!(counters.connections.http2, 1);
    (received.iter().map(copied).collect(), counters)
}

/// The same, whole and by bytes: all are the same copies.
fn sent(stream: &[u8]) -> (Vec<Copied>, PipelineCounters) {
    let all = sent_in_pieces(stream, stream.len(), Limits::default());
    for step in [1, 7] {
        let (copies, counters) = sent_in_pieces(stream, step, Limits::default());
        assert_eq!(copies, all.0);
        assert_eq!(counters.lost_unseen, all.1.lost_unseen);
    }
    for cut in 1..stream.len() {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, &stream[..cut]);
        bench.say(&mut client, &stream[cut..]);
        let (received, _) = bench.end();
        let copies: Vec<_> = received.iter().map(copied).collect();
        assert_eq!(copies, all.0, "cut at {cut}");
    }
    all
}

#[test]
fn requests_of_streams_that_interleave_are_whole_copies() {
    let stream = [
        opening(),
        headers(1, CALL, false),
        headers(3, GET_A, true),
        data(1, "one, ", false),
        headers(5, CALL, false),
        data(5, "five", true),
        data(1, "and one", true),
        headers(7, GET_A, true),
    ];
    let (copies, counters) = sent(&stream.concat());
    let expected = [
        whole(3, GET_A, ""),
        whole(5, CALL, "five"),
        whole(1, CALL, "one, and one"),
        whole(7, GET_A, ""),
    ];
    assert_eq!(copies, expected);
    assert_eq!((counters.requests, counters.http2_requests), (4, 4));
    assert_eq!(counters.not_followed, NotFollowedBy::default());
}

#[test]
fn trailers_come_with_the_end_and_what_is_to_be_hidden_is_hidden() {
    let trailers = [("key", "secret"), ("other", "1")];
    let end = frame(1, 5, 1, &block(&trailers));
    let head = headers(1, CALL, false);
    let stream = [opening(), head, data(1, "abcdef", false), end].concat();
    for max_body in [3, 100] {
        let limits = Limits {
            max_body,
            ..Limits::default()
        };
        let policy = hiding_key(2);
        let mut bench = Bench::new(limits, policy);
        let mut client = bench.connect(1);
        bench.say(&mut client, &stream);
        let (received, _) = bench.end();
        assert_eq!(received.len(), 2);
        for copy in &received {
            let copy = copied(copy);
            let hidden = owned(&[("key", "redacted"), ("other", "1")]);
            assert_eq!(copy.trailers, Some(hidden));
            assert_eq!(copy.body, b"abcdef");
        }
    }
}

#[test]
fn what_is_too_large_to_hold_is_streamed() {
    let limits = || Limits {
        max_body: 10,
        ..Limits::default()
    };
    let with_length = |length| [CALL, &[("content-length", length)]].concat();
    for (head, body) in [
        (CALL.to_vec(), "0123456789a"),
        (with_length("11"), "0123456789a"),
        (CALL.to_vec(), "0123456789"),
    ] {
        let streams = body.len() > 10;
        let mut bench = Bench::new(limits(), to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, [opening(), headers(1, &head, false)].concat());
        let at_once = head.len() > CALL.len();
        assert_eq!(bench.received.len(), usize::from(at_once));
        bench.say(&mut client, data(1, &body[..5], false));
        bench.say(&mut client, data(1, &body[5..], false));
        assert_eq!(bench.received.len(), usize::from(streams));
        bench.say(&mut client, data(1, "", true));
        let (received, _) = bench.end();
        let ended = if streams {
            Ended::Finished
        } else {
            Ended::Whole
        };
        let expected = Copied {
            ended,
            ..whole(1, &head, body)
        };
        assert_eq!(copied(&received[0]), expected);
    }
}

#[test]
fn what_stays_open_is_not_held_for_long() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, [opening(), headers(1, CALL, false)].concat());
    bench.say(&mut client, data(1, "first", false));
    bench.wait(Duration::from_millis(60));
    bench.say(&mut client, headers(3, CALL, false));
    assert_eq!(bench.received.len(), 0);
    let due = bench.pipeline.poll_timeout().unwrap();
    assert_eq!(due, bench.now + Duration::from_millis(40));
    bench.wait(Duration::from_millis(40));
    assert_eq!(bench.received.len(), 1, "the younger one is held still");
    bench.say(&mut client, data(1, ", second", false));
    bench.say(&mut client, data(3, "whole", true));
    bench.wait(Duration::from_millis(100));
    assert!(bench.pipeline.poll_timeout().unwrap() > bench.now + Duration::from_secs(1));
    bench.say(&mut client, data(1, "", true));
    let (received, _) = bench.end();
    let all: Vec<_> = received.iter().map(copied).collect();
    let streamed = Copied {
        ended: Ended::Finished,
        ..whole(1, CALL, "first, second")
    };
    assert_eq!(all, [streamed, whole(3, CALL, "whole")]);
}

#[test]
fn a_thousand_streams_at_once_are_a_thousand_copies() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, opening());
    let streams = || (0..1_000).map(|number| 2 * number + 1);
    for stream in streams() {
        bench.say(&mut client, headers(stream, CALL, false));
    }
    for stream in streams().rev() {
        bench.say(&mut client, data(stream, stream.to_string(), true));
    }
    assert!(books(&bench.pipeline).balances());
    let (received, _) = bench.end();
    let all: Vec<_> = received.iter().map(copied).collect();
    let expected = streams()
        .rev()
        .map(|stream| whole(stream, CALL, &stream.to_string()));
    assert!(all.into_iter().eq(expected));
}

#[test]
fn policy_decides_by_stream() {
    let probe = [CALL, &[("user-agent", "kube-probe/1.33 grpc-go/1.68")]].concat();
    let loops = [GET_A, &[("x-mirrored-by", "podmirror")]].concat();
    let stream = [
        opening(),
        headers(1, &probe, false),
        headers(3, &loops, true),
        headers(5, CALL, false),
        data(1, "abcde", true),
        data(5, "abcde", true),
    ];
    let (copies, counters) = sent(&stream.concat());
    assert_eq!(copies, [whole(5, CALL, "abcde")]);
    assert_eq!(counters.filtered.iter().sum::<u64>(), 2);
}
