//! What clients say to v1, as the kernel half would have recorded it.

use std::net::SocketAddr;

use crate::grpc;
use mirror_common::record::flag;
use mirror_core::{
    segment::{Direction, Endpoint, FlowId, Segment, SeqNum, TcpFlags, Time},
    stream::Confirm,
};

/// Connections that take turns, request by request.
const CONNECTIONS: u16 = 8;

/// The most bytes of one record.
const RECORD: usize = 64 << 10;

/// Requests that a client of [`Conversation::pipelined`] sends at once.
const PIPELINED: usize = 16;

/// Between two records, in nanoseconds.
const STEP: u64 = 10_000;

/// Segments of some connections, each from its SYN to its FIN.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// What it is for, in one word.
    pub name: &'static str,
    /// How many requests it holds.
    pub requests: u64,
    /// How many payload bytes the clients send.
    pub bytes: u64,
    /// Whether v1's acknowledgments are in it, and are to be waited for.
    pub confirm: Confirm,
    /// Whether v1 is compared with: what it answers is to be told.
    pub compares: bool,
    records: Vec<Record>,
}

#[derive(Clone, Debug)]
struct Record {
    flow: FlowId,
    direction: Direction,
    seq: SeqNum,
    ack: SeqNum,
    flags: u8,
    starts_segment: bool,
    payload: Vec<u8>,
}

/// One end that speaks.
pub(crate) struct Client {
    flow: FlowId,
    next: SeqNum,
    /// v1's next byte.
    v1: SeqNum,
}

impl Conversation {
    /// Small GETs, as a browser sends them: what most services serve.
    #[must_use]
    pub fn get() -> Self {
        Self::new("get", 250, &request("GET", 0), Confirm::None)
    }

    /// POSTs of 2 KiB: head and body in one record.
    #[must_use]
    pub fn post() -> Self {
        Self::new("post", 50, &request("POST", 2 << 10), Confirm::None)
    }

    /// POSTs of 256 KiB, in records of 64 KiB, as segmentation offload makes them.
    #[must_use]
    pub fn upload() -> Self {
        Self::new("upload", 5, &request("POST", 256 << 10), Confirm::None)
    }

    /// All three conversations.
    #[must_use]
    pub fn all() -> [Self; 3] {
        [Self::get(), Self::post(), Self::upload()]
    }

    /// The same three, with v1's acknowledgment of each request.
    #[must_use]
    pub fn confirmed() -> [Self; 3] {
        let new = |name, rounds, request: &[u8]| Self::new(name, rounds, request, Confirm::Ack);
        [
            new("get-confirmed", 250, &request("GET", 0)),
            new("post-confirmed", 50, &request("POST", 2 << 10)),
            new("upload-confirmed", 5, &request("POST", 256 << 10)),
        ]
    }

    /// Unary calls of gRPC with a message of 100 bytes: head and body in one record.
    #[must_use]
    pub fn grpc() -> Self {
        Self::of("grpc", 250, &grpc::opening(), grpc::call, Confirm::None)
    }

    /// The GETs of clients that pipeline, [`PIPELINED`] in each segment.
    #[must_use]
    pub fn pipelined() -> Self {
        let batch = request("GET", 0).repeat(PIPELINED);
        let mut conversation = Self::new("pipelined", 20, &batch, Confirm::None);
        conversation.requests *= PIPELINED as u64;
        conversation
    }

    /// Small GETs and calls of gRPC with v1's replies, and the same where v1 is compared with.
    #[must_use]
    pub fn answered() -> [Self; 4] {
        let (get, reply) = (request("GET", 0), reply());
        let of_get = |name, compares| {
            let (get, reply) = (|_| get.clone(), |_| reply.clone());
            Self::with(name, 250, (&[], &[]), (get, reply), compares)
        };
        let of_grpc = |name, compares| {
            let opening = (&grpc::opening()[..], &grpc::greeting()[..]);
            Self::with(name, 250, opening, (grpc::call, grpc::reply), compares)
        };
        [
            of_get("get-answered", false),
            of_get("get-compared", true),
            of_grpc("grpc-answered", false),
            of_grpc("grpc-compared", true),
        ]
    }

