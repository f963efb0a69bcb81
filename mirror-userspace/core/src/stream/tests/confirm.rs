//! What is told when v1's acknowledgments are waited for.

use super::*;
use crate::stream::Confirm;

const FIRST: SeqNum = SeqNum(u32::MAX - 5);

fn bench() -> Bench {
    let limits = Limits {
        confirm: Confirm::Ack,
        ..Limits::default()
    };
    Bench::new(limits, 1 << 20)
}

impl Bench {
    /// The client sends.
    fn says(&mut self, sent: &Sent) -> String {
        self.send(flow(1), FIRST, sent);
        self.short_log()
    }

    /// The client sends, and the server's kernel waits for the byte at `expected` when that comes.
    fn says_to(&mut self, sent: &Sent, expected: u32) -> String {
        let mut segment = sent.segment(flow(1), FIRST, self.now);
        segment.expected = Some(FIRST + expected);
        let (now, log) = (self.now, &mut self.log);
        self.table
            .handle_segment(now, &segment, |who, event| tell(log, who, event));
        self.check();
        self.short_log()
    }

    /// The server acknowledges all bytes before this one.
    fn acks(&mut self, offset: u32) -> String {
        let empty = data(0, "");
        let mut ack = empty.segment(flow(1), FIRST, self.now);
        ack.direction = Direction::ToClient;
        ack.ack = Some(FIRST + offset);
        let (now, log) = (self.now, &mut self.log);
        self.table
            .handle_segment(now, &ack, |who, event| tell(log, who, event));
        self.check();
        self.short_log()
    }
}

#[test]
fn what_v1_had_before_the_first_segment_is_not_told_when_it_is_sent_again() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    assert_eq!(bench.says_to(&data(0, "GET"), 3), "");
    assert_eq!(bench.table.counters.unknown_segments, 1);
    assert_eq!(bench.says_to(&data(2, "Tab"), 3), "middle ab");
    assert_eq!(bench.says_to(&data(5, "c"), 5), "middle ab ^c");
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    assert_eq!(
        bench.says_to(&data(4, "b"), 3),
        "middle ^b",
        "with a hole before it"
    );
}

#[test]
fn bytes_are_told_when_they_are_acknowledged() {
    let mut bench = bench();
    bench.says(&syn());
    assert_eq!(bench.says(&data(0, "ab")), "open");
    assert_eq!(bench.says(&data(2, "cd")), "open");
    assert_eq!(bench.acks(2), "open ^ab");
    assert_eq!(bench.acks(1), "open ^ab", "an old one changes nothing");
    assert_eq!(bench.acks(3), "open ^ab");
    assert_eq!(bench.acks(4), "open ^ab ^cd");
    assert_eq!(bench.says(&data(4, "e").and(flag::FIN)), "open ^ab ^cd");
    assert_eq!(bench.acks(6), "open ^ab ^cd ^e Fin");
}

#[test]
fn an_acknowledgment_that_is_read_first_frees_what_follows() {
    let mut bench = bench();
    bench.says(&syn());
    bench.acks(2);
    assert_eq!(bench.says(&data(0, "ab")), "open ^ab");
}

#[test]
fn what_the_servers_kernel_waits_for_is_proof_too() {
    let mut bench = bench();
    bench.says(&syn());
    bench.says(&data(0, "ab"));
    assert_eq!(bench.says_to(&data(2, "cd"), 2), "open ^ab");
}

#[test]
fn an_acknowledgment_from_far_ahead_frees_nothing() {
    let mut bench = bench();
    bench.says(&syn());
    bench.says(&data(0, "ab"));
    assert_eq!(bench.acks((32 << 20) + 3), "open");
    assert_eq!(bench.table.counters.implausible.acknowledgment, 1);
}

#[test]
fn bytes_that_come_again_are_told_only_if_they_are_the_same() {
    let mut bench = bench();
    bench.says(&syn());
    bench.says(&data(0, "ab"));
    bench.says(&data(2, "cd"));
    bench.says(&data(4, "ef"));
    bench.says(&data(0, "abc"));
    bench.says(&data(3, "X"));
    assert_eq!(bench.acks(6), "open ^ab -2 ^ef");
    let lost = bench.table.counters.lost;
    assert_eq!((lost.conflicting, lost.missing()), (2, 2));
    bench.says(&data(4, "XY"));
    assert_eq!(bench.table.counters.lost.conflicting, 2, "told is told");
}

#[test]
fn what_was_never_acknowledged_is_told_to_nobody() {
    for (end, told) in [
        (rst(5), "open ^ab ^c -1 Reset"),
        (data(99, "").and(flag::SYN), "open ^ab ^c -1 Shutdown"),
    ] {
        let mut bench = bench();
        bench.says(&syn());
        bench.says(&data(0, "ab"));
        bench.says(&data(2, "cd"));
        bench.acks(3);
        bench.says(&end);
        bench.shutdown();
        assert_eq!(bench.short_log(), told);
        assert_eq!(bench.table.counters.lost.unconfirmed, 1);
    }
}

#[test]
fn a_reset_drops_nothing_that_was_acknowledged_behind_a_hole() {
    let mut bench = bench();
    bench.says(&syn());
    bench.says(&data(2, "cd"));
    bench.says(&data(6, "gh"));
    bench.acks(4);
    assert_eq!(bench.says(&rst(8)), "open -2 ^cd Reset");
    assert_eq!(bench.table.counters.lost.reset, 2);
}

#[test]
fn a_hole_is_given_up_only_if_the_server_has_it() {
    let mut bench = bench();
    bench.says(&syn());
    bench.says(&data(2, "cd"));
    bench.wait(Duration::from_secs(20));
    assert_eq!(bench.short_log(), "open", "the network will fill it");
    bench.acks(4);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.short_log(), "open -2 ^cd");
}

