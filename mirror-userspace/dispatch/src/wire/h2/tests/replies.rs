//! What replies say.

use std::time::Duration;

use mirror_core::pipeline::Rest;

use super::{
    super::{Fault, Heard, Lost},
    rig::{Rig, block, frame, headers},
};

const HEAD: &[u8] = b"head";
const OK: (&str, &str) = (":status", "200");

fn answered(stream: u32, status: u16) -> Heard {
    Heard::Answered { stream, status }
}

#[test]
fn a_reply_counts_by_its_head_and_ends_with_its_stream() {
    let mut rig = Rig::greeted(&[]);
    let (a, b) = (rig.give(HEAD, b""), rig.give(HEAD, b""));
    rig.frames();
    rig.hear(&headers(b, false, &[(":status", "103"), ("link", "x")]))
        .unwrap();
    rig.hear(&headers(b, false, &[(":status", "404")])).unwrap();
    rig.hear(&headers(a, true, &[OK])).unwrap();
    assert_eq!(
        rig.take_heard(),
        [answered(b, 404), answered(a, 200), Heard::Over(a)]
    );
    rig.hear(&frame(0, 0, b, b"some")).unwrap();
    assert!(rig.take_heard().is_empty());
    rig.hear(&frame(0, 1, b, b"more")).unwrap();
    assert_eq!(rig.take_heard(), [Heard::Over(b)]);
    assert!(rig.session.is_empty());
}

#[test]
fn a_head_may_say_how_long_to_wait() {
    let mut rig = Rig::greeted(&[]);
    for (said, seconds) in [("5", Some(5)), ("+5", None), ("soon", None)] {
        let stream = rig.give(HEAD, b"");
        rig.frames();
        let fields = [(":status", "503"), ("retry-after", said)];
        rig.hear(&headers(stream, true, &fields)).unwrap();
        let ends = [answered(stream, 503), Heard::Over(stream)];
        let waits = seconds.map(|seconds| Heard::RetryAfter {
            status: 503,
            seconds,
        });
        let heard = waits.into_iter().chain(ends);
        assert_eq!(rig.take_heard(), heard.collect::<Vec<_>>(), "{said}");
    }
}

#[test]
fn the_status_of_grpc_is_in_the_trailers_or_in_a_head_that_nothing_follows() {
    let mut rig = Rig::greeted(&[]);
    let streams: Vec<_> = (0..5).map(|_| rig.give(HEAD, b"")).collect();
    rig.frames();
    rig.hear(&headers(streams[0], false, &[OK, ("grpc-status", "5")]))
        .unwrap();
    rig.hear(&frame(0, 0, streams[0], b"message")).unwrap();
    rig.hear(&headers(streams[0], true, &[("grpc-status", "0")]))
        .unwrap();
    let first = [answered(1, 200), Heard::Grpc(0), Heard::Over(1)];
    assert_eq!(rig.take_heard(), first);
    for (stream, said, is) in [(3, "14", 14), (5, "x", 2), (7, "", 2), (9, "99", 99)] {
        rig.hear(&headers(stream, true, &[OK, ("grpc-status", said)]))
            .unwrap();
        let refused = (is == 14).then_some(Heard::CallRefused(None));
        let all = [answered(stream, 200), Heard::Grpc(is)].into_iter();
        let trailers_only: Vec<_> = all.chain(refused).chain([Heard::Over(stream)]).collect();
        // What is empty is no number.
        let heard = rig.take_heard();
        assert_eq!(heard, trailers_only, "{said}");
    }
}

#[test]
fn a_call_is_refused_once_and_may_say_how_long_to_wait() {
    const PUSHBACK: &str = "grpc-retry-pushback-ms";
    // The status of the head and that of gRPC, what is said of waiting, and what is heard of it.
    let cases = [
        ("200", "14", Some("250"), Some(Some(250))),
        ("200", "8", Some("-1"), Some(None)),
        ("200", "8", Some("soon"), Some(None)),
        ("200", "14", None, Some(None)),
        ("200", "13", Some("250"), None),
        ("200", "0", Some("250"), None),
        // The head has said so.
        ("503", "14", Some("250"), None),
        ("429", "8", None, None),
        ("500", "14", None, Some(None)),
    ];
    let mut rig = Rig::greeted(&[]);
    for case in cases {
        let (head, grpc, waits, heard) = case;
        for trailers_only in [true, false] {
            let stream = rig.give(HEAD, b"");
            rig.frames();
            let head = (":status", head);
            let said = waits.map(|waits| (PUSHBACK, waits));
            let end: Vec<_> = said.into_iter().chain([("grpc-status", grpc)]).collect();
            if trailers_only {
                let all: Vec<_> = [head].into_iter().chain(end).collect();
                rig.hear(&headers(stream, true, &all)).unwrap();
            } else {
                rig.hear(&headers(stream, false, &[head])).unwrap();
                rig.hear(&frame(0, 0, stream, b"message")).unwrap();
                rig.hear(&headers(stream, true, &end)).unwrap();
            }
            let all = rig.take_heard().into_iter();
            let refused: Vec<_> = all
                .filter_map(|heard| match heard {
                    Heard::CallRefused(pushback) => Some(pushback),
                    _ => None,
                })
                .collect();
            assert_eq!(refused, Vec::from_iter(heard), "{case:?} {trailers_only}");
        }
    }
}