    /// Every conversation.
    #[must_use]
    pub fn each() -> Vec<Self> {
        let mut each: Vec<_> = Self::all().into();
        each.extend(Self::confirmed());
        each.push(Self::grpc());
        each.push(Self::pipelined());
        each.extend(Self::answered());
        each
    }

    /// Its segments, in the order of their capture.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        (1_u64..)
            .zip(&self.records)
            .map(|(number, record)| record.segment(Time::from_nanos(number * STEP)))
    }

    fn new(name: &'static str, rounds: u64, request: &[u8], confirm: Confirm) -> Self {
        Self::of(name, rounds, &[], |_| request.to_vec(), confirm)
    }

    /// Each connection opens with what client and v1 say, and has a request and its reply in each round.
    fn with(
        name: &'static str,
        rounds: u64,
        (opening, greeting): (&[u8], &[u8]),
        (request, reply): (impl Fn(u64) -> Vec<u8>, impl Fn(u64) -> Vec<u8>),
        compares: bool,
    ) -> Self {
        let mut clients: Vec<_> = (0..CONNECTIONS).map(Client::new).collect();
        let mut records = Vec::new();
        for client in &mut clients {
            records.push(client.says(flag::SYN, &[]));
            records.push(client.is_acknowledged());
            records.extend((!opening.is_empty()).then(|| client.says(flag::ACK, opening)));
            records.extend((!greeting.is_empty()).then(|| client.is_answered(greeting)));
        }
        for round in 0..rounds {
            let (request, reply) = (request(round), reply(round));
            for client in &mut clients {
                records.push(client.says(flag::ACK, &request));
                records.push(client.is_answered(&reply));
            }
        }
        for client in &mut clients {
            records.push(client.says(flag::FIN | flag::ACK, &[]));
            records.push(client.is_acknowledged());
        }
        Self::of_records(name, rounds, records, Confirm::Ack, compares)
    }

    fn of_records(
        name: &'static str,
        rounds: u64,
        records: Vec<Record>,
        confirm: Confirm,
        compares: bool,
    ) -> Self {
        let said = records
            .iter()
            .filter(|record| record.direction == Direction::ToServer);
        Self {
            name,
            requests: rounds * u64::from(CONNECTIONS),
            bytes: said.map(|record| record.payload.len() as u64).sum(),
            confirm,
            compares,
            records,
        }
    }

    /// Each connection says `opening`, and its request of each round.
    fn of(
        name: &'static str,
        rounds: u64,
        opening: &[u8],
        request: impl Fn(u64) -> Vec<u8>,
        confirm: Confirm,
    ) -> Self {
        let mut all = Vec::new();
        let confirms = confirm == Confirm::Ack;
        let mut clients: Vec<_> = (0..CONNECTIONS).map(Client::new).collect();
        for client in &mut clients {
            all.push(client.says(flag::SYN, &[]));
            if !opening.is_empty() {
                all.push(client.says(flag::ACK, opening));
            }
        }
        for round in 0..rounds {
            let request = request(round);
            for client in &mut clients {
                let records = request.chunks(RECORD);
                let records = records.map(|bytes| client.says(flag::ACK, bytes));
                all.extend(records);
                all.extend(confirms.then(|| client.is_acknowledged()));
            }
        }
        for client in &mut clients {
            all.push(client.says(flag::FIN | flag::ACK, &[]));
            all.extend(confirms.then(|| client.is_acknowledged()));
        }
        Self::of_records(name, rounds, all, confirm, false)
    }
}

