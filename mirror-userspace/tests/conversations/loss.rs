//! A fixed conversation with each of its segments lost in turn.

use std::time::Duration;

use mirror_core::{
    pipeline::{ConnectionId, Limits},
    segment::SeqNum,
};

use crate::{
    generate::Request,
    mirror::{Client, Mirror, Sent},
};

const CLIENT: Client = Client {
    number: 1,
    first: SeqNum(u32::MAX - 700),
};

fn request(head: &str, body: impl Into<Vec<u8>>) -> Request {
    Request {
        head: head.to_owned(),
        body: body.into(),
        ..Request::default()
    }
}

/// Every framing, large and small; the client waits for each reply before it goes on.
fn conversation() -> Vec<Request> {
    let chunks = format!(
        "64\r\n{}\r\n5;x\r\nabcde\r\n0\r\nT: v\r\n\r\n",
        "c".repeat(100)
    );
    let long = format!("GET /long HTTP/1.1\r\nCookie: {}\r\n\r\n", "k".repeat(400));
    vec![
        request("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n", ""),
        request(
            "POST /2 HTTP/1.1\r\nContent-Length: 350\r\n\r\n",
            "b".repeat(350),
        ),
        request(
            "POST /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            chunks,
        ),
        request(&long, ""),
        // More than may be held: streamed.
        request(
            "PUT /5 HTTP/1.1\r\nContent-Length: 900\r\n\r\n",
            "s".repeat(900),
        ),
        request("HEAD /6 HTTP/1.1\r\n\r\n", ""),
        // Bytes that look like a request, where a body stands.
        request(
            "POST /7 HTTP/1.1\r\nContent-Length: 200\r\n\r\n",
            "GET /hidden HTTP/1.1\r\n\r\n".repeat(9)[..200].to_owned(),
        ),
        request("GET /8 HTTP/1.1\r\n\r\n", ""),
    ]
}

/// The conversation's segments, each of one request: its number, and where its bytes stand.
fn segments(conversation: &[Request], size: usize) -> Vec<(usize, usize, Vec<u8>)> {
    let mut segments = Vec::new();
    let mut at = 0;
    for (number, request) in conversation.iter().enumerate() {
        for piece in request.wire().chunks(size) {
            segments.push((number, at, piece.to_vec()));
            at += piece.len();
        }
    }
    segments
}

/// Plays the conversation without the segments that `lost` names; returns what was mirrored.
fn play(size: usize, lost: impl Fn(usize) -> bool) -> (Mirror, Vec<Vec<u8>>) {
    let limits = Limits {
        memory: 1 << 20,
        max_body: 500,
        ..Limits::default()
    };
    let mut mirror = Mirror::new(limits);
    mirror.connect(CLIENT);
    let segments = segments(&conversation(), size);
    let mut end = 0;
    for (index, (number, at, bytes)) in segments.iter().enumerate() {
        end = at + bytes.len();
        if !lost(index) {
            // A reply of 100 bytes came between two requests.
            let ack = 1 + 100 * u32::try_from(*number).unwrap();
            let sent = Sent {
                at: *at,
                bytes,
                ack,
                fin: false,
            };
            mirror.send(CLIENT, sent);
        }
    }
    mirror.send(
        CLIENT,
        Sent {
            at: end,
            fin: true,
            // The last reply, too.
            ack: 1 + 100 * u32::try_from(conversation().len()).unwrap(),
            ..Sent::default()
        },
    );
    mirror.wait(Duration::from_secs(1));
    assert_eq!(mirror.pipeline.connections(), 0);
    mirror.check_balance();
    let copies = mirror.copies.remove(&ConnectionId(1)).unwrap_or_default();
    (mirror, copies)
}

/// Small enough to cut heads, of a usual size, and one segment a request.
const SIZES: [usize; 4] = [10, 100, 300, 1_448];

#[test]
fn without_loss_all_requests_are_mirrored() {
    for size in SIZES {
        let (_, copies) = play(size, |_| false);
        let expected: Vec<_> = conversation().iter().map(Request::mirrored).collect();
        assert_eq!(copies, expected, "segments of {size} bytes");
    }
}

#[test]
fn a_lost_segment_costs_the_request_that_it_carried_and_no_other() {
    let conversation = conversation();
    for size in SIZES {
        for (index, (lost, ..)) in segments(&conversation, size).into_iter().enumerate() {
            let (mirror, copies) = play(size, |other| other == index);
            let others = conversation
                .iter()
                .enumerate()
                .filter(|(number, _)| *number != lost);
            let expected: Vec<_> = others.map(|(_, request)| request.mirrored()).collect();
            let shown = |copies: &[Vec<u8>]| copies.concat().escape_ascii().to_string();
            assert_eq!(
                shown(&copies),
                shown(&expected),
                "segment {index} of {size} bytes, which is of request {lost}"
            );
            let counters = mirror.pipeline.counters();
            assert_eq!(counters.requests, conversation.len() as u64, "{counters:?}");
        }
    }
}

#[test]
fn a_run_of_lost_segments_never_makes_up_a_request() {
    let conversation = conversation();
    let known: Vec<_> = conversation.iter().map(Request::mirrored).collect();
    for size in SIZES {
        let count = segments(&conversation, size).len();
        for first in 0..count {
            for run in [2, 5, 11] {
                let (_, copies) = play(size, |other| (first..first + run).contains(&other));
                assert!(copies.iter().all(|copy| known.contains(copy)));
            }
        }
    }
}