#[test]
fn replies_are_the_same_however_they_are_split() {
    let long = "v".repeat(300);
    let head = block(&[OK, ("x", &long)]);
    let bytes = [
        headers(1, false, &[(":status", "100")]),
        frame(
            1,
            8 | 32,
            1,
            &[&[3][..], b"PRIOR", &head[..50], b"pad"].concat(),
        ),
        frame(9, 0, 1, &head[50..200]),
        frame(9, 4, 1, &head[200..]),
        frame(6, 0, 0, b"pingping"),
        frame(0, 8, 1, b"\x02bodyPP"),
        frame(77, 0, 1, b"unknown"),
        frame(2, 0, 1, b"prior"),
        headers(1, true, &[("grpc-status", "3")]),
        frame(3, 0, 1, &[0; 4]),
    ]
    .concat();
    let expected = [answered(1, 200), Heard::Grpc(3), Heard::Over(1)];
    for split in 0..=bytes.len() {
        let mut rig = Rig::greeted(&[]);
        rig.give(HEAD, b"");
        rig.frames();
        let (first, second) = bytes.split_at(split);
        rig.hear(first).unwrap();
        rig.hear(second).unwrap();
        assert_eq!(rig.take_heard(), expected, "split at {split}");
        let ping = rig.frames();
        assert_eq!((ping.len(), &ping[0].payload[..]), (1, &b"pingping"[..]));
    }
    let mut rig = Rig::greeted(&[]);
    rig.give(HEAD, b"");
    rig.frames();
    bytes.chunks(1).for_each(|byte| rig.hear(byte).unwrap());
    assert_eq!(rig.take_heard(), expected);
}

#[test]
fn a_reply_that_is_none_costs_its_stream() {
    let huge = "v".repeat(2_000);
    let bad: &[&[(&str, &str)]] = &[
        &[],
        &[("a", "b")],
        &[("a", "b"), OK],
        &[(":status", "20")],
        &[(":status", "2000")],
        &[(":status", "099")],
        &[(":status", "101")],
        &[(":status", "+20")],
        &[OK, OK],
        &[OK, (":path", "/")],
        &[OK, ("x", &huge)],
    ];
    let mut rig = Rig::greeted(&[]);
    for fields in bad {
        let stream = rig.give(HEAD, b"");
        rig.frames();
        rig.hear(&headers(stream, true, fields)).unwrap();
        let lost = [Heard::Lost(stream, Lost::Malformed)];
        assert_eq!(rig.take_heard(), lost, "{fields:?}");
        assert_eq!(rig.frames()[0].payload, [0, 0, 0, 1]);
    }
    let stream = rig.give(HEAD, b"");
    rig.frames();
    rig.hear(&frame(0, 0, stream, b"no head")).unwrap();
    assert_eq!(rig.take_heard(), [Heard::Lost(stream, Lost::Malformed)]);
    let stream = rig.give(HEAD, b"");
    rig.frames();
    rig.hear(&headers(stream, false, &[OK])).unwrap();
    rig.hear(&headers(stream, false, &[("no", "end")])).unwrap();
    let heard = [answered(stream, 200), Heard::Lost(stream, Lost::Malformed)];
    assert_eq!(rig.take_heard(), heard);
}

#[test]
fn a_long_reply_is_cut() {
    let mut rig = Rig::greeted(&[]);
    let stream = rig.give(HEAD, b"");
    rig.frames();
    rig.hear(&headers(stream, false, &[OK])).unwrap();
    rig.hear(&frame(0, 0, stream, &[0; 100])).unwrap();
    rig.take_heard();
    rig.hear(&frame(0, 0, stream, &[0; 1])).unwrap();
    assert_eq!(rig.take_heard(), [Heard::Lost(stream, Lost::Long)]);
    assert_eq!(rig.frames()[0].payload, [0, 0, 0, 8]);
    // What was under way is passed over.
    rig.hear(&frame(0, 1, stream, &[0; 1])).unwrap();
    assert!(rig.take_heard().is_empty());
}

#[test]
fn a_copy_goes_on_behind_its_reply_until_the_target_wants_no_more() {
    let mut rig = Rig::greeted(&[]);
    let (a, b) = (
        rig.push(HEAD, b"", None, Rest::Streamed),
        rig.push(HEAD, b"", None, Rest::Streamed),
    );
    rig.frames();
    for stream in [a, b] {
        rig.hear(&headers(stream, true, &[OK])).unwrap();
        assert_eq!(rig.take_heard(), [answered(stream, 200)]);
    }
    rig.chunk(0, a, b"abc");
    rig.finish(0, a, None);
    assert_eq!(rig.frames().len(), 1);
    assert_eq!(rig.take_heard(), [Heard::Over(a)]);
    rig.hear(&frame(3, 0, b, &[0; 4])).unwrap();
    assert_eq!(rig.take_heard(), [Heard::Over(b)]);
}

#[test]
fn replies_have_their_times() {
    let mut rig = Rig::greeted(&[]);
    let stream = rig.give(HEAD, b"");
    rig.pass(Duration::from_secs(4));
    rig.frames();
    rig.pass(Duration::from_secs(4));
    assert_eq!(rig.session.late(rig.now), None);
    rig.hear(&headers(stream, false, &[OK])).unwrap();
    assert_eq!(rig.session.due(), Some(rig.now + Duration::from_secs(3)));
    rig.pass(Duration::from_secs(2));
    rig.hear(&frame(0, 0, stream, b"body")).unwrap();
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.session.late(rig.now), Some(stream));
}

#[test]
fn who_answers_what_was_never_asked_is_out() {
    for bytes in [
        headers(1, true, &[OK]),
        frame(0, 0, 1, b"x"),
        frame(3, 0, 1, &[0; 4]),
        super::rig::window(1, 1),
    ] {
        let mut rig = Rig::greeted(&[(3, 0)]);
        assert_eq!(rig.hear(&bytes), Err(Fault::Broken));
        let mut rig = Rig::greeted(&[(3, 0)]);
        // The target allows no stream: it is not opened.
        let job = rig.give(HEAD, b"");
        assert_eq!((job, rig.hear(&bytes)), (1, Err(Fault::Broken)));
    }
}
