//! What is not read as requests is counted as that.

use super::*;

/// What passed, by reason: `connections/requests/segments/bytes`.
fn passed(counters: &PipelineCounters) -> String {
    let some = counters.not_followed.named().into_iter();
    let some = some.filter(|(_, passed)| *passed != NotFollowed::default());
    let texts = some.map(|(reason, passed)| {
        let NotFollowed {
            connections,
            requests_at_least,
            segments,
            bytes,
        } = passed;
        format!("{reason} {connections}/{requests_at_least}/{segments}/{bytes}")
    });
    texts.collect::<Vec<_>>().join(", ")
}

impl Bench {
    /// The client says something, once it has received so many bytes.
    fn answered(&mut self, client: &mut Client, received: u32, bytes: &str) {
        let segment = Segment {
            ack: Some(SeqNum(received)),
            ..self.of(client, flag::ACK, bytes.as_bytes())
        };
        self.pipeline.handle_segment(self.now, &segment);
        self.drain();
        self.lose(client, bytes.len());
    }
}

#[test]
fn what_follows_a_request_in_doubt_is_counted() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let doubtful = "POST / HTTP/1.1\r\nHost: v1\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n";
    for number in 1..=4 {
        let mut client = bench.connect(number);
        bench.answered(&mut client, 10, GET);
        bench.answered(&mut client, 20, doubtful);
        for reply in 3..33 {
            bench.answered(&mut client, reply * 10, GET);
        }
        bench.finish(&client);
    }
    let (received, counters) = bench.end();
    assert_eq!((received.len(), counters.requests), (4, 8));
    let bytes = 4 * 30 * GET.len();
    assert_eq!(passed(&counters), format!("doubt 4/120/120/{bytes}"));
}

#[test]
fn other_protocols_are_counted_from_their_first_byte() {
    for (stream, expected) in [
        ("\x16\x03\x01\x02\x00\x01", "tls 1/0/2/12"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "not_http 1/0/2/42"),
        // The second preface ends what can be followed.
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2 1/0/1/24"),
        (GET, ""),
    ] {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, stream);
        bench.say(&mut client, stream);
        assert_eq!(passed(&bench.end().1), expected, "{stream:?}");
    }
}

#[test]
fn a_body_in_whose_middle_a_connection_is_picked_up_holds_no_requests_for_certain() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.midstream(1);
    bench.answered(&mut client, 10, "a part of a body");
    bench.answered(&mut client, 10, GET);
    bench.answered(&mut client, 10, "the end");
    bench.answered(&mut client, 20, GET);
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 1);
    let bytes = 16 + GET.len() + 7;
    assert_eq!(passed(&counters), format!("out_of_step 1/0/3/{bytes}"));
}

#[test]
fn what_passes_behind_a_hole_is_counted_until_a_request_begins() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.answered(&mut client, 10, GET);
    bench.lose(&mut client, 100);
    bench.answered(&mut client, 10, "the rest of a body");
    bench.answered(&mut client, 20, GET);
    bench.finish(&client);
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 2);
    assert_eq!(passed(&counters), "out_of_step 1/0/1/18");
}

#[test]
fn the_ledger_says_it_beside_the_verdict() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, "SSH-2.0-OpenSSH_9.2\r\n");
    bench.pipeline.shutdown();
    let text = super::books::books(&bench.pipeline).to_string();
    let end = "\nnot followed: 1 connections, at least 0 requests\nbalanced\n";
    assert!(text.ends_with(end), "{text}");
}
