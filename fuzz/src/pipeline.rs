//! The whole pipeline, driven by operations on a few connections: what comes out follows the
//! protocol of [`Output`], every request is in one counter, memory stays within its budget.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use mirror_core::{
    http,
    pipeline::{CopyId, Limits, Output, Pipeline, Rest, Wire},
    policy::{Policy, PolicyConfig, SampleBy, TargetPolicy},
    segment::{Direction, FlowId, Segment, SeqNum, TcpFlags, Time},
    value::Rate,
};

mod http2;
mod told;

use crate::input::Input;

/// What clients say; the byte that chooses one also chooses how it arrives.
pub const PHRASES: [&[u8]; 24] = [
    b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n",
    b"POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 300\r\n\r\n",
    b"POST /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"PUT /e HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde",
    b"HEAD /f HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /g HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET /h HTTP/1.1\r\nx-mirrored-by: podmirror\r\n\r\n",
    b"GET /i HTTP/1.1\r\nUser-Agent: kube-probe/1.33\r\n\r\n",
    b"POST /j HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET /k HTTP/1.1\nHost: bare\n\n",
    b"CONNECT l:443 HTTP/1.1\r\nHost: l:443\r\n\r\n",
    b"0123456789",
    b"a\r\n0123456789\r\n",
    b"40\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
    b"0\r\n\r\n",
    b"0\r\nTrailer: t\r\n\r\n",
    b"GET",
    b" / HTTP",
    b"/1.1\r\n",
    b"Field: value\r\n",
    b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
];

/// From this byte on an operation says something of HTTP/2.
pub const HTTP2: u8 = 192;

/// Of such an operation: v1 says it.
pub const BY_V1: u8 = 8;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

struct Bench {
    pipeline: Pipeline,
    targets: usize,
    now: Time,
    next: [SeqNum; 8],
    /// v1's next bytes.
    v1: [SeqNum; 8],
    /// Segments that will come late.
    late: VecDeque<(u8, SeqNum, Vec<u8>)>,
    /// Outputs whose memory is still held, as by a slow target.
    held: VecDeque<Output>,
    /// Streamed copies that have not ended, and all copies handed over.
    streaming: HashMap<CopyId, usize>,
    handed_over: Vec<u64>,
    of_v1: told::OfV1,
}

/// The first two bytes choose the limits and the policy; then each operation is three bytes.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (Some(limits), Some(policy)) = (input.byte(), input.byte()) else {
        return;
    };
    let mut bench = Bench::new(limits, policy);
    while let (Some(what), Some(which), Some(more)) = (input.byte(), input.byte(), input.byte()) {
        match what % 32 {
            _ if what >= HTTP2 && which & BY_V1 != 0 => {
                bench.answer(which, more / 32, &http2::answers(what, more % 32));
            }
            _ if what >= HTTP2 => bench.say(which, more / 32, &http2::frames(what, more % 32)),
            0 => bench.wait(Duration::from_millis(u64::from(more) * 50)),
            1 => {
                let at = usize::from(which % 8);
                bench.next[at] = SeqNum(u32::MAX - 500) + u32::from(more) * 7;
                bench.send(which, bench.next[at], SYN, &[]);
                bench.next[at] = bench.next[at] + 1;
            }
            2 => bench.end_of(which, FIN),
            3 => bench.end_of(which, RST),
            4 => drop(bench.held.drain(..bench.held.len().min(usize::from(more)))),
            5 => {
                let rate = Rate::from_fraction(u64::from(more), 255);
                bench
                    .pipeline
                    .policy_mut()
                    .set_sample_rate(rate.unwrap_or_default());
            }
            6 => bench.say(which, 0, input.take(usize::from(more))),
            7 => bench.arrive_late(),
            8 => bench.say(which, more, &[b'x'; 200]),
            phrase => bench.say(which, more, PHRASES[usize::from(phrase) % PHRASES.len()]),
        }
        bench.drain();
    }
    bench.end();
}

impl Bench {
    fn new(limits: u8, policy: u8) -> Self {
        let targets = 1 + usize::from(policy % 3);
        let config = PolicyConfig {
            sample_by: match policy / 3 % 3 {
                0 => SampleBy::Connection,
                1 => SampleBy::Request,
                _ => SampleBy::ClientIp,
            },
            targets: vec![TargetPolicy::default(); targets],
            ..PolicyConfig::default()
        };
        let limits = Limits {
            memory: if limits & 1 == 0 { 30_000 } else { 1 << 20 },
            max_body: if limits & 2 == 0 { 64 } else { 4_096 },
            http: http::Limits {
                head: if limits & 4 == 0 { 100 } else { 4_096 },
                ..http::Limits::default()
            },
            ..Limits::default()
        };
        let Ok(policy) = Policy::new(config) else {
            panic!("a policy without rewrites has no contradictions");
        };
        let mut pipeline = Pipeline::new(limits, policy);
        pipeline.tell_answers();
        pipeline.tell_replies();
        Self {
            pipeline,
            targets,
            now: Time::from_nanos(1 << 40),
            next: [SeqNum(u32::MAX - 100); 8],
            v1: [SeqNum(u32::MAX - 50); 8],
            late: VecDeque::new(),
            held: VecDeque::new(),
            streaming: HashMap::new(),
            handed_over: vec![0; targets],
            of_v1: told::OfV1::default(),
        }
    }

