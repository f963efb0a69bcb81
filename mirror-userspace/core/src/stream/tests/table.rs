//! Connections: limits, eviction, time, what the caller is promised.

use std::collections::HashSet;

use super::*;

const FIRST: SeqNum = SeqNum(5);

fn closed(bench: &Bench) -> Vec<(FlowId, Close)> {
    let log = bench.log.iter();
    log.filter_map(|(flow, told)| match told {
        Told::Closed(why) => Some((*flow, *why)),
        _ => None,
    })
    .collect()
}

#[test]
fn in_order_payload_is_borrowed_and_costs_no_memory() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    bench.send(flow(1), FIRST, &syn());
    let used = bench.budget.used();
    let sent = data(0, "request");
    let segment = sent.segment(flow(1), FIRST, bench.now);
    let mut seen = None;
    bench.table.handle_segment(bench.now, &segment, |_, event| {
        if let StreamEvent::Data(data) = event {
            seen = Some((data.bytes.as_ptr(), data.at, data.ack));
        }
    });
    assert_eq!(
        seen,
        Some((segment.payload.as_ptr(), segment.at, segment.ack))
    );
    assert_eq!(bench.budget.used(), used);
}

#[test]
fn a_connection_is_small() {
    let cost = FlowTable::<()>::CONNECTION_COST;
    assert!(cost <= 152, "{cost} bytes");
}

#[test]
fn the_least_recently_active_connection_is_evicted() {
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, 1 << 20);
    for number in [1, 2, 3, 1] {
        bench.send(flow(number), FIRST, &data(0, "a"));
        bench.wait(Duration::from_millis(20));
    }
    bench.send(flow(4), FIRST, &data(0, "a"));
    assert_eq!(closed(&bench), [(flow(2), Close::Evicted)]);
    assert_eq!(bench.table.len(), 3);
    bench.send(flow(2), FIRST, &data(0, "ab"));
    let again = &bench.log[bench.log.len() - 2..];
    let rest = Told::Data {
        bytes: b"b".to_vec(),
        starts: false,
    };
    assert_eq!(again[0].1, Told::Opened { from_start: false });
    assert_eq!(
        again[1].1, rest,
        "what was delivered is not delivered twice"
    );
}

#[test]
fn connections_that_only_sent_a_syn_are_evicted_first() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, 1 << 20);
    bench.send(flow(1), FIRST, &syn());
    bench.send(flow(1), FIRST, &data(0, "a"));
    for number in 2..100 {
        bench.wait(Duration::from_millis(20));
        bench.send(flow(number), FIRST, &syn());
    }
    bench.send(flow(1), FIRST, &data(1, "b"));
    assert_eq!(bench.table.counters.closed.evicted, 97);
    assert!(
        closed(&bench)
            .iter()
            .all(|(evicted, _)| *evicted != flow(1))
    );
}

#[test]
fn an_evicted_connection_delivers_what_it_had_queued() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, 1 << 20);
    bench.send(flow(1), FIRST, &syn());
    bench.send(flow(1), FIRST, &data(2, "c"));
    bench.send(flow(2), FIRST, &syn());
    assert_eq!(bench.short_log(), "open -2 ^c Evicted open");
    assert_eq!(bench.table.counters.lost.evicted, 2);
}

#[test]
fn without_memory_for_connections_segments_are_refused_and_counted() {
    let mut bench = Bench::new(Limits::default(), 100);
    bench.send(flow(1), FIRST, &data(0, "abc"));
    assert_eq!((bench.table.len(), bench.log.len()), (0, 0));
    let counters = &bench.table.counters;
    assert_eq!((counters.refused_segments, counters.ignored), (1, 3));
}

#[test]
fn a_connection_that_finds_no_memory_takes_the_place_of_another() {
    let mut bench = Bench::new(Limits::default(), 20_000);
    for number in 0..200 {
        bench.send(flow(number), FIRST, &data(0, "a"));
    }
    let open = bench.table.len() as u64;
    assert!(open > 0 && open.is_multiple_of(64), "{open}");
    assert_eq!(bench.table.counters.closed.evicted, 200 - open);
    assert_eq!(bench.table.counters.refused_segments, 0);
}

#[test]
fn no_memory_for_a_hole_makes_it_a_gap_at_once() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    bench.send(flow(1), FIRST, &syn());
    let everything_else = bench.budget.limit() - bench.budget.used();
    let taken = bench.budget.reserve(everything_else).unwrap();
    bench.send(flow(1), FIRST, &data(2, "cd"));
    drop(taken);
    bench.send(flow(1), FIRST, &data(5, "f"));
    bench.send(flow(1), FIRST, &data(4, "e"));
    assert_eq!(bench.short_log(), "open -2 ^cd ^e ^f");
    assert_eq!(bench.table.counters.lost.over_budget, 2);
}

