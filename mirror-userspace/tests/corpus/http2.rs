//! The HTTP/2 reader on recorded connections: the requests that independent tools found where the preface is there,
//! exact counts where it is not.

use std::collections::BTreeMap;

use mirror_capture::file::CaptureFile;
use mirror_core::{
    budget::Budget,
    http::{
        Input, Lost,
        h2::{Event, Head, PREFACE, Reader, Shared, midstream},
    },
    stream::{Consumer, FlowTable, StreamEvent},
};
use mirror_runtime::playback;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::oracle::{Corpus, Entry};

/// What one connection turned out to be.
enum Followed {
    Reader(Reader),
    Counter(midstream::Counter),
    /// It is not HTTP/2, as far as a test may say that which is told the connection.
    Not,
}

#[derive(Default)]
struct Connection {
    key: Option<(String, String)>,
    followed: Option<Followed>,
    found: Found,
}

impl Consumer for Connection {}

/// What was found on one connection.
#[derive(Default)]
struct Found {
    open: BTreeMap<u32, Request>,
    complete: Vec<Request>,
    /// Streams whose requests did not end, and those that were only counted.
    others: Vec<u32>,
    connection_lost: bool,
    midstream: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) stream: u32,
    method: String,
    target: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Found {
    fn note(&mut self, event: Event<'_>) {
        match event {
            Event::Head(head) => {
                self.open.insert(head.stream, Request::of(&head));
            }
            Event::Body { stream, bytes } => {
                let request = self.open.get_mut(&stream).unwrap();
                request.body.extend_from_slice(bytes);
            }
            Event::Trailers { .. } => {}
            Event::End { stream } => self.complete.push(self.open.remove(&stream).unwrap()),
            Event::Reset { stream, .. } => drop(self.open.remove(&stream)),
            Event::Lost { stream, .. } => {
                self.open.remove(&stream);
                self.others.push(stream);
            }
            Event::ConnectionLost(_) => self.connection_lost = true,
            Event::OutOfStep => {}
        }
    }

    fn count(&mut self, seen: midstream::Seen) {
        match seen {
            midstream::Seen::Http2 => self.midstream = true,
            midstream::Seen::Opened(stream) => self.others.push(stream),
            midstream::Seen::OutOfStep => panic!("frames do not chain"),
        }
    }
}

impl Request {
    fn of(head: &Head<'_>) -> Self {
        let field = |field: mirror_core::http::h2::Field<'_>| (text(field.name), text(field.value));
        Self {
            stream: head.stream,
            method: text(head.method),
            target: text(head.path),
            fields: head.fields.iter().map(field).collect(),
            body: Vec::new(),
        }
    }

    /// One with these fields, pseudo-headers among them.
    pub(super) fn with(stream: u32, fields: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let value = |name: &str| {
            let found = fields.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Self {
            stream,
            method: value(":method"),
            target: value(":path"),
            fields,
            body,
        }
    }

    /// What the oracle says of a request, but for its body.
    pub(super) fn told(value: &Value) -> Self {
        let string = |value: &Value| value.as_str().unwrap().to_owned();
        let fields = value["headers"].as_array().unwrap();
        Self {
            stream: u32::try_from(value["stream_id"].as_u64().unwrap()).unwrap(),
            method: string(&value["method"]),
            target: string(&value["target"]),
            fields: fields
                .iter()
                .map(|field| (string(&field[0]), string(&field[1])))
                .collect(),
            body: Vec::new(),
        }
    }
}

impl Connection {
    fn handle(&mut self, input: Input<'_>, shared: &mut Shared) {
        let found = &mut self.found;
        let followed = self.followed.get_or_insert_with(|| {
            if input.bytes.starts_with(PREFACE) || PREFACE.starts_with(input.bytes) {
                Followed::Reader(Reader::new(&shared.budget))
            } else {
                Followed::Counter(midstream::Counter::default())
            }
        });
        match followed {
            Followed::Reader(reader) => {
                reader.handle_data(input, shared, &mut |event| found.note(event));
            }
            Followed::Counter(counter) => {
                counter.handle_data(input, &mut |seen| found.count(seen));
            }
            Followed::Not => {}
        }
    }

    fn gap(&mut self, len: u64, shared: &mut Shared) {
        let found = &mut self.found;
        match &mut self.followed {
            Some(Followed::Reader(reader)) => {
                reader.handle_gap(len, shared, &mut |event| found.note(event));
            }
            Some(Followed::Counter(counter)) => {
                counter.handle_gap(len, &mut |seen| found.count(seen));
            }
            Some(Followed::Not) | None => self.followed = Some(Followed::Not),
        }
    }

    fn close(&mut self) {
        let found = &mut self.found;
        if let Some(Followed::Reader(reader)) = &mut self.followed {
            reader.handle_close(Lost::Truncated, &mut |event| found.note(event));
        }
    }
}

/// What is found on each connection of a capture, as HTTP/2; those of one client and server are one.
fn read(corpus: &Corpus, entry: &Entry) -> BTreeMap<(String, String), Found> {
    let mut capture = CaptureFile::open(&corpus.path(&entry.file)).unwrap();
    let budget = Budget::new(64 << 20);
    let mut shared = Shared::new(Default::default(), budget.clone());
    let mut flows = FlowTable::<Connection>::new(playback::patience(), budget);
    let mut all = BTreeMap::new();
    let mut deliver = |connection: &mut Connection, event: StreamEvent<'_>| match event {
        StreamEvent::Opened { flow, .. } => {
            connection.key = Some((flow.client.to_string(), flow.server.to_string()));
        }
        StreamEvent::Data(data) => {
            let input = Input {
                bytes: data.bytes,
                starts_segment: data.starts_segment,
                ack: None,
            };
            connection.handle(input, &mut shared);
        }
        StreamEvent::Acknowledged { .. } | StreamEvent::FromServer(_) => {}
        StreamEvent::Gap { len } => connection.gap(len, &mut shared),
        StreamEvent::Closed(_) => {
            let mut connection = std::mem::take(connection);
            connection.close();
            all.insert(connection.key.unwrap(), connection.found);
        }
    };
    while let Some(captured) = capture.next_segment().unwrap() {
        let segment = captured.segment;
        flows.handle_segment(segment.at, &segment, &mut deliver);
    }
    flows.shutdown(&mut deliver);
    all
}