    fn send(&mut self, which: u8, seq: SeqNum, flags: u8, payload: &[u8]) {
        let segment = self.segment(which, seq, flags, payload);
        self.pipeline.handle_segment(self.now, &segment);
    }

    fn segment<'a>(&self, which: u8, seq: SeqNum, flags: u8, payload: &'a [u8]) -> Segment<'a> {
        let client = SocketAddr::from(([10, 0, 0, which % 8], 4_000));
        let flow = FlowId {
            client: client.into(),
            server: SocketAddr::from(([10, 1, 0, 1], 80)).into(),
            attachment: 0,
        };
        let (ack, flags) = (Some(SeqNum(u32::from(which))), TcpFlags(flags));
        Segment::from_client(self.now, flow, seq, ack, flags, payload)
    }

    /// v1's next bytes: whole, cut, lost, repeated, or a byte at a time.
    fn answer(&mut self, which: u8, how: u8, bytes: &[u8]) {
        let at = usize::from(which % 8);
        let (seq, ack) = (self.v1[at], self.next[at]);
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.v1[at] = seq + len;
        let mut send = |seq: SeqNum, captured: &[u8], wire_len: u32| {
            let segment = Segment {
                direction: Direction::ToClient,
                ack: Some(ack),
                wire_len,
                ..self.segment(which, seq, ACK, captured)
            };
            self.pipeline.handle_segment(self.now, &segment);
        };
        match how % 8 {
            1 => {}
            2 => send(seq, &bytes[..bytes.len() / 2], len),
            3 => {
                send(seq, bytes, len);
                send(seq, bytes, len);
            }
            4 => {
                for (offset, byte) in (0..).zip(bytes) {
                    send(seq + offset, &[*byte], 1);
                }
            }
            _ => send(seq, bytes, len),
        }
    }

    /// The connection's next bytes: in order, lost, late, repeated, or a byte at a time.
    fn say(&mut self, which: u8, how: u8, bytes: &[u8]) {
        let at = usize::from(which % 8);
        let seq = self.next[at];
        self.next[at] = seq + u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match how % 8 {
            1 => {}
            2 => self.late.push_back((which, seq, bytes.to_vec())),
            3 => {
                self.send(which, seq, ACK, bytes);
                self.send(which, seq, ACK, bytes);
            }
            4 => {
                for (offset, byte) in (0..).zip(bytes) {
                    self.send(which, seq + offset, ACK, &[*byte]);
                }
            }
            _ => self.send(which, seq, ACK, bytes),
        }
    }

    fn arrive_late(&mut self) {
        if let Some((which, seq, bytes)) = self.late.pop_front() {
            self.send(which, seq, ACK, &bytes);
        }
    }

    fn end_of(&mut self, which: u8, flags: u8) {
        self.send(which, self.next[usize::from(which % 8)], flags | ACK, &[]);
    }

    fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
        self.pipeline.handle_timeout(self.now);
    }

    fn drain(&mut self) {
        while let Some(output) = self.pipeline.poll_output() {
            match &output {
                Output::Copy(copy) => {
                    self.handed_over[copy.target.0] += 1;
                    let head = &copy.pieces[0];
                    let guard = b"x-mirrored-by: podmirror\r\n\r\n";
                    let guarded = match copy.wire {
                        Wire::Http1 => head.to_ascii_lowercase().ends_with(guard),
                        Wire::Http2 { .. } => http2::is_guarded(head),
                    };
                    assert!(guarded, "the head is a piece, with the loop guard");
                    if copy.rest == Rest::Streamed {
                        assert!(self.streaming.insert(copy.id, 0).is_none());
                    }
                }
                Output::Chunk { copy, bytes, .. } => {
                    let Some(sent) = self.streaming.get_mut(copy) else {
                        panic!("a chunk of no streamed copy");
                    };
                    *sent += bytes.len();
                }
                Output::Finish { copy, .. } | Output::Abort { copy, .. } => {
                    assert!(self.streaming.remove(copy).is_some(), "ended once");
                }
                Output::Cancel { .. } => {}
                Output::OfV1 { request, said } => self.of_v1.check(*request, said),
                Output::Answer { .. } | Output::Reply { .. } => {}
            }
            self.held.push_back(output);
        }
        let budget = self.pipeline.budget();
        assert!(budget.used() <= budget.limit());
    }

    fn end(mut self) {
        self.pipeline.shutdown();
        self.drain();
        assert!(self.streaming.is_empty(), "every streamed copy has ended");
        let counters = self.pipeline.counters();
        let before = counters.filtered.iter().sum::<u64>() + counters.lost_unseen.total();
        for target in 0..self.targets {
            let copies = &counters.targets[target];
            assert_eq!(copies.handed_over, self.handed_over[target]);
            let after = copies.sampled_out + copies.dropped.total() + copies.handed_over;
            assert_eq!(counters.requests, before + after, "{counters:?}");
        }
        let classes = &counters.connections;
        assert!(
            classes.http1
                + classes.http2
                + classes.http2_midstream
                + classes.tls
                + classes.not_http
                + classes.upgraded
                <= classes.opened
        );
        let budget = self.pipeline.budget().clone();
        drop(self.pipeline);
        drop(self.held);
        assert_eq!(budget.used(), 0, "all memory is given back");
    }
}
