//! What an attacker can make it do, counted in steps of work and bytes of memory.

use super::*;
use crate::stream::work;

const FIRST: SeqNum = SeqNum(u32::MAX - 50_000);

/// A table that keeps no log: the log would be the largest thing here.
struct Attacked {
    table: FlowTable<()>,
    budget: Budget,
    now: Time,
    delivered: u64,
    missing: u64,
}

impl Attacked {
    fn new(limits: Limits, memory: usize) -> Self {
        let budget = Budget::new(memory);
        work::take();
        Self {
            table: FlowTable::new(limits, budget.clone()),
            budget,
            now: Time::from_nanos(0),
            delivered: 0,
            missing: 0,
        }
    }

    fn tally<'a>(
        delivered: &'a mut u64,
        missing: &'a mut u64,
    ) -> impl FnMut(&mut (), StreamEvent<'_>) {
        |(), event| match event {
            StreamEvent::Data(data) => *delivered += data.bytes.len() as u64,
            StreamEvent::Gap { len } => *missing += len,
            StreamEvent::Opened { .. }
            | StreamEvent::Acknowledged { .. }
            | StreamEvent::FromServer(_)
            | StreamEvent::Closed(_) => {}
        }
    }

    fn send(&mut self, number: u32, sent: &Sent) {
        let segment = sent.segment(flow(number), FIRST, self.now);
        let tally = Self::tally(&mut self.delivered, &mut self.missing);
        self.table.handle_segment(self.now, &segment, tally);
        assert!(self.budget.used() <= self.budget.limit());
    }

    fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
        let tally = Self::tally(&mut self.delivered, &mut self.missing);
        self.table.handle_timeout(self.now, tally);
    }
}

#[test]
fn bytes_in_reverse_order() {
    let n = 100_000;
    let mut attacked = Attacked::new(Limits::default(), 256 << 20);
    attacked.send(0, &syn());
    let connection = attacked.budget.used();
    for offset in (1..=n).rev() {
        attacked.send(0, &data(offset, "x"));
        assert!(attacked.budget.used() - connection <= Limits::default().queued_bytes);
    }
    attacked.send(0, &data(0, "x"));
    let steps = work::take();
    assert!(steps <= 8 * n as u64, "{steps} steps");
    let counters = attacked.table.counters;
    let accounted = attacked.delivered + counters.duplicate + attacked.table.queued();
    assert_eq!(accounted, n as u64 + 1);
    assert!(
        counters.lost.over_budget > 0,
        "the hole was given up for want of room"
    );
}

#[test]
fn bytes_in_reverse_order_with_room_enough_all_arrive() {
    let n = 100_000;
    let limits = Limits {
        queued_bytes: usize::MAX,
        ..Limits::default()
    };
    let mut attacked = Attacked::new(limits, 256 << 20);
    attacked.send(0, &syn());
    for offset in (0..n).rev() {
        attacked.send(0, &data(offset, "x"));
    }
    assert_eq!((attacked.delivered, attacked.missing), (n as u64, 0));
    let steps = work::take();
    assert!(steps <= 8 * n as u64, "{steps} steps");
}

#[test]
fn every_other_byte() {
    let n = 50_000;
    let mut attacked = Attacked::new(Limits::default(), 256 << 20);
    attacked.send(0, &syn());
    for index in 0..n {
        attacked.send(0, &data(2 * index + 1, "x"));
    }
    attacked.wait(Duration::from_secs(1));
    let steps = work::take();
    assert!(steps <= 8 * n as u64, "{steps} steps");
    assert_eq!((attacked.delivered, attacked.missing), (n as u64, n as u64));
}

#[test]
fn covers_that_grow_cost_what_they_carry() {
    let mut attacked = Attacked::new(Limits::default(), 256 << 20);
    attacked.send(0, &syn());
    let cover = [b'y'; 1_200];
    for round in 0..100 {
        for offset in 1..=100 {
            attacked.send(0, &data(1_000 + 2 * offset, "x"));
        }
        attacked.send(
            0,
            &data(
                1_000 - round,
                &cover[..1_000 + 2 * usize::try_from(round).unwrap()],
            ),
        );
    }
    let steps = work::take();
    assert!(steps <= 8 * 100 * 101, "{steps} steps");
    assert!(attacked.budget.used() < 64 << 10);
}

#[test]
fn a_hole_on_every_connection() {
    let n = 65_536;
    let mut attacked = Attacked::new(Limits::default(), 256 << 20);
    for number in 0..n {
        attacked.send(number, &syn());
        attacked.send(number, &data(1, "x"));
    }
    assert_eq!(attacked.table.len(), n as usize);
    assert_eq!(
        attacked.table.queued(),
        u64::from(n),
        "the default memory has room for all"
    );
    work::take();

    attacked.wait(Duration::from_millis(999));
    assert_eq!(work::take(), 0, "nothing is due, nothing is looked at");
    attacked.send(7, &data(0, "a"));
    attacked.wait(Duration::from_millis(1));
    assert_eq!(attacked.missing, u64::from(n) - 1);
    let steps = work::take();
    assert!(steps <= 8 * u64::from(n), "{steps} steps");
    attacked.wait(Duration::from_secs(120));
    assert_eq!(attacked.table.len(), 0);
    let steps = work::take();
    assert!(steps <= 8 * u64::from(n), "{steps} steps");
}

#[test]
fn holes_take_a_quarter_of_the_memory_and_no_more() {
    let mut attacked = Attacked::new(Limits::default(), 1 << 20);
    for number in 0..200 {
        attacked.send(number, &syn());
    }
    let connections = attacked.budget.used();
    for number in 0..200 {
        attacked.send(number, &data(1, vec![b'x'; 9_000]));
        assert!(attacked.budget.used() - connections <= attacked.budget.limit() / 4);
    }
    assert!(attacked.table.counters.lost.over_budget > 0);
    assert_eq!(attacked.table.len(), 200);
}

#[test]
fn a_syn_flood_costs_the_same_for_each_syn() {
    let mut attacked = Attacked::new(
        Limits {
            connections: 1_000,
            ..Limits::default()
        },
        16 << 20,
    );
    attacked.send(0, &syn());
    attacked.send(0, &data(0, "a"));
    let n = 100_000;
    for number in 1..=n {
        attacked.send(number, &syn());
    }
    attacked.send(0, &data(1, "b"));
    let counters = attacked.table.counters;
    assert_eq!(
        (counters.closed.evicted, counters.midstream),
        (u64::from(n) - 999, 0)
    );
    assert_eq!(
        attacked.delivered, 2,
        "who was there before is still mirrored"
    );
    let steps = work::take();
    assert!(steps <= 8 * u64::from(n), "{steps} steps");
}

#[test]
fn four_tuples_used_again_and_again_leave_nothing_behind() {
    let mut attacked = Attacked::new(Limits::default(), 4 << 20);
    let mut used = 0;
    for round in 0..20_000 {
        let number = round % 10;
        attacked.send(number, &data(i64::from(round) * 10 - 1, "a").and(flag::SYN));
        attacked.send(number, &data(i64::from(round) * 10 + 2, "c"));
        if round == 10_000 {
            used = attacked.budget.used();
        }
    }
    assert_eq!(attacked.budget.used(), used);
    assert_eq!(attacked.table.len(), 10);
    let steps = work::take();
    assert!(steps <= 12 * 20_000, "{steps} steps");
}