impl Record {
    fn segment(&self, at: Time) -> Segment<'_> {
        let flags = TcpFlags(self.flags);
        Segment {
            at,
            flow: self.flow,
            seq: self.seq,
            ack: flags.ack().then_some(self.ack),
            flags,
            urgent: None,
            direction: self.direction,
            expected: None,
            starts_segment: self.starts_segment,
            payload: &self.payload,
            // At most 64 KiB.
            wire_len: u32::try_from(self.payload.len()).unwrap_or(u32::MAX),
        }
    }
}

impl Client {
    fn new(number: u16) -> Self {
        let endpoint =
            |host: u8, port: u16| Endpoint::from(SocketAddr::from(([10, 0, 0, host], port)));
        Self {
            next: SeqNum(u32::from(number) << 28),
            ..Self::of(FlowId {
                client: endpoint(1, 40_000 + number),
                server: endpoint(2, 80),
                attachment: 0,
            })
        }
    }

    /// One that has not said anything yet.
    pub(crate) const fn of(flow: FlowId) -> Self {
        Self {
            flow,
            next: SeqNum(0),
            v1: SeqNum(1),
        }
    }

    fn says(&mut self, flags: u8, bytes: &[u8]) -> Record {
        let said = self.say(flags, bytes);
        Record {
            flow: said.flow,
            direction: said.direction,
            seq: said.seq,
            ack: self.v1,
            flags,
            starts_segment: said.starts_segment,
            payload: bytes.to_vec(),
        }
    }

    /// The segment in which it says this, captured at time 0.
    pub(crate) fn say<'a>(&mut self, flags: u8, bytes: &'a [u8]) -> Segment<'a> {
        // At most 64 KiB.
        let taken = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let flags = TcpFlags(flags);
        let segment = Segment {
            at: Time::from_nanos(0),
            flow: self.flow,
            seq: self.next,
            ack: flags.ack().then_some(self.v1),
            flags,
            urgent: None,
            direction: Direction::ToServer,
            expected: None,
            starts_segment: true,
            payload: bytes,
            wire_len: taken,
        };
        self.next = self.next + taken + u32::from(flags.syn()) + u32::from(flags.fin());
        segment
    }

    /// v1 has all that it said.
    fn is_acknowledged(&mut self) -> Record {
        self.is_answered(&[])
    }

    /// The same, and v1 says this.
    fn is_answered(&mut self, bytes: &[u8]) -> Record {
        let record = Record {
            flow: self.flow,
            direction: Direction::ToClient,
            seq: self.v1,
            ack: self.next,
            flags: flag::ACK,
            starts_segment: true,
            payload: bytes.to_vec(),
        };
        self.v1 = self.v1 + u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        record
    }
}

/// A reply of 300 bytes of JSON, with the field lines of a common server.
fn reply() -> Vec<u8> {
    let body = format!("[\"{}\"]", "x".repeat(296));
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\
         Vary: Accept-Encoding\r\nCache-Control: no-store\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// A request with the field lines of a common client.
pub(crate) fn request(method: &str, body: usize) -> Vec<u8> {
    let mut head = format!(
        "{method} /api/v1/items/4711?page=2&sort=name HTTP/1.1\r\n\
         Host: shop.example.org\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
         Accept-Language: en-GB,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Cookie: session=0123456789abcdef0123456789abcdef\r\n\
         Connection: keep-alive\r\n"
    );
    if body > 0 {
        head += &format!("Content-Type: application/octet-stream\r\nContent-Length: {body}\r\n");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.resize(bytes.len() + body, b'x');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_it_says() {
        for conversation in Conversation::each() {
            let said = conversation.segments();
            let said = said.filter(|segment| segment.direction == Direction::ToServer);
            let heads = said.map(|segment| {
                // HEADERS, whole.
                let is_headers = segment.payload.get(3..5) == Some(&[1, 4]);
                let lines = segment.payload.split(|byte| *byte == b'\n');
                let requests = lines.filter(|line| line.ends_with(b" HTTP/1.1\r"));
                requests.count() + usize::from(is_headers)
            });
            assert_eq!(heads.sum::<usize>() as u64, conversation.requests);
        }
    }
}