/// The connections of an oracle that are HTTP/2, with or without its word for it, and whose streams it names.
pub(super) fn http2(oracle: &Value) -> Vec<&Value> {
    let connections = ["connections", "connections_detail"];
    let all = connections
        .iter()
        .filter_map(|name| oracle[name].as_array());
    let is_http2 = |connection: &&Value| {
        let protocol = connection["protocol"].as_str().unwrap_or_default();
        let mut requests = connection["requests"].as_array().into_iter().flatten();
        let names_streams = |request: &Value| request["stream_id"].is_u64();
        if protocol.starts_with("h2") {
            requests.all(names_streams)
        } else {
            requests.any(|request| request["version"] == "2" && names_streams(request))
        }
    };
    all.flatten().filter(is_http2).collect()
}

fn compare(expected: &Value, found: Found) -> Result<(usize, usize), String> {
    let requests = expected["requests"].as_array().unwrap();
    let protocol = expected["protocol"].as_str().unwrap_or("h2");
    if protocol.starts_with("h2-midstream") {
        let streams: Vec<_> = found.others;
        return match (found.midstream, streams.len()) {
            (true, 1) => Ok((0, 1)),
            _ => Err(format!("{} {streams:?}", found.midstream)),
        };
    }
    let (complete, cut): (Vec<_>, Vec<_>) = requests
        .iter()
        .partition(|request| request["complete"] == true);
    let mut bodies = Vec::new();
    let mut heads = found.complete;
    heads.sort_by_key(|request| request.stream);
    for request in &mut heads {
        let body = std::mem::take(&mut request.body);
        let hash: String = Sha256::digest(&body)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let hash = (!body.is_empty()).then_some(hash);
        bodies.push((body.len() as u64, hash));
    }
    let told: Vec<_> = complete
        .iter()
        .map(|request| Request::told(request))
        .collect();
    let told_bodies: Vec<_> = complete
        .iter()
        .map(|request| {
            let hash = request["body_sha256"].as_str().map(str::to_owned);
            (request["body_len"].as_u64().unwrap(), hash)
        })
        .collect();
    if heads != told || bodies != told_bodies {
        return Err(format!(
            "expected {told:?} {told_bodies:?}, found {heads:?} {bodies:?}"
        ));
    }
    let cut: Vec<_> = cut
        .iter()
        .map(|request| Request::told(request).stream)
        .collect();
    if found.others != cut || found.connection_lost {
        return Err(format!("expected {cut:?} cut, found {:?}", found.others));
    }
    Ok((heads.len(), cut.len()))
}

#[test]
fn http2_requests_are_those_that_independent_tools_found() {
    let Some(corpus) = Corpus::named() else {
        return;
    };
    let (mut wrong, mut requests, mut counted, mut connections) = (Vec::new(), 0, 0, 0);
    for entry in corpus.entries() {
        let oracle: Value = corpus.json(&entry.oracle);
        let expected = http2(&oracle);
        if expected.is_empty() {
            continue;
        }
        let mut all = read(&corpus, &entry);
        for connection in expected {
            let name = |side: &str| connection[side].as_str().unwrap().to_owned();
            let key = (name("client"), name("server"));
            let Some(found) = all.remove(&key) else {
                wrong.push(format!("{} {key:?} is not there", entry.file));
                continue;
            };
            connections += 1;
            match compare(connection, found) {
                Ok((whole, cut)) => {
                    requests += whole;
                    counted += cut;
                }
                Err(why) => wrong.push(format!("{} {key:?}: {why}", entry.file)),
            }
        }
    }
    if connections == 0 {
        eprintln!("SKIPPED: the corpus has no HTTP/2 (docs/CORPUS.md)");
    }
    println!("{connections} connections: {requests} requests told, {counted} counted");
    assert_eq!(wrong, Vec::<String>::new());
}

/// Goes on as HTTP/2 behind an HTTP/1 request that asked for it, which the oracle does not follow.
const UPGRADED: (&str, &str) = ("pcap/sv-transform-base64-7296.pcap", "127.0.0.1:57226");

/// On the other connections nothing is taken for HTTP/2 that was picked up in the middle.
#[test]
fn other_protocols_are_not_taken_for_http2() {
    let Some(corpus) = Corpus::named() else {
        return;
    };
    let (mut wrong, mut connections) = (Vec::new(), 0);
    for entry in corpus.entries() {
        let oracle: Value = corpus.json(&entry.oracle);
        if !http2(&oracle).is_empty() {
            continue;
        }
        for (key, found) in read(&corpus, &entry) {
            connections += 1;
            if (&entry.file[..], &key.0[..]) == UPGRADED {
                assert!(found.midstream);
                continue;
            }
            if found.midstream || !found.complete.is_empty() {
                wrong.push(format!("{} {key:?}: {:?}", entry.file, found.others));
            }
        }
    }
    println!("{connections} connections");
    assert_eq!(wrong, Vec::<String>::new());
}