#[test]
fn too_much_behind_a_hole_gives_up_the_first_hole_only() {
    let limits = Limits {
        queued_bytes: 2_000,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, 1 << 20);
    bench.send(flow(1), FIRST, &syn());
    for offset in [10, 20, 30, 40, 50, 60] {
        bench.send(flow(1), FIRST, &data(offset, "0123456789"));
        bench.send(flow(1), FIRST, &data(offset + 100, "x"));
    }
    let expected =
        "open -10 ^0123456789 ^0123456789 ^0123456789 ^0123456789 ^0123456789 ^0123456789";
    assert!(
        bench.short_log().starts_with(expected),
        "{}",
        bench.short_log()
    );
    assert_eq!(bench.table.counters.gaps, 1);
    bench.send(flow(1), FIRST, &data(90, "0123456789"));
    let log = bench.short_log();
    assert!(log.ends_with(" -20 ^0123456789"), "{log}");
    assert_eq!(
        bench.table.queued(),
        6,
        "what stands behind the second hole still waits"
    );
}

#[test]
fn what_stands_before_the_queue_is_delivered_although_it_is_full() {
    let limits = Limits {
        queued_bytes: 1_200,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, 1 << 20);
    bench.send(flow(1), FIRST, &syn());
    bench.send(flow(1), FIRST, &data(9, "j"));
    bench.send(flow(1), FIRST, &data(8, "i"));
    bench.send(flow(1), FIRST, &data(6, "g"));
    assert_eq!(bench.short_log(), "open -6 ^g");
    bench.send(flow(1), FIRST, &data(7, "h"));
    assert_eq!(bench.short_log(), "open -6 ^g ^h ^i ^j");
}

#[test]
fn a_queue_gives_back_what_it_delivers() {
    let mut bench = Bench::new(Limits::default(), 64 << 10);
    bench.send(flow(1), FIRST, &syn());
    bench.send(flow(1), FIRST, &data(1_000_000, "x"));
    let used = bench.budget.used();
    for round in 0..200 {
        bench.send(flow(1), FIRST, &data(1_000 * round + 1, [b'y'; 999]));
        bench.send(flow(1), FIRST, &data(1_000 * round, "z"));
        assert_eq!(bench.budget.used(), used);
    }
    assert_eq!(bench.table.counters.gaps, 0, "there was room all the time");
}

#[test]
fn shutdown_gives_up_all_gaps_and_closes_all() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    bench.send(flow(1), FIRST, &data(0, "a"));
    bench.send(flow(1), FIRST, &data(2, "c"));
    bench.send(flow(1), FIRST, &data(4, "e"));
    bench.shutdown();
    assert_eq!(bench.short_log(), "middle ^a -1 ^c -1 ^e Shutdown");
    assert_eq!(bench.table.counters.lost.shutdown, 2);
}

#[test]
fn the_next_timeout_is_told() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    assert_eq!(bench.table.poll_timeout(), None);
    bench.send(flow(1), FIRST, &syn());
    let start = bench.now;
    assert_eq!(
        bench.table.poll_timeout(),
        Some(start + Duration::from_secs(120))
    );
    bench.send(flow(1), FIRST, &data(1, "b"));
    assert_eq!(
        bench.table.poll_timeout(),
        Some(start + Duration::from_secs(1))
    );
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.short_log(), "open -1 ^b");
    assert_eq!(
        bench.table.poll_timeout(),
        Some(start + Duration::from_secs(120))
    );
    bench.wait(Duration::from_secs(119));
    assert_eq!(bench.table.poll_timeout(), None);
}

#[test]
fn time_that_jumps_neither_panics_nor_starves() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    let jumps = [0, u64::MAX, 5_000_000_000, u64::MAX - 1, 0, 1 << 40];
    for (number, nanos) in (0..).zip(jumps) {
        bench.now = Time::from_nanos(nanos);
        bench.send(flow(number), FIRST, &syn());
        bench.send(flow(number), FIRST, &data(1, "b"));
        bench.wait(Duration::ZERO);
    }
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.table.queued(), 0, "the last one is given up as well");
    bench.wait(Duration::from_secs(120));
    assert!(bench.table.is_empty());
}

#[test]
fn the_same_four_tuple_at_two_attachments_is_two_connections() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    let elsewhere = FlowId {
        attachment: 2,
        ..flow(1)
    };
    bench.send(flow(1), FIRST, &data(0, "a"));
    bench.send(elsewhere, FIRST, &data(0, "a"));
    assert_eq!(bench.table.len(), 2);
}

#[test]
fn the_connections_of_one_attachment_end_and_no_others() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    let at_two = |number| FlowId {
        attachment: 2,
        ..flow(number)
    };
    // More than a page of connections, every other one elsewhere.
    for number in 0..100 {
        bench.send(flow(number), FIRST, &data(0, "a"));
        bench.send(at_two(number), FIRST, &data(0, "a"));
        bench.send(at_two(number), FIRST, &data(2, "c"));
    }
    let log = &mut bench.log;
    bench
        .table
        .end_attachment(bench.now, 2, |who, event| tell(log, who, event));
    bench.check();
    let ended: HashSet<_> = closed(&bench).into_iter().collect();
    let expected: HashSet<_> = (0..100).map(|n| (at_two(n), Close::Detached)).collect();
    assert_eq!(ended, expected);
    assert_eq!(bench.table.len(), 100);
    let counters = &bench.table.counters;
    assert_eq!(
        (counters.lost.detached, counters.closed.detached),
        (100, 100)
    );
    assert_eq!(bench.table.queued(), 0, "what stood behind holes was told");
}
