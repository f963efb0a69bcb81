//! Reassembly, driven by a sequence of operations on a few connections.
//!
//! An honest sender's bytes are a function of their sequence number, so each delivered byte can be
//! checked on its own. A lying one sends other bytes for the same numbers, and urgent ones.

use std::{net::SocketAddr, time::Duration};

use mirror_core::{
    budget::Budget,
    segment::{Direction, FlowId, Segment, SeqNum, TcpFlags, Time},
    stream::{Confirm, Consumer, FlowTable, Limits, Rest, StreamEvent},
};

use crate::input::Input;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

/// What a connection's consumer has been told.
#[derive(Default)]
struct Told {
    opened: bool,
    /// The sequence number of the next byte, where it is known.
    next: Option<SeqNum>,
}

impl Consumer for Told {
    fn rest(&self) -> Option<Rest> {
        let next = self.next?;
        (next.0 % 2 == 0).then_some(Rest::Before(u64::from(next.0 % 64)))
    }
}

struct Bench {
    table: FlowTable<Told>,
    budget: Budget,
    now: Time,
    honest: bool,
    closed: u64,
}

/// The first byte chooses the limits and whether senders are honest; then each operation is eight
/// bytes: what, connection, place, length, and a byte more.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(choice) = input.byte() else { return };
    let limits = Limits {
        connections: if choice & 1 == 0 { 4 } else { 1_000 },
        queued_bytes: if choice & 2 == 0 { 2_000 } else { 1 << 20 },
        unconfirmed_bytes: if choice & 2 == 0 { 2_000 } else { 1 << 20 },
        confirm: if choice & 16 == 0 {
            Confirm::None
        } else {
            Confirm::Ack
        },
        ..Limits::default()
    };
    let budget = Budget::new(if choice & 4 == 0 { 40_000 } else { 1 << 22 });
    let mut bench = Bench {
        table: FlowTable::new(limits, budget.clone()),
        budget,
        now: Time::from_nanos(1 << 40),
        honest: choice & 8 == 0,
        closed: 0,
    };
    let mut firsts = [0, 7, u32::MAX - 40, 1 << 31, u32::MAX, 99, 5_000, 1].map(SeqNum);
    while let (Some(what), Some(which), Some(place), Some(len), Some(more)) = (
        input.byte(),
        input.byte(),
        input.u16(),
        input.u16(),
        input.u16(),
    ) {
        let index = usize::from(which % 8);
        match what % 16 {
            0 => bench.wait(Duration::from_millis(u64::from(place))),
            1 => {
                firsts[index] = SeqNum(u32::from(place) << 16 | u32::from(more));
                bench.send(which, firsts[index], SYN, 0, None, true);
            }
            2 => bench.send(
                which,
                firsts[index] + 1 + u32::from(place),
                RST,
                0,
                None,
                true,
            ),
            15 => bench.acknowledge(which, firsts[index] + 1 + u32::from(place)),
            kind => {
                let mut flags = ACK;
                if kind == 3 {
                    flags |= FIN;
                }
                if kind == 4 && place == 0 {
                    flags |= SYN;
                }
                let urgent = (kind == 5 && !bench.honest).then_some(more);
                if urgent.is_some() {
                    flags |= URG;
                }
                let syn = u32::from(flags & SYN == 0);
                let seq = firsts[index] + syn + u32::from(place);
                let cut = kind == 6;
                bench.send(which, seq, flags, len % 3_000, urgent, !cut);
            }
        }
    }
    bench.end();
}

/// One of eight connections of one server.
fn flow(which: u8) -> FlowId {
    FlowId {
        client: SocketAddr::from(([10, 0, 0, which % 8], 4_000)).into(),
        server: SocketAddr::from(([10, 1, 0, 1], 80)).into(),
        attachment: 0,
    }
}

