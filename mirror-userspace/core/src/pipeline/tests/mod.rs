//! A pipeline with scripted clients, and what its targets would have received.

mod books;
mod connections;
mod fates;
mod http2;
mod losses;
mod lost;
mod memory;
mod observers;
mod passing;
mod replies;
mod streamed;
mod whole;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use mirror_common::record::flag;

use super::*;
use crate::{
    policy::{PolicyConfig, TargetPolicy},
    segment::{Direction, FlowId, SeqNum, TcpFlags},
};

const GET: &str = "GET /a HTTP/1.1\r\nHost: v1\r\n\r\n";

/// The head as a target gets it: with the loop guard behind the other field lines.
fn mirrored(head: &str) -> Vec<u8> {
    let lines = head.strip_suffix("\r\n").unwrap();
    format!("{lines}x-mirrored-by: podmirror\r\n\r\n").into_bytes()
}

fn post(length: usize) -> String {
    format!("POST /b HTTP/1.1\r\nHost: v1\r\nContent-Length: {length}\r\n\r\n")
}

fn to_targets(targets: usize) -> PolicyConfig {
    PolicyConfig {
        targets: vec![TargetPolicy::default(); targets],
        ..PolicyConfig::default()
    }
}

/// The same, with the field `key` hidden.
fn hiding_key(targets: usize) -> PolicyConfig {
    let mut policy = to_targets(targets);
    policy.rewrite.redact_fields = vec!["key".parse().unwrap()];
    policy
}

/// A copy as its target would have received it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Received {
    id: CopyId,
    target: usize,
    connection: ConnectionId,
    number: u32,
    wire: Wire,
    /// The first piece.
    head: Bytes,
    bytes: Vec<u8>,
    /// How many pieces and chunks it came in.
    parts: usize,
    expect: Expect,
    ended: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    NotYet,
    /// It came whole.
    Whole,
    /// It was streamed to its end.
    Finished,
    Aborted,
}

/// The sending end of one connection.
#[derive(Clone, Copy)]
struct Client {
    flow: FlowId,
    next: SeqNum,
    /// What it has received of the server.
    ack: SeqNum,
}

struct Bench {
    pipeline: Pipeline,
    now: Time,
    received: Vec<Received>,
    /// Everything that came out, with its memory.
    held: Vec<Output>,
    /// v1's answers among them.
    answers: Vec<(RequestKey, u16)>,
    /// What was told of v1's replies, by the number of their requests; `None`: the rest was not captured.
    replies: Vec<(u32, Option<Bytes>)>,
    /// What v1 said to requests of HTTP/2.
    said_by_v1: Vec<(u32, SaidByV1)>,
    /// Requests whose replies the client gave up.
    cancelled: Vec<(RequestKey, GivenUp)>,
}

impl Bench {
    fn new(limits: Limits, policy: PolicyConfig) -> Self {
        Self::with(Pipeline::new(limits, Policy::new(policy).unwrap()))
    }

    fn with(pipeline: Pipeline) -> Self {
        Self {
            pipeline,
            now: Time::from_nanos(1 << 40),
            received: Vec::new(),
            held: Vec::new(),
            answers: Vec::new(),
            replies: Vec::new(),
            said_by_v1: Vec::new(),
            cancelled: Vec::new(),
        }
    }

    /// A connection that begins with its SYN, close before sequence numbers wrap.
    fn connect(&mut self, number: u8) -> Client {
        let mut client = self.midstream(number);
        self.segment(&client, flag::SYN, b"");
        client.next = client.next + 1;
        client
    }

    /// A connection that is already open.
    fn midstream(&self, number: u8) -> Client {
        let client = SocketAddr::from(([10, 0, 0, number], 4_000));
        Client {
            flow: FlowId {
                client: client.into(),
                server: SocketAddr::from(([10, 1, 0, 1], 80)).into(),
                attachment: 0,
            },
            next: SeqNum(u32::MAX - 20),
            ack: SeqNum(1),
        }
    }

    fn say(&mut self, client: &mut Client, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.segment(client, flag::ACK, bytes);
        self.lose(client, bytes.len());
    }

    /// The server answers.
    fn hear(&mut self, client: &mut Client) {
        client.ack = client.ack + 100;
    }

    fn acknowledge(&mut self, client: &Client) {
        self.segment(client, flag::ACK, b"");
    }

