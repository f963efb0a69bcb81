//! Connections that were picked up in the middle: counted, never guessed.

use super::*;

/// A request as an encoder sends it that has sent others before: by entries of its table.
fn by_table(stream: u32) -> Vec<u8> {
    frame(1, 5, stream, &[0x82, 0x86, 0xbe, 0xbf, 0xc0])
}

fn requests(counters: &PipelineCounters) -> (u64, u64, String) {
    let unseen = shown(&counters.lost_unseen);
    (counters.requests, counters.http2_requests, unseen)
}

#[test]
fn two_frames_that_chain_make_a_connection_http2() {
    let stream = [
        frame(8, 0, 0, &[0, 0, 0, 9]),
        by_table(77),
        data(75, "more of it", true),
        by_table(79),
        frame(6, 0, 0, &[0; 8]),
        headers(81, GET_A, false),
    ]
    .concat();
    for step in [1, 5, stream.len()] {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.midstream(1);
        // The first segment has whole frame headers; the others are cut anywhere.
        bench.say(&mut client, &stream[..40]);
        for piece in stream[40..].chunks(step) {
            let segment = Segment {
                starts_segment: false,
                ..bench.of(&client, flag::ACK, piece)
            };
            bench.pipeline.handle_segment(bench.now, &segment);
            bench.lose(&mut client, piece.len());
        }
        bench.finish(&client);
        let ledger = books(&bench.pipeline);
        assert!(ledger.balanced, "{ledger}");
        assert_eq!(ledger.connections.http2_midstream, 1);
        assert_eq!(ledger.connections.http2, 0);
        let (received, counters) = bench.end();
        assert!(received.is_empty());
        assert_eq!(requests(&counters), (3, 3, "before_attach 3".into()));
    }
}

#[test]
fn a_connection_whose_beginning_was_lost_is_the_same() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.lose(&mut client, opening().len());
    bench.say(
        &mut client,
        [headers(1, GET_A, true), headers(3, GET_A, true)].concat(),
    );
    bench.wait(Duration::from_secs(1));
    bench.say(&mut client, headers(5, GET_A, true));
    let (received, counters) = bench.end();
    assert!(received.is_empty());
    assert_eq!(requests(&counters), (3, 3, "before_attach 3".into()));
    assert_eq!(counters.connections.http2_midstream, 1);
}

#[test]
fn a_gap_puts_it_out_of_step_until_frames_chain_again() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.midstream(1);
    bench.say(&mut client, [by_table(7), by_table(9)].concat());
    for number in 0..2 {
        bench.lose(&mut client, 30);
        let next = 21 + 10 * number;
        bench.say(&mut client, [by_table(next), by_table(next + 2)].concat());
        bench.wait(Duration::from_secs(1));
    }
    let (_, counters) = bench.end();
    assert_eq!(requests(&counters), (6, 6, "before_attach 6".into()));
    assert_eq!(counters.connections.http2_out_of_step, 1);
}

#[test]
fn http1_and_others_are_not_taken_for_it() {
    let body = "\0\0\u{8}\u{6}\0\0\0\0\0".repeat(10) + "more of a body";
    for stream in [
        "GET /a HTTP/1.1\r\nHost: v1\r\n\r\n",
        "a part of a body that is long enough to be taken for frames",
        "\u{17}\u{3}\u{3}\0\u{40}0123456789012345678901234567890123456789",
    ] {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.midstream(1);
        for _ in 0..4 {
            bench.say(&mut client, stream);
            bench.hear(&mut client);
        }
        let (_, counters) = bench.end();
        assert_eq!(counters.connections.http2_midstream, 0, "{stream:?}");
    }
    // Within a request of HTTP/1 nothing is sought.
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, post(2 * body.len()) + &body);
    bench.say(&mut client, body);
    let (received, counters) = bench.end();
    assert_eq!((received.len(), counters.connections.http1), (1, 1));
}

/// What a call waits for may take its time, and a channel that nobody uses is not closed.
#[test]
fn one_that_is_silent_is_not_forgotten_for_an_hour() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    let inserts = [&block(GET_A), &b"\x40\x01a\x01b"[..]].concat();
    bench.say(&mut client, [opening(), frame(1, 5, 1, &inserts)].concat());
    bench.say(&mut client, headers(3, CALL, false));
    for _ in 0..50 {
        bench.wait(Duration::from_secs(60));
    }
    let refers = [&block(GET_A), &b"\xbe"[..]].concat();
    bench.say(&mut client, frame(1, 5, 5, &refers));
    bench.say(&mut client, data(3, "at last", true));
    let (received, _) = bench.end();
    let with_field = [GET_A, &[("a", "b")]].concat();
    let streamed = Copied {
        ended: Ended::Finished,
        ..whole(3, CALL, "at last")
    };
    let all: Vec<_> = received.iter().map(copied).collect();
    let (first, third) = (whole(1, &with_field, ""), whole(5, &with_field, ""));
    assert_eq!(all, [first, streamed, third]);
}

#[test]
fn one_that_was_forgotten_comes_back_in_the_middle() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, [opening(), headers(1, GET_A, true)].concat());
    for minute in 0..60 {
        assert_eq!(bench.pipeline.connections(), 1, "{minute} minutes");
        bench.wait(Duration::from_secs(60));
    }
    bench.wait(Duration::from_secs(120));
    assert_eq!(bench.pipeline.connections(), 0);
    bench.say(&mut client, [by_table(3), by_table(5)].concat());
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 1);
    assert_eq!(requests(&counters), (3, 3, "before_attach 2".into()));
    assert_eq!(counters.connections.http2_midstream, 1);
}
