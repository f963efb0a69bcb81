use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use mirror_capture::file::StreamNumber;
use mirror_common::record::flag;
use mirror_core::{
    pipeline::{Limits, Pipeline},
    policy::{Policy, PolicyConfig, TargetPolicy},
    segment::{FlowId, Segment, SeqNum, TcpFlags, Time},
};

use super::*;

/// 2026-11-22T06:00:00Z, in nanoseconds since the Unix epoch.
const START: u64 = 1_795_327_200_000_000_000;

/// A capture that is played back, and the lines printed of it.
struct Replay {
    playback: Playback,
    lines: Rc<RefCell<Vec<RequestLine>>>,
}

impl Replay {
    fn new() -> Self {
        Self::within(1 << 20)
    }

    fn within(budget: usize) -> Self {
        let limits = Limits {
            memory: budget,
            flow: patience(),
            ..Limits::default()
        };
        let policy = PolicyConfig {
            targets: vec![TargetPolicy::default()],
            ..PolicyConfig::default()
        };
        let mut pipeline = Pipeline::observing(limits, Policy::new(policy).unwrap());
        let lines = Rc::new(RefCell::new(Vec::new()));
        let printed = Rc::clone(&lines);
        let print = move |line| printed.borrow_mut().push(line);
        let printer = Printer::new(pipeline.budget().clone(), print);
        pipeline.observe(Box::new(printer));
        Self {
            playback: Playback::new(pipeline),
            lines,
        }
    }

    /// Data of the client with this port, `micros` after the start.
    fn data(&mut self, port: u16, micros: u64, seq: u32, payload: &[u8]) {
        self.segment(port, micros, seq, flag::ACK, payload);
    }

    fn open(&mut self, port: u16) {
        self.segment(port, 0, 0, flag::SYN, b"");
    }

    fn segment(&mut self, port: u16, micros: u64, seq: u32, flags: u8, payload: &[u8]) {
        let at = Time::from_nanos(START + micros * 1_000);
        let flow = FlowId {
            client: SocketAddr::from(([10, 0, 0, 1], port)).into(),
            server: SocketAddr::from(([10, 0, 0, 2], 80)).into(),
            attachment: 0,
        };
        let flags = TcpFlags(flags);
        let segment = Segment::from_client(at, flow, SeqNum(seq), None, flags, payload);
        let stream = StreamNumber(u64::from(port % 10));
        self.playback.handle(stream, &segment);
    }

    fn finish(mut self) -> Vec<RequestLine> {
        self.playback.pipeline().shutdown();
        self.lines.take()
    }
}

fn targets(lines: &[RequestLine]) -> Vec<&str> {
    lines.iter().map(|line| line.target.as_str()).collect()
}

#[test]
fn a_request_is_one_json_object() {
    let mut replay = Replay::new();
    replay.open(4240);
    replay.data(
        4240,
        1,
        1,
        b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    );
    let lines = replay.finish();
    assert_eq!(
        serde_json::to_string(&lines[0]).unwrap(),
        concat!(
            r#"{"stream":0,"src":"10.0.0.1:4240","dst":"10.0.0.2:80","#,
            r#""ts":"2026-11-22T06:00:00.000001Z","method":"PUT","target":"/x","version":"1.1","#,
            r#""host":"h","headers":2,"body_len":5,"body_sha256":"#,
            r#""2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}"#
        )
    );
}

#[test]
fn a_chunked_body_is_described_without_its_framing_however_it_is_cut() {
    let request = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
        2;a=b\r\nhe\r\n003\r\nllo\r\n0\r\nTrailer: x\r\n\r\n";
    for len in 1..=request.len() {
        let mut replay = Replay::new();
        replay.open(1);
        for (n, piece) in request.chunks(len).enumerate() {
            replay.data(1, 1, u32::try_from(1 + n * len).unwrap(), piece);
        }
        let lines = replay.finish();
        assert_eq!(lines.len(), 1, "pieces of {len}");
        assert_eq!(lines[0].body_len, 5, "pieces of {len}");
        assert!(
            lines[0].body_sha256.starts_with("2cf24dba5fb0a30e"),
            "pieces of {len}"
        );
    }
}