/// The honest byte of a sequence number.
fn honest(seq: SeqNum) -> u8 {
    (seq.0.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

impl Bench {
    fn send(
        &mut self,
        which: u8,
        seq: SeqNum,
        flags: u8,
        len: u16,
        urgent: Option<u16>,
        whole: bool,
    ) {
        let first = seq + u32::from(flags & SYN != 0);
        let lie = if self.honest { 0 } else { which >> 3 };
        let bytes: Vec<u8> = (0..u32::from(len))
            .map(|at| honest(first + at).wrapping_add(lie))
            .collect();
        let captured = if whole { bytes.len() } else { bytes.len() / 2 };
        let segment = Segment {
            at: self.now,
            flow: flow(which),
            seq,
            ack: (flags & ACK != 0).then_some(SeqNum(1)),
            flags: TcpFlags(flags),
            urgent,
            direction: Direction::ToServer,
            expected: None,
            starts_segment: true,
            payload: &bytes[..captured],
            wire_len: u32::from(len),
        };
        let (check, closed) = (self.honest, &mut self.closed);
        self.table
            .handle_segment(self.now, &segment, |told, event| {
                on_event(told, event, Some(&segment), check, closed);
            });
        self.check();
    }

    /// The server acknowledges what is before `next`.
    fn acknowledge(&mut self, which: u8, next: SeqNum) {
        let segment = Segment {
            at: self.now,
            flow: flow(which),
            seq: SeqNum(1),
            ack: Some(next),
            flags: TcpFlags(ACK),
            urgent: None,
            direction: Direction::ToClient,
            expected: None,
            starts_segment: true,
            payload: &[],
            wire_len: 0,
        };
        let (check, closed) = (self.honest, &mut self.closed);
        self.table
            .handle_segment(self.now, &segment, |told, event| {
                on_event(told, event, None, check, closed);
            });
        self.check();
    }

    fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
        let (check, closed) = (self.honest, &mut self.closed);
        self.table.handle_timeout(self.now, |told, event| {
            on_event(told, event, None, check, closed);
        });
        if let Some(due) = self.table.poll_timeout() {
            // At most 64 s ahead of what was told, or the idle time-out.
            assert!(due.since(self.now) <= Limits::default().idle);
        }
        self.check();
    }

    fn end(mut self) {
        let (check, closed) = (self.honest, &mut self.closed);
        self.table
            .shutdown(|told, event| on_event(told, event, None, check, closed));
        self.check();
        assert_eq!((self.table.len(), self.table.poll_timeout()), (0, None));
        let counters = self.table.counters;
        assert_eq!(
            counters.payload,
            counters.delivered
                + counters.duplicate
                + counters.urgent
                + counters.ignored
                + counters.lost.reset
                + counters.lost.after_fin
                + counters.lost.unconfirmed
                + counters.lost.conflicting
        );
        drop(self.table);
        assert_eq!(self.budget.used(), 0);
    }

    fn check(&self) {
        assert!(self.budget.used() <= self.budget.limit());
        let counters = &self.table.counters;
        assert_eq!(counters.closed.total(), self.closed);
        assert_eq!(counters.opened, self.closed + self.table.len() as u64);
    }
}

fn on_event(
    told: &mut Told,
    event: StreamEvent<'_>,
    cause: Option<&Segment<'_>>,
    check: bool,
    closed: &mut u64,
) {
    assert_eq!(told.opened, !matches!(event, StreamEvent::Opened { .. }));
    match event {
        StreamEvent::Opened { from_start, .. } => {
            told.opened = true;
            // Data that follows a SYN on an open connection opens the next one: it need not be the first.
            told.next = cause
                .filter(|segment| from_start && segment.flags.syn())
                .map(|segment| segment.payload_seq());
        }
        StreamEvent::Data(data) => {
            assert!(!data.bytes.is_empty());
            let Some(next) = &mut told.next else { return };
            for byte in data.bytes {
                assert!(
                    !check || *byte == honest(*next),
                    "the sender's byte at {next:?}"
                );
                *next = *next + 1;
            }
        }
        StreamEvent::Acknowledged { .. } | StreamEvent::FromServer(_) => {}
        StreamEvent::Gap { len } => {
            assert_ne!(len, 0);
            if let Some(next) = &mut told.next {
                *next = *next + u32::try_from(len).unwrap_or(u32::MAX);
            }
        }
        StreamEvent::Closed(_) => {
            *closed += 1;
            told.opened = false;
        }
    }
}
