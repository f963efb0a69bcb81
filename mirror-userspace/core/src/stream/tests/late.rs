//! A SYN that is read after what follows it: rings of several CPUs are read one after the other.

use super::*;
use crate::random::Random;

const FIRST: SeqNum = SeqNum(5);

impl Bench {
    /// Hands in a segment that was captured so many microseconds after now.
    fn send_captured(&mut self, micros: u64, flow: FlowId, first: SeqNum, sent: &Sent) {
        let now = self.now;
        self.now = now + Duration::from_micros(micros);
        self.send(flow, first, sent);
        self.now = now;
    }
}

#[test]
fn the_syn_of_a_connection_that_was_picked_up_behind_it_changes_nothing() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    bench.send_captured(3, flow(1), FIRST, &data(2, "cd"));
    bench.send_captured(1, flow(1), FIRST, &syn());
    bench.send_captured(4, flow(1), FIRST, &data(4, "ef"));
    bench.send_captured(5, flow(1), FIRST, &fin(6));
    assert_eq!(bench.short_log(), "middle ^cd ^ef Fin");
    bench.send_captured(1, flow(1), FIRST, &syn());
    assert_eq!(bench.table.len(), 0, "nor does it once that has ended");
    assert_eq!(bench.table.counters.late_segments, 1);
}

#[test]
fn a_later_syn_takes_the_four_tuple_all_the_same() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    bench.send_captured(3, flow(1), FIRST, &data(2, "cd"));
    bench.send_captured(4, flow(1), FIRST, &syn());
    bench.send_captured(5, flow(1), FIRST, &data(0, "GET"));
    assert_eq!(bench.short_log(), "middle ^cd Reused open ^GET");
}

#[test]
fn an_earlier_syn_with_a_number_from_ahead_takes_it_too() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    bench.send_captured(3, flow(1), FIRST, &data(2, "cd"));
    bench.send_captured(1, flow(1), FIRST + 90, &syn());
    assert_eq!(bench.short_log(), "middle ^cd", "until data follows it");
    bench.send_captured(4, flow(1), FIRST + 90, &data(0, "GET"));
    assert_eq!(bench.short_log(), "middle ^cd Reused open ^GET");
}

/// Whatever place the SYN is read at, there is one connection, and all of its bytes that
/// follow each other in the reading are told.
#[test]
fn a_syn_at_any_place_of_a_connection_opens_no_second_one() {
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let first = random.first();
        let mut segments: Vec<Sent> = (0..8).map(|at| data(at * 2, "ab")).collect();
        segments.push(fin(16));
        // What one CPU saw comes first, then the SYN and what else the other saw.
        let behind = random.below(segments.len());
        let from = random.below(segments.len() - behind);
        let order = (from..from + behind).chain(0..from).chain(from + behind..9);
        let mut bench = Bench::new(Limits::default(), 1 << 20);
        for (read, number) in order.enumerate() {
            if read == behind {
                bench.send_captured(0, flow(1), first, &syn());
            }
            let micros = number as u64 + 1;
            bench.send_captured(micros, flow(1), first, &segments[number]);
        }
        let counters = &bench.table.counters;
        assert_eq!(
            (counters.opened, counters.closed.fin, counters.closed.reused),
            (1, 1, 0),
            "seed {seed}: {}",
            bench.short_log()
        );
        assert_eq!(counters.lost.missing(), 0, "seed {seed}");
    }
}