#[test]
fn a_request_has_the_time_of_its_first_byte() {
    let (first, second, third) = (
        b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n".as_slice(),
        b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n".as_slice(),
        b"POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n!".as_slice(),
    );
    let all = [first, second, third].concat();
    // The segments begin inside the first, exactly at the third, and in the body of the third.
    let cuts = [0, 5, first.len() + second.len(), all.len() - 1, all.len()];
    let mut replay = Replay::new();
    replay.open(1);
    for (n, cut) in (1..).zip(cuts.windows(2)) {
        let seq = u32::try_from(cut[0] + 1).unwrap();
        replay.data(1, n * 10, seq, &all[cut[0]..cut[1]]);
    }
    let lines = replay.finish();
    let times: Vec<&str> = lines.iter().map(|line| &line.ts[20..]).collect();
    assert_eq!(times, ["000010Z", "000020Z", "000030Z"]);
}

#[test]
fn requests_come_in_the_order_in_which_they_are_complete() {
    let mut replay = Replay::new();
    for port in [1, 2] {
        replay.open(port);
    }
    let slow = b"POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab";
    let (begun, end) = slow.split_at(slow.len() - 1);
    replay.data(1, 1, 1, begun);
    replay.data(2, 2, 1, b"GET /fast HTTP/1.1\r\nHost: h\r\n\r\n");
    replay.data(1, 3, 1 + u32::try_from(begun.len()).unwrap(), end);
    let lines = replay.finish();
    assert_eq!(targets(&lines), ["/fast", "/slow"]);
    assert_eq!((lines[0].stream, lines[1].stream), (2, 1));
}

#[test]
fn what_is_not_complete_is_not_told() {
    let head = b"POST /torn HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1234";
    let after_head = 1 + u32::try_from(head.len()).unwrap();
    let mut replay = Replay::new();
    for port in [1, 2, 3] {
        replay.open(port);
        replay.data(port, 1, 1, head);
    }
    replay.segment(2, 2, after_head, flag::FIN | flag::ACK, b"");
    replay.data(
        3,
        3,
        after_head + 1,
        b"6789GET /next HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    assert_eq!(targets(&replay.finish()), ["/next"], "behind the hole");
}

#[test]
fn a_hole_is_waited_for_as_long_as_the_server_waited() {
    let mut replay = Replay::new();
    replay.open(1);
    replay.data(1, 1, 6, b" HTTP/1.1\r\nHost: h\r\n\r\n");
    replay.data(1, 100_000_000, 1, b"GET /");
    assert_eq!(targets(&replay.finish()), ["/"]);
}

#[test]
fn the_host_is_the_field_or_the_authority_of_the_target() {
    for (request, host) in [
        ("GET / HTTP/1.0\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nhOST:  a:1 \r\n\r\n", Some("a:1")),
        ("GET http://b/ HTTP/1.0\r\n\r\n", Some("b")),
    ] {
        let mut replay = Replay::new();
        replay.open(1);
        replay.data(1, 1, 1, request.as_bytes());
        assert_eq!(replay.finish()[0].host.as_deref(), host, "{request}");
    }
}

#[test]
fn what_the_budget_cannot_hold_is_counted() {
    // The table itself takes a part; the head is larger than what can be left.
    let mut replay = Replay::within(96 << 10);
    let target = "x".repeat(50 << 10);
    replay.open(1);
    replay.data(
        1,
        1,
        1,
        format!("GET /{target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes(),
    );
    let counters = replay.playback.pipeline().counters();
    assert_eq!((counters.requests, counters.observed), (1, 0));
    assert_eq!(counters.targets[0].dropped.total(), 1);
    assert!(replay.finish().is_empty());
}