#[test]
fn what_finds_no_room_is_a_gap() {
    let limits = Limits {
        confirm: Confirm::Ack,
        unconfirmed_bytes: 500,
        ..Limits::default()
    };
    let mut bench = Bench::new(limits, 1 << 20);
    bench.says(&syn());
    for offset in [0, 2, 4, 6] {
        bench.says(&data(offset, "ab"));
    }
    assert_eq!(bench.acks(8), "open ^ab ^ab -4");
    assert_eq!(bench.says(&fin(8)), "open ^ab ^ab -4 Fin");
    assert_eq!(bench.table.counters.lost.unconfirmed, 4);
}

#[test]
fn nothing_is_taken_behind_an_end_that_is_not_acknowledged_yet() {
    let mut bench = bench();
    bench.says(&syn());
    bench.says(&data(0, "ab").and(flag::FIN));
    bench.says(&data(3, "X"));
    bench.says(&data(0, "ab").and(flag::FIN));
    assert_eq!(bench.acks(3), "open ^ab Fin");
}

/// Where nothing waits for the server, its kernel still says which holes it has.
#[test]
fn a_kernel_that_is_asked_tells_the_networks_loss_from_the_captures() {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    bench.says(&syn());
    bench.says_to(&data(0, "ab"), 0);
    bench.says_to(&data(4, "ef"), 2);
    bench.wait(Duration::from_secs(20));
    assert_eq!(bench.short_log(), "open ^ab", "the network will fill it");
    bench.says_to(&data(6, "gh"), 6);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.short_log(), "open ^ab -2 ^ef ^gh");
}

#[test]
fn what_an_asked_kernel_never_had_is_lost_with_the_reset() {
    for (expected, told) in [(2, "open ^ab Reset"), (6, "open ^ab -2 ^ef Reset")] {
        let mut bench = Bench::new(Limits::default(), 1 << 20);
        bench.says(&syn());
        bench.says_to(&data(0, "ab"), 0);
        bench.says_to(&data(4, "ef"), 2);
        assert_eq!(bench.says_to(&rst(6), expected), told);
    }
}

#[test]
fn what_the_kernel_has_not_taken_for_long_gives_way_to_what_comes_again() {
    // (since the first, where the kernel stands when it comes again, what comes again) and what is told.
    for (ms, expected, again, told) in [
        (50, 0, "xy", "open ^xy"),
        (50, 0, "xyz", "open ^xy z"),
        (49, 0, "xy", "open -2"),
        (50, 2, "xy", "open ^ab"),
        (50, 0, "x", "open -2"),
    ] {
        let mut bench = bench();
        bench.says(&syn());
        bench.says_to(&data(0, "ab"), 0);
        bench.wait(Duration::from_millis(ms));
        let before = bench.short_log();
        bench.says_to(&data(0, again), expected);
        let case = format!("{ms} ms, {expected}, {again}");
        assert_eq!(bench.acks(3), told, "{case}");
        assert_eq!(before, "open", "{case}");
        let replaced = u64::from(expected == 0 && told.contains('^'));
        assert_eq!(
            bench.table.counters.implausible.never_taken, replaced,
            "{case}"
        );
    }
}

#[test]
fn a_hole_that_the_server_has_is_given_up_at_once() {
    let mut bench = bench();
    bench.says(&syn());
    bench.says(&data(2, "cd"));
    bench.wait(Duration::from_millis(500));
    bench.acks(1);
    bench.wait(Duration::from_millis(20));
    assert_eq!(bench.short_log(), "open", "a part of it");
    bench.acks(2);
    assert_eq!(
        bench.table.poll_timeout(),
        Some(bench.now + Duration::from_millis(20))
    );
    bench.wait(Duration::from_millis(19));
    assert_eq!(bench.short_log(), "open", "it may be captured late");
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.acks(4), "open -2 ^cd");
    // The next one is known to be there from the start.
    bench.acks(9);
    bench.says(&data(6, "gh"));
    bench.wait(Duration::from_millis(20));
    assert_eq!(bench.short_log(), "open -2 ^cd -2 ^gh");
}

#[test]
fn segments_behind_a_hole_that_contradict_each_other_are_told_to_nobody() {
    // In every order, and whoever covers whom.
    let pieces = [
        data(2, "cdef"),
        data(3, "DE"),
        data(4, "efgh"),
        data(0, "abcd"),
    ];
    for order in [[0, 1, 2, 3], [1, 0, 3, 2], [2, 1, 0, 3], [0, 3, 1, 2]] {
        let mut bench = bench();
        bench.says(&syn());
        for at in order {
            bench.says(&pieces[at]);
        }
        bench.says(&data(8, "ij"));
        let told = bench.acks(10).replace("open", "");
        assert!(!told.contains(['D', 'E', 'd', 'e']), "{order:?}: {told}");
        assert!(told.ends_with("^ij"), "{order:?}: {told}");
        let lost = bench.table.counters.lost;
        assert_eq!(lost.conflicting, lost.missing(), "{order:?}");
    }
}

#[test]
fn a_reset_is_believed_where_the_kernel_stands_or_where_the_stream_is() {
    for (at, expected, told) in [
        (2, 2, "open ^ab Reset"),
        (2, 0, "open ^ab Reset"),
        (9, 9, "open ^ab Reset"),
        (9, 2, "open ^ab"),
        (0, 2, "open ^ab"),
    ] {
        let mut bench = Bench::new(Limits::default(), 1 << 20);
        bench.says(&syn());
        bench.says_to(&data(0, "ab"), 0);
        assert_eq!(bench.says_to(&rst(at), expected), told, "{at} {expected}");
    }
}
