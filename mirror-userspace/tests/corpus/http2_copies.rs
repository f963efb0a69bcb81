//! Recorded HTTP/2 through the whole pipeline: a target gets the field lists and bodies that independent tools found,
//! and what cannot be read is counted.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use mirror_capture::file::CaptureFile;
use mirror_core::{
    http::{RequestHead, h2::FieldList},
    pipeline::{
        ConnectionId, DropReason, Limits, NotKept, Observer, Output, Pipeline, PipelineCounters,
        RequestInfo, Rest, Wire,
    },
    policy::{FilterConfig, Policy, PolicyConfig, TargetPolicy},
    testing::fields,
};
use mirror_runtime::playback::{self, Playback};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    http2::{Request, http2},
    oracle::{Corpus, Entry},
};

/// Which connection of the pipeline is whose.
#[derive(Clone, Default)]
struct Flows(Rc<RefCell<BTreeMap<ConnectionId, (String, String)>>>);

impl Flows {
    fn note(&self, info: &RequestInfo) {
        let ends = (info.flow.client.to_string(), info.flow.server.to_string());
        self.0.borrow_mut().insert(info.request.connection, ends);
    }
}

impl Observer for Flows {
    fn head(&mut self, info: &RequestInfo, _head: &RequestHead<'_>) {
        self.note(info);
    }
    fn body(&mut self, _info: &RequestInfo, _raw: &[u8]) {}
    fn trailers(&mut self, _info: &RequestInfo, _fields: &FieldList) {}
    fn end(&mut self, _info: &RequestInfo) -> Result<(), NotKept> {
        Ok(())
    }
    fn lost(&mut self, _info: &RequestInfo) {}
    fn closed(&mut self, info: &RequestInfo) {
        self.note(info);
    }
}

/// Begins with the preface, and without its SYN: it may be anything's middle.
const WITHOUT_SYN: &str = "pcap/ndpi-http2.pcapng";

type Copies = BTreeMap<(String, String), Vec<Request>>;

/// The whole copies of HTTP/2 that these servers' clients sent, by client and server.
fn copies(corpus: &Corpus, entry: &Entry, servers: &[&str]) -> (Copies, PipelineCounters) {
    let limits = Limits {
        flow: playback::patience(),
        max_body: 64 << 20,
        ..Limits::default()
    };
    let policy = PolicyConfig {
        filter: FilterConfig::default().without_guards(),
        targets: vec![TargetPolicy::default()],
        ..PolicyConfig::default()
    };
    let mut pipeline = Pipeline::new(limits, Policy::new(policy).unwrap());
    let flows = Flows::default();
    pipeline.observe(Box::new(flows.clone()));
    let mut playback = Playback::new(pipeline);
    let mut capture = CaptureFile::open(&corpus.path(&entry.file)).unwrap();
    let mut found = BTreeMap::new();
    while let Some(captured) = capture.next_segment().unwrap() {
        if servers.contains(&&*captured.segment.flow.server.to_string()) {
            playback.handle(captured.stream, &captured.segment);
        }
        take(playback.pipeline(), &mut found);
    }
    playback.pipeline().shutdown();
    take(playback.pipeline(), &mut found);
    let flows = flows.0.borrow();
    let mut copies = Copies::new();
    for ((connection, _), (whole, request)) in found {
        if whole {
            let flow = flows.get(&connection).unwrap().clone();
            copies.entry(flow).or_default().push(request);
        }
    }
    (copies, playback.pipeline().counters().clone())
}

/// By copy: whether it is whole, and its request.
type Taken = BTreeMap<(ConnectionId, u64), (bool, Request)>;

fn take(pipeline: &mut Pipeline, found: &mut Taken) {
    while let Some(output) = pipeline.poll_output() {
        match output {
            Output::Copy(copy) if copy.wire != Wire::Http1 => {
                let (head, body) = copy.pieces.split_first().unwrap();
                let mut fields = fields(head);
                let mark = ("x-mirrored-by".to_owned(), "podmirror".to_owned());
                assert_eq!(fields.pop(), Some(mark));
                for (name, _) in &mut fields {
                    *name = name.trim_start_matches('!').to_owned();
                }
                let request = Request::with(copy.request.number, fields, body.concat());
                let whole = copy.rest == Rest::Complete;
                found.insert((copy.request.connection, copy.id.0), (whole, request));
            }
            Output::Chunk { copy, bytes, .. } => {
                let streamed = found.iter_mut().find(|((_, id), _)| *id == copy.0);
                if let Some((_, (_, request))) = streamed {
                    request.body.extend_from_slice(&bytes);
                }
            }
            Output::Finish { copy, .. } => {
                let streamed = found.iter_mut().find(|((_, id), _)| *id == copy.0);
                if let Some((_, (whole, _))) = streamed {
                    *whole = true;
                }
            }
            _ => {}
        }
    }
}

/// What the oracle says of whole requests, with their bodies' lengths and hashes.
fn told(connection: &Value) -> Vec<(Request, u64, Option<String>)> {
    let requests = connection["requests"].as_array().unwrap().iter();
    let complete = requests.filter(|request| request["complete"] == true);
    let one = |request: &Value| {
        let hash = request["body_sha256"].as_str().map(str::to_owned);
        let len = request["body_len"].as_u64().unwrap();
        (Request::told(request), len, hash)
    };
    complete.map(one).collect()
}

fn found(mut requests: Vec<Request>) -> Vec<(Request, u64, Option<String>)> {
    requests.sort_by_key(|request| request.stream);
    let one = |mut request: Request| {
        let body = std::mem::take(&mut request.body);
        let digest = Sha256::digest(&body);
        let hash = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        (
            request,
            body.len() as u64,
            (!body.is_empty()).then_some(hash),
        )
    };
    requests.into_iter().map(one).collect()
}

#[test]
fn copies_of_http2_have_the_fields_and_bodies_that_independent_tools_found() {
    let Some(corpus) = Corpus::named() else {
        return;
    };
    let (mut wrong, mut whole, mut counted) = (Vec::new(), 0, 0);
    for entry in corpus.entries() {
        let oracle: Value = corpus.json(&entry.oracle);
        let expected = http2(&oracle);
        if expected.is_empty() {
            continue;
        }
        let servers = expected.iter().map(|one| one["server"].as_str().unwrap());
        let servers: Vec<_> = servers.collect();
        let (mut copies, counters) = copies(&corpus, &entry, &servers);
        let mut midstream = 0;
        for connection in expected {
            let name = |side: &str| connection[side].as_str().unwrap().to_owned();
            let copies = copies.remove(&(name("client"), name("server")));
            let copies = found(copies.unwrap_or_default());
            let protocol = connection["protocol"].as_str().unwrap_or("h2");
            let counted = protocol.starts_with("h2-midstream") || entry.file == WITHOUT_SYN;
            let mut told = told(connection);
            if counted {
                midstream += 1;
                told.clear();
            }
            whole += copies.len();
            if copies != told {
                wrong.push(format!(
                    "{}: expected {told:?}, found {copies:?}",
                    entry.file
                ));
            }
        }
        let mut unseen = counters.lost_unseen.iter();
        let before_attach = unseen.find(|(reason, _)| *reason == DropReason::BeforeAttach);
        let before_attach = before_attach.map_or(0, |(_, count)| count);
        counted += before_attach;
        if (counters.connections.http2_midstream, before_attach) != (midstream, midstream) {
            wrong.push(format!("{}: {before_attach} before the attach", entry.file));
        }
    }
    println!("{whole} whole copies, {counted} requests counted");
    assert_eq!(wrong, Vec::<String>::new());
}
