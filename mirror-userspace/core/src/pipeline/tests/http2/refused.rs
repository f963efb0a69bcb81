//! What v1 says in HTTP/2 that it has not taken is not mirrored, as far as it is not too late.

use super::*;

const GOAWAY: u8 = 7;
const REFUSED: &[u8] = &[0, 0, 0, 7];

/// A client and v1, both captured.
pub(super) struct Talk {
    pub(super) bench: Bench,
    client: Client,
    v1: SeqNum,
}

impl Talk {
    pub(super) fn new() -> Self {
        let limits = Limits {
            max_body: 3,
            ..Limits::default()
        };
        let mut bench = Bench::new(limits, to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, opening());
        let v1 = client.ack;
        let mut talk = Self { bench, client, v1 };
        talk.v1(&frame(4, 0, 0, &[]));
        talk
    }

    pub(super) fn says(&mut self, frames: &[Vec<u8>]) -> &mut Self {
        self.bench.say(&mut self.client, frames.concat());
        self
    }

    pub(super) fn v1(&mut self, frames: &[u8]) -> &mut Self {
        let mut segment = self.bench.of(&self.client, flag::ACK, frames);
        segment.direction = Direction::ToClient;
        segment.seq = self.v1;
        segment.ack = Some(self.client.next);
        self.v1 = self.v1 + segment.wire_len;
        self.bench.pipeline.handle_segment(self.bench.now, &segment);
        self.bench.drain();
        self
    }

    fn refuses(&mut self, stream: u32) -> &mut Self {
        self.v1(&frame(RESET, 0, stream, REFUSED))
    }

    fn leaves(&mut self, last: u32) -> &mut Self {
        let payload = [&last.to_be_bytes()[..], &[0; 4]].concat();
        self.v1(&frame(GOAWAY, 0, 0, &payload))
    }

    /// Streams whose copies were taken back.
    fn taken_back(&self) -> Vec<u32> {
        let cancelled = self.bench.cancelled.iter();
        let refused = cancelled.filter(|(_, why)| *why == GivenUp::RefusedByV1);
        refused.map(|(request, _)| request.number).collect()
    }

    /// Copies by their streams, and why others were lost.
    pub(super) fn end(self) -> (Vec<(u32, Ended)>, String, String) {
        let dropped = self.bench.dropped(0);
        let (received, counters) = self.bench.end();
        let ended = received.iter().map(|copy| (copy.number, copy.ended));
        (ended.collect(), dropped, shown(&counters.lost_unseen))
    }
}

#[test]
fn a_refused_stream_is_dropped_while_it_is_held_and_taken_back_behind() {
    let mut talk = Talk::new();
    talk.says(&[
        headers(1, GET_A, true),
        headers(3, CALL, false),
        headers(5, CALL, false),
        data(5, "abcdef", false),
    ]);
    talk.refuses(1).refuses(3).refuses(5);
    assert_eq!(talk.taken_back(), [1, 5]);
    // What the client had sent before it knew, and another call.
    talk.says(&[
        data(3, "ab", true),
        data(5, "ghi", true),
        headers(7, GET_A, true),
    ]);
    let (copies, dropped, unseen) = talk.end();
    let expected = [(1, Ended::Whole), (5, Ended::Aborted), (7, Ended::Whole)];
    assert_eq!(copies, expected);
    assert_eq!((dropped.as_str(), unseen.as_str()), ("refused_by_v1 1", ""));
}

#[test]
fn goaway_refuses_what_is_above_its_last_stream_and_all_that_follows() {
    let mut talk = Talk::new();
    talk.says(&[headers(1, GET_A, true), headers(3, CALL, false)]);
    talk.leaves((1 << 31) - 1);
    assert!(talk.taken_back().is_empty(), "so far it is an announcement");
    talk.says(&[headers(5, GET_A, true), headers(7, CALL, false)]);
    talk.leaves(3);
    assert_eq!(talk.taken_back(), [5]);
    talk.says(&[
        data(3, "ab", true),
        data(7, "ab", true),
        headers(9, GET_A, true),
        headers(11, CALL, false),
        data(11, "abcdef", true),
    ]);
    let (copies, dropped, unseen) = talk.end();
    let expected = [(1, Ended::Whole), (5, Ended::Whole), (3, Ended::Whole)];
    assert_eq!(copies, expected);
    assert_eq!(dropped, "refused_by_v1 1");
    assert_eq!(unseen, "refused_by_v1 2");
}

/// The number of streams that a client skips is its own choice.
#[test]
fn what_one_goaway_costs_is_bounded() {
    let mut talk = Talk::new();
    talk.says(&[headers(1, GET_A, true), headers((1 << 31) - 1, GET_A, true)]);
    talk.leaves(1);
    assert!(talk.taken_back().len() <= 4096);
    assert_eq!(talk.taken_back()[0], (1 << 31) - 1);
    talk.end();
}

