//! Connections whose beginning was not seen.

use super::{
    super::midstream::{Counter, Seen},
    wire::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RESET, WHOLE, WINDOW, frame,
    },
};
use crate::{
    http::{Input, tests::work},
    random::Random,
};

#[derive(Default)]
struct Count {
    counter: Counter,
    seen: Vec<Seen>,
}

impl Count {
    fn segment(&mut self, bytes: &[u8]) {
        self.data(bytes, true);
    }

    fn data(&mut self, bytes: &[u8], starts_segment: bool) {
        let input = Input {
            bytes,
            starts_segment,
            ack: None,
        };
        let seen = &mut self.seen;
        self.counter.handle_data(input, &mut |one| seen.push(one));
    }

    fn gap(&mut self, len: u64) {
        let seen = &mut self.seen;
        self.counter.handle_gap(len, &mut |one| seen.push(one));
    }
}

fn call(stream: u32) -> Vec<u8> {
    [
        frame(HEADERS, END_HEADERS, stream, b"never decoded"),
        frame(DATA, END_STREAM, stream, b"\0\0\0\0\x05hello"),
    ]
    .concat()
}

#[test]
fn two_headers_that_chain_make_it_http2() {
    let mut count = Count::default();
    count.segment(&call(1001)[..22]);
    assert_eq!(count.seen, [], "one frame may be anything");
    count.data(&call(1001)[22..], true);
    assert_eq!(count.seen, [Seen::Http2, Seen::Opened(1001)]);
    count.segment(&call(1003));
    count.segment(&[frame(WINDOW, 0, 0, &[0, 0, 0, 9]), call(1005)].concat());
    assert_eq!(count.seen[2..], [Seen::Opened(1003), Seen::Opened(1005)]);
}

#[test]
fn every_stream_counts_once_however_its_frames_come() {
    let stream = [
        frame(DATA, 0, 7, b"of one that was opened before"),
        frame(HEADERS, END_STREAM, 9, b"in two"),
        frame(CONTINUATION, END_HEADERS, 9, b"frames"),
        frame(HEADERS, END_HEADERS, 11, b"head"),
        frame(HEADERS, WHOLE, 7, b"trailers"),
        frame(RESET, 0, 9, &[0; 4]),
        frame(HEADERS, WHOLE, 11, b"trailers"),
        frame(PING, 0, 0, &[0; 8]),
        frame(HEADERS, WHOLE, 13, b"head"),
    ]
    .concat();
    let expected = [9, 11, 13].map(Seen::Opened);
    for step in 1..stream.len() {
        let mut count = Count::default();
        for (number, piece) in stream.chunks(step).enumerate() {
            count.data(piece, number == 0);
        }
        assert_eq!(count.seen[0], Seen::Http2);
        assert_eq!(count.seen[1..], expected, "in pieces of {step}");
    }
}

#[test]
fn a_connection_picked_up_inside_a_frame_is_found_at_a_later_segment() {
    let mut count = Count::default();
    count.segment(b"the rest of a body, as large as it likes");
    count.segment(&[0; 40]);
    // A segment that begins in the middle: the frames in it are not sought.
    count.segment(&[&b"rest"[..], &call(5)].concat());
    assert_eq!(count.seen, []);
    count.segment(&call(7));
    assert_eq!(count.seen, [Seen::Http2, Seen::Opened(7)]);
}

#[test]
fn gaps_cost_the_step_only_beyond_a_frame() {
    let mut count = Count::default();
    count.segment(&call(1));
    let two = call(3);
    // In the payload of HEADERS, which ends at 22.
    count.segment(&two[..12]);
    count.gap(10);
    count.segment(&two[22..]);
    assert_eq!(count.seen[1..], [1, 3].map(Seen::Opened));
    count.gap(41);
    count.segment(&call(7));
    count.segment(&call(9));
    let expected = [Seen::OutOfStep, Seen::Opened(7), Seen::Opened(9)];
    assert_eq!(count.seen[3..], expected);
}

#[test]
fn other_protocols_are_not_taken_for_it() {
    let tls = [&[0x17, 3, 3, 0, 40][..], &[7; 40]].concat();
    let ack = [0, 0, 0, 4, 1, 0, 0, 0, 0];
    for segment in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\n\r\n"[..],
        b"{\"json\": [1, 2, 3], \"and\": \"so on, for some time\"}",
        &tls,
        &[0; 64],
        &[0xff; 64],
        &ack,
    ] {
        let mut count = Count::default();
        for _ in 0..3 {
            count.segment(segment);
            count.gap(1);
        }
        assert_eq!(count.seen, [], "{}", segment.escape_ascii());
    }
    // Random bytes: one in 2^40 would pass.
    let mut random = Random::new(1);
    let mut count = Count::default();
    for _ in 0..20_000 {
        let bytes: Vec<_> = (0..8).flat_map(|_| random.bits().to_le_bytes()).collect();
        count.segment(&bytes);
    }
    assert_eq!(count.seen, []);
}

#[test]
fn each_segment_is_looked_at_twice_at_most() {
    // Each seems to begin a frame that the next one proves to be none.
    let segment = frame(DATA, 0, 1, b"");
    let mut other = segment.clone();
    other[3] = 0xff;
    let mut count = Count::default();
    let work = work::of(|| {
        for _ in 0..10_000 {
            count.segment(&segment);
            count.segment(&other);
        }
    });
    assert_eq!(count.seen, []);
    assert!(work <= 20_000 * 2 * 9, "{work}");
}
