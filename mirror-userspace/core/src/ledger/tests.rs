use super::*;
use crate::{
    counters::TargetCounters,
    pipeline::{DropReason, PipelineCounters},
};

/// Ten requests, one in each kind of bucket or more, and the segments that brought them.
fn counted() -> (Counted, Names) {
    let mut counted = Counted::default();
    counted.kernel.seen = 31;
    counted.kernel.other_port = 1;
    counted.kernel.copied = 30;
    counted.ring.read = 30;
    counted.flow.opened = 2;
    counted.flow.closed.fin = 1;
    counted.pipeline = PipelineCounters::new(1, 1);
    counted.pipeline.connections.opened = 2;
    counted.pipeline.connections.open = 1;
    counted.pipeline.connections.http1 = 1;
    counted.pipeline.connections.undecided = 1;
    counted.pipeline.requests = 10;
    counted.pipeline.filtered[0] = 1;
    counted.pipeline.lost_unseen.count(DropReason::OverBudget);
    counted.pipeline.targets[0].sampled_out = 2;
    counted.pipeline.targets[0].handed_over = 6;
    let mut target = TargetCounters {
        sent: 5,
        ..TargetCounters::default()
    };
    target.dropped.queue_full = 1;
    target.answered.success = 4;
    target.failed.timeout = 1;
    counted.targets.push(target);
    let names = Names {
        rules: vec!["deny-path /x".into()],
        targets: vec!["http://v2".into()],
        terms: None,
    };
    (counted, names)
}

#[test]
fn books_in_which_everything_has_its_place_balance() {
    let (counted, names) = counted();
    let ledger = Ledger::new(&counted, &names);
    assert!(ledger.balanced, "{ledger}");
    assert_eq!(ledger.requests.pending, 0);
    assert_eq!(ledger.targets["http://v2"].requests, ledger.requests);
}

#[test]
fn a_count_that_is_off_anywhere_shows() {
    let off: [fn(&mut Counted); 12] = [
        |counted| counted.kernel.refused[3] += 1,
        |counted| counted.pipeline.connections.open -= 1,
        |counted| counted.pipeline.requests += 1,
        |counted| counted.pipeline.targets[0].assembling += 1,
        |counted| counted.pipeline.connections.undecided += 1,
        |counted| counted.kernel.seen += 1,
        |counted| counted.ring.read -= 1,
        |counted| counted.flow.opened += 1,
        |counted| counted.pipeline.targets[0].handed_over += 1,
        |counted| counted.pipeline.targets[0].sampled_out += 1,
        |counted| counted.targets[0].answered.success += 1,
        |counted| counted.targets[0].dropped.max_rps += 1,
    ];
    for (number, off) in off.into_iter().enumerate() {
        let (mut counted, names) = counted();
        off(&mut counted);
        let ledger = Ledger::new(&counted, &names);
        assert!(!ledger.balanced, "number {number}: {ledger}");
        assert!(ledger.to_string().ends_with("NOT BALANCED\n"));
        let running = ledger.while_running().to_string();
        assert!(running.contains("\nnot balanced: segments were under way"));
    }
}

#[test]
fn requests_under_way_are_pending_and_in_flight() {
    let (mut counted, names) = counted();
    counted.pipeline.requests += 2;
    counted.pipeline.targets[0].handed_over += 1;
    counted.pipeline.targets[0].assembling = 1;
    counted.targets[0].sent += 1;
    counted.targets[0].in_flight = 1;
    let ledger = Ledger::new(&counted, &names);
    assert!(ledger.balanced, "{ledger}");
    assert_eq!((ledger.requests.pending, ledger.replies.in_flight), (1, 1));
    assert!(!ledger.at_end().balanced);
}

#[test]
fn copies_that_were_sent_again_are_said_and_count_once() {
    let (mut counted, names) = counted();
    counted.targets[0].sent_again = 3;
    let ledger = Ledger::new(&counted, &names);
    assert!(ledger.balanced, "{ledger}");
    let json = serde_json::to_value(&ledger).unwrap();
    assert_eq!(json["sent_again"], 3);
    let target = names.targets[0].as_str();
    assert_eq!(json["targets"][target]["sent_again"], 3);
    assert!(ledger.to_string().contains("  sent again "), "{ledger}");
}

#[test]
fn with_two_targets_a_request_counts_for_each() {
    let (mut counted, mut names) = counted();
    counted
        .pipeline
        .targets
        .push(counted.pipeline.targets[0].clone());
    counted.targets.push(counted.targets[0].clone());
    names.targets.push("http://v3".into());
    let ledger = Ledger::new(&counted, &names);
    assert!(ledger.balanced, "{ledger}");
    assert_eq!((ledger.requests.framed, ledger.requests.sent), (20, 10));
    assert_eq!(ledger.targets["http://v3"].requests.framed, 10);
}

#[test]
fn the_text_leaves_empty_rows_out_and_the_json_does_not() {
    let (counted, names) = counted();
    let ledger = Ledger::new(&counted, &names);
    let text = ledger.to_string();
    assert!(
        text.contains("filtered deny-path /x") && !text.contains("ring full"),
        "{text}"
    );
    let json = serde_json::to_value(&ledger).unwrap();
    let keys: Vec<_> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let contract = [
        "segments",
        "reply_segments",
        "requests",
        "replies",
        "sent_again",
        "http2_requests",
        "http2_most_on_a_connection",
        "http2_connections_by_requests",
        "connections",
        "streams",
        "bytes_lost",
        "replies_of_v1",
        "v1_latency_us",
        "not_followed",
        "targets",
        "balanced",
    ];
    assert_eq!(keys, contract);
    for path in [
        "/segments/ring_full",
        "/segments/refused/syn_on_established",
        "/segments/implausible/no_ack",
        "/segments/unparsable/fragment",
        "/requests/dropped/gap",
        "/not_followed/doubt/requests_at_least",
        "/replies/answered/5xx",
    ] {
        assert_eq!(json.pointer(path), Some(&0.into()), "{path}");
    }
}
