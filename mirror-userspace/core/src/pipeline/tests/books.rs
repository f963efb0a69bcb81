//! The books notice what vanishes inside: a request or a connection that ends in no bucket.

use super::{
    super::{assembly::Request, context::RequestContext},
    *,
};
use crate::{
    counters::TargetCounters,
    ledger::{Counted, Ledger, Names},
    testing::{flow_of, with_head},
};

/// The books of a run that is over, whose targets took and answered all that they were given.
pub(super) fn books(pipeline: &Pipeline) -> Ledger {
    let answered = |number: usize| {
        let sent = pipeline.counters().targets[number].handed_over;
        let mut target = TargetCounters {
            sent,
            ..TargetCounters::default()
        };
        target.answered.success = sent;
        target
    };
    let targets = pipeline.counters().targets.len();
    let counted = Counted {
        flow: *pipeline.flow_counters(),
        pipeline: pipeline.counters().clone(),
        targets: (0..targets).map(answered).collect(),
        ..Counted::default()
    };
    let names = Names {
        rules: pipeline.assembly.policy.rules().to_vec(),
        targets: (0..targets).map(|number| number.to_string()).collect(),
        terms: None,
    };
    Ledger::new(&counted, &names).at_end()
}

/// Forgets all connections with what they are in the middle of, as a bug might: nobody is told.
fn forget_connections(pipeline: &mut Pipeline) {
    let counters = pipeline.table.counters;
    pipeline.table = FlowTable::new(stream::Limits::default(), pipeline.budget.clone());
    pipeline.table.counters = counters;
}

/// What each kind of vanishing leaves in the middle.
const UNDER_WAY: [&str; 4] = [
    "",
    "GE",
    "POST /b HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc",
    GET,
];

#[test]
fn a_request_or_connection_that_vanishes_keeps_them_from_balancing() {
    for targets in [1, 2] {
        for stream in UNDER_WAY {
            for vanishes in [false, true] {
                let mut bench = Bench::new(Limits::default(), to_targets(targets));
                let mut client = bench.connect(1);
                bench.say(&mut client, stream);
                let running = books(&bench.pipeline);
                assert!(running.balances(), "{running}");
                assert_eq!(running.connections.open, 1);
                if vanishes {
                    forget_connections(&mut bench.pipeline);
                }
                bench.pipeline.shutdown();
                bench.drain();
                let ledger = books(&bench.pipeline);
                assert_eq!(ledger.balanced, !vanishes, "{stream:?}: {ledger}");
            }
        }
    }
}

#[test]
fn a_request_that_its_connection_forgets_keeps_them_from_balancing() {
    for forgotten in [false, true] {
        let policy = Policy::new(to_targets(1)).unwrap();
        let mut pipeline = Pipeline::new(Limits::default(), policy);
        let place = RequestContext {
            flow: Some(flow_of("10.0.0.1:4000")),
            ..RequestContext::default()
        };
        let mut request = Request::None;
        with_head(GET.as_bytes(), |head| {
            pipeline.assembly.begin(&place, &mut request, head.into());
        });
        if forgotten {
            drop(request);
        } else {
            pipeline.assembly.finish(&place, &mut request);
        }
        let ledger = books(&pipeline);
        assert_eq!(ledger.balanced, !forgotten, "{ledger}");
        assert_eq!(ledger.requests.pending, u64::from(forgotten));
    }
}

#[test]
fn what_is_under_way_is_pending_until_it_ends() {
    let mut bench = Bench::new(Limits::default(), to_targets(2));
    let mut client = bench.connect(1);
    bench.say(&mut client, post(6) + "abc");
    let books = |bench: &Bench| books(&bench.pipeline).requests;
    assert_eq!((books(&bench).framed, books(&bench).pending), (2, 2));
    bench.say(&mut client, "def");
    assert_eq!((books(&bench).pending, books(&bench).sent), (0, 2));
    bench.end();
}

#[test]
fn a_request_that_is_counted_in_no_bucket_or_in_two_shows() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, GET);
    bench.finish(&client);
    assert!(books(&bench.pipeline).balanced);
    bench.pipeline.assembly.counters.requests += 1;
    assert!(!books(&bench.pipeline).balanced);
    bench.pipeline.assembly.counters.requests -= 2;
    assert!(!books(&bench.pipeline).balanced);
}
