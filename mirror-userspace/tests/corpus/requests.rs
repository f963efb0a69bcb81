//! The requests found are those that the oracle tells.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use mirror_capture::file::CaptureFile;
use mirror_core::{
    pipeline::{Limits, Pipeline},
    policy::{FilterConfig, Policy, PolicyConfig, TargetPolicy},
};
use mirror_runtime::playback::{self, Playback, Printer, RequestLine};

use super::{
    deviations::{self, Deviation},
    oracle::{Connection, Corpus, Entry, Request},
};

/// The requests of a capture, by client and server.
type Found = BTreeMap<(String, String), Vec<Request>>;

/// What `podmirror replay --print` prints of a capture, by the same code.
fn print(corpus: &Corpus, entry: &Entry) -> Found {
    let mut capture = CaptureFile::open(&corpus.path(&entry.file)).unwrap();
    let limits = Limits {
        flow: playback::patience(),
        ..Limits::default()
    };
    let policy = PolicyConfig {
        filter: FilterConfig::default().without_guards(),
        targets: vec![TargetPolicy::default()],
        ..PolicyConfig::default()
    };
    let mut pipeline = Pipeline::observing(limits, Policy::new(policy).unwrap());
    let found = Rc::new(RefCell::new(Found::new()));
    let printed = Rc::clone(&found);
    let emit = move |line: RequestLine| {
        printed
            .borrow_mut()
            .entry((line.src, line.dst))
            .or_default()
            .push(Request {
                method: line.method,
                target: line.target,
                host: line.host,
                body_len: line.body_len,
                body_sha256: (line.body_len > 0).then_some(line.body_sha256),
                complete: true,
            });
    };
    pipeline.observe(Box::new(Printer::new(pipeline.budget().clone(), emit)));
    let mut playback = Playback::new(pipeline);
    while let Some(captured) = capture.next_segment().unwrap() {
        playback.handle(captured.stream, &captured.segment);
    }
    playback.pipeline().shutdown();
    let counters = playback.pipeline().counters();
    let printed: usize = found.borrow().values().map(Vec::len).sum();
    assert_eq!(counters.observed, printed as u64);
    found.take()
}

fn short(requests: &[Request]) -> Vec<String> {
    let line = |request: &Request| {
        let Request { method, target, .. } = request;
        let host = request.host.as_deref().unwrap_or("no host");
        format!("{method} {target:.60} ({host}, {} bytes)", request.body_len)
    };
    requests.iter().map(line).collect()
}

/// What is wrong with the requests found on a connection.
fn compare(expected: &Connection, found: &[Request]) -> Result<(), String> {
    let complete = match expected.complete() {
        // See `http2_copies`, which knows their streams.
        _ if expected.is_http2() => return Ok(()),
        Some(complete) => complete,
        None if found.is_empty() => return Ok(()),
        None => return Err(format!("nobody can say, found {:?}", short(found))),
    };
    let (found, optional) = if expected.has_holes() {
        found.split_at(complete.len().min(found.len()))
    } else {
        (found, &[][..])
    };
    if found != complete {
        return Err(format!(
            "expected {:?}, found {:?}",
            short(&complete),
            short(found)
        ));
    }
    match &expected.requests_of_the_base_capture {
        Some(base) if !is_subsequence(optional, base) => {
            Err(format!("behind a hole, never sent: {:?}", short(optional)))
        }
        _ => Ok(()),
    }
}

fn is_subsequence(some: &[Request], all: &[Request]) -> bool {
    let mut all = all.iter();
    some.iter()
        .all(|wanted| all.any(|request| request == wanted))
}

/// What is wrong where another outcome than the oracle's was decided to be right.
fn compare_deviating(
    deviation: &Deviation,
    expected: &Connection,
    found: &[Request],
) -> Result<(), String> {
    if compare(expected, found).is_ok() {
        return Err("agrees with the oracle: its deviation is out of date".into());
    }
    let lines = found
        .iter()
        .map(|request| (&request.method[..], &request.target[..]));
    if lines.eq(deviation.found.iter().copied()) {
        return Ok(());
    }
    Err(format!(
        "expected {:?}, found {:?}",
        deviation.found,
        short(found)
    ))
}

#[test]
fn the_requests_are_those_that_independent_tools_found() {
    let Some(corpus) = Corpus::named() else {
        return;
    };
    let (mut wrong, mut requests, mut connections) = (Vec::new(), 0, 0);
    for entry in corpus.entries() {
        let mut found = print(&corpus, &entry);
        for expected in corpus.oracle(&entry).connections() {
            let key = (expected.client(), expected.server());
            let found = found.remove(&key).unwrap_or_default();
            connections += 1;
            requests += found.len();
            let compared = match deviations::of(deviations::REQUESTS, &entry.file, &key.0) {
                None => compare(&expected, &found),
                Some(deviation) => {
                    println!("{} {}: {}", entry.file, key.0, deviation.reason);
                    compare_deviating(deviation, &expected, &found)
                }
            };
            if let Err(difference) = compared {
                wrong.push(format!("{} {key:?}: {difference}", entry.file));
            }
        }
        for (key, found) in found {
            wrong.push(format!(
                "{} {key:?}: unknown, found {:?}",
                entry.file,
                short(&found)
            ));
        }
    }
    println!("{requests} requests on {connections} connections");
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
