//! The bytes put together are those that the oracle tells, or that a Linux socket delivered.

use std::{collections::BTreeMap, time::Duration};

use mirror_capture::file::CaptureFile;
use mirror_core::{
    budget::Budget,
    stream::{Consumer, FlowTable, Limits, StreamEvent},
};
use sha2::{Digest, Sha256};

use super::{
    deviations,
    oracle::{Connection, Corpus, Entry},
};

/// One connection's bytes up to the first hole.
#[derive(Default)]
struct Delivered {
    key: Option<(String, String)>,
    len: u64,
    hash: Sha256,
    torn: bool,
}

impl Consumer for Delivered {}

/// Lengths and hashes of the connections of each client and server, in order.
type Found = BTreeMap<(String, String), Vec<(u64, String)>>;

fn reassemble(corpus: &Corpus, entry: &Entry) -> Found {
    // The oracle's tools look at no checksums, and some captures were altered.
    let mut capture = CaptureFile::open(&corpus.path(&entry.file))
        .unwrap()
        .ignoring_checksums(true);
    // A socket waits for missing bytes as long as the connection lasts.
    let limits = Limits {
        gap_wait: Duration::from_secs(1 << 30),
        idle: Duration::from_secs(1 << 30),
        ..Limits::default()
    };
    let mut flows = FlowTable::<Delivered>::new(limits, Budget::new(64 << 20));
    let mut found = Found::new();
    let mut deliver = |state: &mut Delivered, event: StreamEvent<'_>| match event {
        StreamEvent::Opened { flow, .. } => {
            state.key = Some((flow.client.to_string(), flow.server.to_string()));
        }
        StreamEvent::Data(data) if !state.torn => {
            state.len += data.bytes.len() as u64;
            state.hash.update(data.bytes);
        }
        StreamEvent::Data(_) | StreamEvent::Acknowledged { .. } | StreamEvent::FromServer(_) => {}
        StreamEvent::Gap { .. } => state.torn = true,
        StreamEvent::Closed(_) => {
            let state = std::mem::take(state);
            let hash = state
                .hash
                .finalize()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            found
                .entry(state.key.unwrap())
                .or_default()
                .push((state.len, hash));
        }
    };
    while let Some(captured) = capture.next_segment().unwrap() {
        let segment = captured.segment;
        flows.handle_segment(segment.at, &segment, &mut deliver);
    }
    flows.shutdown(&mut deliver);
    found
}

/// What the oracle tells of the connections of a client and server that carried anything, and how
/// many of them a Linux socket tells.
fn told(connection: &Connection) -> (Vec<(u64, String)>, usize) {
    let mut by_socket = 0;
    let told = connection.sent().into_iter().filter_map(|sent| {
        let c2s = sent.c2s;
        match sent.c2s_linux_kernel_recv {
            Some(received) => {
                by_socket += 1;
                Some((received.len, received.sha256))
            }
            None => Some((c2s.contiguous_len, c2s.sha256_contiguous?)),
        }
    });
    (told.filter(|(len, _)| *len > 0).collect(), by_socket)
}

#[test]
fn the_bytes_are_those_that_the_server_received() {
    let Some(corpus) = Corpus::named() else {
        return;
    };
    let (mut wrong, mut compared, mut by_socket) = (Vec::new(), 0, 0);
    for entry in corpus.entries() {
        let mut found = reassemble(&corpus, &entry);
        for connection in corpus.oracle(&entry).connections() {
            let key = (connection.client(), connection.server());
            let mut found = found.remove(&key).unwrap_or_default();
            found.retain(|(len, _)| *len > 0);
            let (expected, of_those) = told(&connection);
            compared += expected.len();
            by_socket += of_those;
            let deviates = deviations::of(deviations::BYTES, &entry.file, &key.0).is_some();
            let expected = if deviates { Vec::new() } else { expected };
            if found != expected {
                wrong.push(format!(
                    "{} {key:?}: expected {expected:?}, found {found:?}",
                    entry.file
                ));
            }
        }
    }
    println!("{compared} connections compared, {by_socket} of them with a Linux socket");
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
