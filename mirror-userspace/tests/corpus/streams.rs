//! Connections are told apart and ordered as Wireshark does it.

use std::collections::{BTreeMap, BTreeSet};

use mirror_capture::file::{CaptureFile, Captured};
use mirror_core::segment::FlowId;

use super::oracle::{Corpus, Entry};

/// The numbers of the connections of each client and server; `None` if there are packets with
/// headers that contradict themselves, which Wireshark numbers and we do not.
fn number(corpus: &Corpus, entry: &Entry) -> Option<BTreeMap<(String, String), BTreeSet<u64>>> {
    let mut capture = CaptureFile::open(&corpus.path(&entry.file)).unwrap();
    let mut found = BTreeMap::<_, BTreeSet<u64>>::new();
    while let Some(Captured { stream, segment }) = capture.next_segment().unwrap() {
        let FlowId { client, server, .. } = segment.flow;
        let key = (client.to_string(), server.to_string());
        found.entry(key).or_default().insert(stream.0);
    }
    (capture.counters().unparsable == 0).then_some(found)
}

#[test]
fn connections_are_numbered_in_wiresharks_order() {
    let Some(corpus) = Corpus::named() else {
        return;
    };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for entry in corpus.entries() {
        let Some(mut found) = number(&corpus, &entry) else {
            continue;
        };
        let mut numbers = Vec::new();
        for connection in corpus.oracle(&entry).connections() {
            let key = (connection.client(), connection.server());
            let sent = connection.sent();
            let expected: Vec<u64> = sent.iter().filter_map(|s| s.tshark_tcp_stream).collect();
            let found = found.remove(&key).unwrap_or_default();
            // Of some, only acknowledgments came from the client: they are not given out.
            if found.len() == expected.len() {
                numbers.extend(expected.into_iter().zip(found));
            } else if found.len() > expected.len() && !expected.is_empty() {
                wrong.push(format!(
                    "{} {key:?}: {found:?} for {expected:?}",
                    entry.file
                ));
            }
        }
        numbers.sort_unstable();
        compared += numbers.len();
        // Wireshark leaves numbers out where it reads a connection twice (SOCKS).
        if !numbers.is_sorted_by(|(_, one), (_, next)| one < next) {
            wrong.push(format!("{}: {numbers:?}", entry.file));
        }
    }
    println!("{compared} numbers compared");
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