    fn say_by_bytes(&mut self, client: &mut Client, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.say(client, [*byte]);
        }
    }

    /// The client sends so many bytes, and the capture misses them.
    fn lose(&mut self, client: &mut Client, len: usize) {
        client.next = client.next + u32::try_from(len).unwrap();
    }

    fn segment(&mut self, client: &Client, flags: u8, payload: &[u8]) {
        let segment = self.of(client, flags, payload);
        self.pipeline.handle_segment(self.now, &segment);
        self.drain();
    }

    fn of<'a>(&self, client: &Client, flags: u8, payload: &'a [u8]) -> Segment<'a> {
        let flags = TcpFlags(flags);
        let (seq, ack) = (client.next, Some(client.ack));
        Segment::from_client(self.now, client.flow, seq, ack, flags, payload)
    }

    fn finish(&mut self, client: &Client) {
        self.segment(client, flag::FIN | flag::ACK, b"");
    }

    fn reset(&mut self, client: &Client) {
        self.segment(client, flag::RST, b"");
    }

    fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
        self.pipeline.handle_timeout(self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.pipeline.poll_output() {
            match &output {
                Output::Copy(copy) => self.received.push(Received {
                    id: copy.id,
                    target: copy.target.0,
                    connection: copy.request.connection,
                    number: copy.request.number,
                    wire: copy.wire.clone(),
                    head: copy.pieces.first().cloned().unwrap_or_default(),
                    bytes: copy.pieces.concat(),
                    parts: copy.pieces.len(),
                    expect: copy.expect,
                    ended: match copy.rest {
                        Rest::Complete => Ended::Whole,
                        Rest::Streamed => Ended::NotYet,
                    },
                }),
                Output::Chunk { copy, bytes, .. } => {
                    let received = self.streaming(*copy);
                    received.bytes.extend_from_slice(bytes);
                    received.parts += 1;
                }
                Output::Finish { copy, trailers, .. } => {
                    let received = self.streaming(*copy);
                    received.ended = Ended::Finished;
                    if trailers.is_some() {
                        let trailers = trailers.clone();
                        received.wire = Wire::Http2 { trailers };
                    }
                }
                Output::Abort { copy, .. } => self.streaming(*copy).ended = Ended::Aborted,
                Output::Cancel { request, why } => {
                    self.cancelled.push((*request, *why));
                    let of = |copy: &&mut Received| {
                        (copy.connection, copy.number) == (request.connection, request.number)
                    };
                    let streamed = self.received.iter_mut().filter(of);
                    streamed
                        .filter(|copy| copy.ended == Ended::NotYet)
                        .for_each(|copy| copy.ended = Ended::Aborted);
                }
                Output::Answer { request, status } => self.answers.push((*request, *status)),
                Output::Reply { request, bytes } => {
                    self.replies.push((request.number, bytes.clone()));
                }
                Output::OfV1 { request, said } => {
                    self.said_by_v1.push((request.number, said.clone()));
                }
            }
            self.held.push(output);
        }
        let budget = self.pipeline.budget();
        assert!(budget.used() <= budget.limit());
    }

    /// A streamed copy that has not ended.
    fn streaming(&mut self, id: CopyId) -> &mut Received {
        let found = self.received.iter_mut().find(|copy| copy.id == id);
        let copy = found.expect("a copy comes before its chunks and its end");
        assert_eq!(copy.ended, Ended::NotYet);
        copy
    }

    fn counters(&self) -> &PipelineCounters {
        self.pipeline.counters()
    }

    /// Why copies for a target were dropped, as the ledger has it: `gap 1, over_budget 2`.
    fn dropped(&self, target: usize) -> String {
        shown(&self.counters().targets[target].dropped)
    }

    /// Stops the pipeline: the books balance, and all memory comes back.
    fn end(mut self) -> (Vec<Received>, PipelineCounters) {
        self.pipeline.shutdown();
        self.drain();
        assert!(self.received.iter().all(|copy| copy.ended != Ended::NotYet));
        let counters = self.counters().clone();
        let filtered: u64 = counters.filtered.iter().sum();
        for (number, target) in counters.targets.iter().enumerate() {
            let received = self.received.iter().filter(|copy| copy.target == number);
            assert_eq!(target.handed_over, received.count() as u64);
            assert_eq!(target.assembling, 0);
            // An observing pipeline hands nothing over; what it shows counts in its place.
            let shown = counters.observed * u64::from(number == 0);
            assert_eq!(
                counters.requests,
                filtered
                    + counters.lost_unseen.total()
                    + target.sampled_out
                    + target.dropped.total()
                    + target.handed_over
                    + shown,
                "{counters:?}"
            );
        }
        let budget = self.pipeline.budget().clone();
        drop(self.pipeline);
        drop(self.held);
        assert_eq!(budget.used(), 0);
        (self.received, counters)
    }
}

fn shown(drops: &Drops) -> String {
    let some = drops.iter().filter(|(_, count)| *count > 0);
    let texts: Vec<_> = some
        .map(|(reason, count)| format!("{} {count}", reason.name()))
        .collect();
    texts.join(", ")
}
