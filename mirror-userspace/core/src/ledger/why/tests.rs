use std::collections::BTreeSet;

use super::*;
use crate::{
    counters::{FileCounters, NotRead, TargetCounters},
    ledger::{Counted, Ledger, Named, Names},
    pipeline::PipelineCounters,
};

/// What counts something that ended well, or that only says what there was: no reason is asked for.
const NO_LOSS: [&str; 2] = ["requests.filtered", "segments.copied"];

/// Every reason that the ledger can name, as `row.reason`.
fn named() -> BTreeSet<String> {
    let counted = Counted {
        pipeline: PipelineCounters::new(0, 1),
        targets: vec![TargetCounters::default()],
        ..Counted::default()
    };
    let names = Names {
        targets: vec!["http://v2".into()],
        ..Names::default()
    };
    let live = Ledger::new(&counted, &names);
    let file = live
        .clone()
        .with_file(&FileCounters::default(), &NotRead::default(), 0);
    let mut all = BTreeSet::new();
    let mut add = |path: &str, counts: &Named| {
        all.extend(counts.keys().map(|reason| format!("{path}.{reason}")));
    };
    for ledger in [live, file] {
        add("segments.refused", &ledger.segments.refused);
        add("segments.unparsable", &ledger.segments.unparsable);
        add("segments.implausible", &ledger.segments.implausible);
        add("bytes_lost", &ledger.bytes_lost);
        add("requests.dropped", &ledger.requests.dropped);
        add("replies.failed", &ledger.replies.failed);
        let passed = ledger.not_followed.keys().map(|name| (name.clone(), 0));
        add("not_followed", &passed.collect());
    }
    // Those that have a field of their own.
    let single = [
        "other_port",
        "no_payload",
        "from_server",
        "sampled_out",
        "ring_full",
    ];
    all.extend(single.map(|name| format!("segments.{name}")));
    all.insert("requests.sampled_out".into());
    all
}

#[test]
fn every_reason_of_the_ledger_is_explained_and_none_besides() {
    let explained = ROWS.iter().flat_map(|row| {
        let reasons = row.reasons.iter();
        reasons.map(move |reason| format!("{}.{}", row.path, reason.name))
    });
    let explained: Vec<_> = explained.collect();
    let once: BTreeSet<_> = explained.iter().cloned().collect();
    assert_eq!(once.len(), explained.len(), "one of them is there twice");
    assert_eq!(once, named());
}

/// So that no count of the ledger that says what was lost is missing from [`named`].
#[test]
fn every_map_of_the_ledger_is_looked_at() {
    let ledger = serde_json::to_value(Ledger::default()).unwrap();
    let mut maps = BTreeSet::new();
    for (row, value) in ledger.as_object().unwrap() {
        let fields = value.as_object().into_iter().flatten();
        let inner = fields.filter(|(_, value)| value.is_object());
        maps.extend(inner.map(|(field, _)| format!("{row}.{field}")));
        if value.as_object().is_some_and(serde_json::Map::is_empty) {
            maps.insert(row.clone());
        }
    }
    let known = [
        "replies.answered",
        "http2_connections_by_requests",
        "reply_segments",
        "replies_of_v1",
        // What they cost is in `bytes_lost` and `requests.dropped`.
        "streams.segments",
        "streams.bytes",
        "streams.closed",
        "targets",
    ];
    let explained = ROWS.iter().map(|row| row.path);
    let known: BTreeSet<_> = known.into_iter().chain(NO_LOSS).chain(explained).collect();
    let forgotten: Vec<_> = maps
        .iter()
        .filter(|map| !known.contains(map.as_str()))
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn a_reason_is_found_by_its_name_and_by_its_path() {
    let rows = |name| find(name).map(|(row, _)| row.path).collect::<Vec<_>>();
    assert_eq!(rows("ring_full"), ["segments"]);
    assert_eq!(rows("gap"), ["bytes_lost", "requests.dropped"]);
    assert_eq!(rows("requests.dropped.gap"), ["requests.dropped"]);
    assert_eq!(rows("requests.dropped"), Vec::<&str>::new());
    assert_eq!(rows(""), Vec::<&str>::new());
}