#[test]
fn goaways_that_fall_refuse_each_stream_once() {
    let mut talk = Talk::new();
    let heads: Vec<_> = (0..50).map(|at| headers(2 * at + 1, GET_A, true)).collect();
    talk.says(&heads);
    (0..100).rev().for_each(|last| {
        talk.leaves(last);
    });
    let all: Vec<_> = (0..50).rev().map(|at| 2 * at + 1).collect();
    assert_eq!(talk.taken_back(), all);
    talk.end();
    let mut talk = Talk::new();
    talk.says(&[headers((1 << 31) - 1, GET_A, true)]);
    (0..100).rev().for_each(|at| {
        talk.leaves(at * 10_000);
    });
    assert!(talk.taken_back().len() <= 4096);
    talk.end();
}

/// Whether v1 had carried out a request that had ended, an error does not say; one that had not will never end.
#[test]
fn another_reset_by_v1_ends_only_what_was_not_complete() {
    let mut talk = Talk::new();
    talk.says(&[headers(1, GET_A, true), headers(3, CALL, false)]);
    let internal = &[0, 0, 0, 2];
    talk.v1(&frame(RESET, 0, 1, internal));
    talk.v1(&frame(RESET, 0, 3, internal));
    assert!(talk.taken_back().is_empty());
    let (copies, dropped, _) = talk.end();
    assert_eq!(copies, [(1, Ended::Whole)]);
    assert_eq!(dropped, "reset 1");
}

/// A server of gRPC that has a unary call's message answers, and says that it needs no more (RFC 9113 section 8.1).
#[test]
fn a_unary_call_that_v1_has_answered_is_whole() {
    let mut talk = Talk::new();
    talk.bench = Bench::new(Limits::default(), to_targets(1));
    talk.client = talk.bench.connect(1);
    talk.v1 = talk.client.ack;
    let message = b"\0\0\0\0\x03abc";
    talk.says(&[
        opening(),
        headers(1, CALL, false),
        data(1, message, false),
        headers(3, CALL, false),
        data(3, &message[..6], false),
        headers(5, CALL, false),
        data(5, [&message[..], message].concat(), false),
    ]);
    talk.v1(&frame(4, 0, 0, &[]));
    for stream in [1, 3, 5] {
        talk.v1(&frame(RESET, 0, stream, &[0; 4]));
    }
    // Others end as their clients say.
    talk.says(&[data(1, "", true), data(3, "bc", true), data(5, "", true)]);
    let (copies, dropped, unseen) = talk.end();
    let expected = [(1, Ended::Whole), (3, Ended::Whole), (5, Ended::Whole)];
    assert_eq!(copies, expected);
    assert_eq!((dropped.as_str(), unseen.as_str()), ("", ""));
}

/// The request that asked for HTTP/2 has stream 1, on which v1 answers before its client opens another.
#[test]
fn after_an_upgrade_v1_is_followed_from_its_first_frames_on() {
    let mut talk = Talk::new();
    talk.client = talk.bench.connect(2);
    talk.v1 = talk.client.ack;
    talk.says(&[super::upgrades::OFFER.into()]);
    talk.v1(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    talk.says(&[opening()]);
    talk.v1(&frame(4, 0, 0, &[]));
    let goaway = frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    talk.v1(&[headers(1, &[(":status", "200")], true), goaway].concat());
    talk.says(&[headers(3, GET_A, true)]);
    let (copies, _, unseen) = talk.end();
    assert_eq!(copies, [(1, Ended::Whole)]);
    assert_eq!(unseen, "refused_by_v1 1");
}

#[test]
fn a_stray_segment_of_v1_does_not_hide_the_true_ones() {
    let mut talk = Talk::new();
    talk.says(&[headers(1, GET_A, true)]);
    let before = talk.v1;
    talk.v1 = talk.v1 + (1 << 30);
    talk.refuses(3);
    talk.v1 = before;
    talk.refuses(1);
    assert_eq!(talk.taken_back(), [1]);
    talk.end();
}

/// A segment of v1 that comes again says nothing new, and a hole costs only what stands in it.
#[test]
fn segments_of_v1_that_come_again_or_are_missing() {
    let mut talk = Talk::new();
    talk.says(&[headers(1, GET_A, true), headers(3, GET_A, true)]);
    let before = talk.v1;
    talk.refuses(1);
    talk.v1 = before;
    talk.refuses(1);
    assert_eq!(talk.taken_back(), [1]);
    talk.v1 = talk.v1 + 20;
    talk.refuses(3);
    assert_eq!(talk.taken_back(), [1, 3]);
    talk.end();
}
