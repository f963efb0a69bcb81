//! Requests that are too large to hold: passed on while they arrive, and broken off rather than
//! shortened.

use super::*;

const MAX_BODY: usize = 1_000;

fn limits() -> Limits {
    Limits {
        max_body: MAX_BODY,
        ..Limits::default()
    }
}

const CHUNKED: &str = "POST /c HTTP/1.1\r\nHost: v1\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A chunked body of so many bytes as they stand on the wire.
fn chunked_body(len: usize) -> String {
    // Four digits of size, two line ends around the data, and the last chunk.
    let data = len - 4 - 4 - 5;
    format!("{data:04x}\r\n{}\r\n0\r\n\r\n", "x".repeat(data))
}

#[test]
fn a_body_of_exactly_the_limit_is_held_until_it_is_whole() {
    for (head, body) in [
        (post(MAX_BODY), "x".repeat(MAX_BODY)),
        (CHUNKED.to_owned(), chunked_body(MAX_BODY)),
    ] {
        assert_eq!(body.len(), MAX_BODY);
        let mut bench = Bench::new(limits(), to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, head.clone() + &body[..MAX_BODY - 1]);
        assert!(bench.received.is_empty());
        bench.say(&mut client, &body[MAX_BODY - 1..]);
        let (received, _) = bench.end();
        assert_eq!(received[0].ended, Ended::Whole);
        assert_eq!(
            received[0].bytes,
            [&mirrored(&head), body.as_bytes()].concat()
        );
    }
}

#[test]
fn a_body_of_one_byte_more_is_streamed_from_that_byte_on() {
    let body = chunked_body(MAX_BODY + 1);
    for step in [1, 100, MAX_BODY, MAX_BODY + 1] {
        let mut bench = Bench::new(limits(), to_targets(2));
        let mut client = bench.connect(1);
        bench.say(&mut client, CHUNKED);
        let mut sent = 0;
        for piece in body.as_bytes().chunks(step) {
            bench.say(&mut client, piece);
            sent += piece.len();
            let expected = if sent > MAX_BODY { 2 } else { 0 };
            assert_eq!(bench.received.len(), expected, "after {sent} bytes");
        }
        let (received, counters) = bench.end();
        for copy in &received {
            assert_eq!(copy.ended, Ended::Finished);
            assert_eq!(copy.bytes, [&mirrored(CHUNKED), body.as_bytes()].concat());
        }
        assert_eq!(counters.targets[1].handed_over, 1);
    }
}

#[test]
fn a_length_above_the_limit_streams_at_once() {
    let mut bench = Bench::new(limits(), to_targets(1));
    let mut client = bench.connect(1);
    let head = post(MAX_BODY + 1);
    bench.say(&mut client, &head);
    assert_eq!(bench.received[0].ended, Ended::NotYet);
    assert_eq!(bench.received[0].bytes, mirrored(&head));
    bench.say(&mut client, vec![b'x'; MAX_BODY]);
    bench.say(&mut client, "y".to_owned() + GET);
    let (received, _) = bench.end();
    assert_eq!(received[0].ended, Ended::Finished);
    assert_eq!(
        received[0].bytes.len(),
        mirrored(&head).len() + MAX_BODY + 1
    );
    assert_eq!(
        received[1].bytes,
        mirrored(GET),
        "the next request is a copy of its own"
    );
}

#[test]
fn a_streamed_copy_that_breaks_is_aborted_and_stays_handed_over() {
    let breaks: [fn(&mut Bench, &mut Client); 4] = [
        |bench, client| bench.reset(client),
        |bench, client| bench.finish(client),
        |bench, _| bench.wait(Duration::from_secs(120)),
        |bench, client| {
            bench.lose(client, 10);
            bench.say(client, "x");
            bench.wait(Duration::from_secs(1));
        },
    ];
    for break_off in breaks {
        let mut bench = Bench::new(limits(), to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, post(5_000) + "abc");
        break_off(&mut bench, &mut client);
        assert_eq!(bench.received[0].ended, Ended::Aborted);
        let (received, counters) = bench.end();
        assert_eq!(received.len(), 1);
        assert_eq!(
            counters.targets[0].handed_over, 1,
            "what became of it is dispatch's to say"
        );
        assert_eq!(counters.targets[0].dropped.total(), 0);
    }
}

#[test]
fn after_a_gap_in_a_streamed_body_the_next_request_is_mirrored() {
    let mut bench = Bench::new(limits(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, post(5_000));
    bench.lose(&mut client, 4_000);
    bench.say(&mut client, vec![b'x'; 1_000]);
    bench.say(&mut client, GET);
    bench.wait(Duration::from_secs(1));
    let (received, _) = bench.end();
    assert_eq!(received[0].ended, Ended::Aborted);
    assert_eq!(received[1].bytes, mirrored(GET));
}

#[test]
fn redacted_trailers_are_redacted_however_they_come() {
    let body = "3\r\nabc\r\n0\r\nKey: secret\r\nOther: 1\r\n\r\n";
    let hidden = "3\r\nabc\r\n0\r\nKey: redacted\r\nOther: 1\r\n\r\n";
    for max_body in [1, 1_000] {
        for step in [1, 7, 1_000] {
            let limits = Limits {
                max_body,
                ..Limits::default()
            };
            let policy = hiding_key(1);
            let mut bench = Bench::new(limits, policy);
            let mut client = bench.connect(1);
            for piece in format!("{CHUNKED}{body}{CHUNKED}{body}")
                .as_bytes()
                .chunks(step)
            {
                bench.say(&mut client, piece);
            }
            let (received, _) = bench.end();
            assert_eq!(received.len(), 2);
            for copy in received {
                let expected = [&mirrored(CHUNKED), hidden.as_bytes()].concat();
                assert_eq!(copy.bytes, expected, "max {max_body}, pieces of {step}");
            }
        }
    }
}
