//! What the tests share: scripts of segments, and a log of what was delivered.

mod attacks;
mod confirm;
mod late;
mod linux;
mod model;
mod rules;
mod table;

use std::{fmt::Write, net::SocketAddr, time::Duration};

use super::{Close, Consumer, FlowTable, Limits, StreamEvent};
use crate::{
    budget::Budget,
    segment::{Direction, FlowId, Segment, SeqNum, TcpFlags, Time},
};
use mirror_common::record::flag;

/// A segment as a script writes it: `offset` counts from the first byte of the stream, 0.
#[derive(Clone, Debug)]
struct Sent {
    offset: i64,
    bytes: Vec<u8>,
    flags: u8,
    urgent: Option<u16>,
    cut: u32,
    starts_segment: bool,
}

fn sent(offset: i64, bytes: impl AsRef<[u8]>, flags: u8) -> Sent {
    Sent {
        offset,
        bytes: bytes.as_ref().to_vec(),
        flags,
        urgent: None,
        cut: 0,
        starts_segment: true,
    }
}

/// A SYN, which stands before the first byte.
fn syn() -> Sent {
    sent(-1, "", flag::SYN)
}

fn data(offset: i64, bytes: impl AsRef<[u8]>) -> Sent {
    sent(offset, bytes, flag::ACK)
}

fn fin(offset: i64) -> Sent {
    data(offset, "").and(flag::FIN)
}

fn rst(offset: i64) -> Sent {
    sent(offset, "", flag::RST)
}

impl Sent {
    fn and(mut self, flag: u8) -> Self {
        self.flags |= flag;
        self
    }

    /// The urgent byte is the one before this place in the segment.
    fn urgent(mut self, pointer: u16) -> Self {
        self.urgent = Some(pointer);
        self.and(flag::URG)
    }

    fn cut(mut self, bytes: u32) -> Self {
        self.cut = bytes;
        self
    }

    fn continued(mut self) -> Self {
        self.starts_segment = false;
        self
    }

    fn segment(&self, flow: FlowId, first: SeqNum, at: Time) -> Segment<'_> {
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap")]
        let offset = self.offset as u32;
        Segment {
            at,
            flow,
            seq: first + offset,
            ack: Some(SeqNum(7)),
            flags: TcpFlags(self.flags),
            urgent: self.urgent,
            direction: Direction::ToServer,
            expected: None,
            starts_segment: self.starts_segment,
            payload: &self.bytes,
            wire_len: u32::try_from(self.bytes.len()).unwrap() + self.cut,
        }
    }
}

fn flow(number: u32) -> FlowId {
    let client: [u8; 4] = (0x0a00_0000 + (number >> 14)).to_be_bytes();
    let port = 1024 + u16::try_from(number & 0x3fff).unwrap();
    FlowId {
        client: SocketAddr::from((client, port)).into(),
        server: SocketAddr::from(([192, 0, 2, 1], 80)).into(),
        attachment: 1,
    }
}

/// What a connection's consumer was told, as owned data.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Opened { from_start: bool },
    Data { bytes: Vec<u8>, starts: bool },
    Gap(u64),
    Closed(Close),
}

/// A table and the log of what it delivered.
struct Bench {
    table: FlowTable<Option<FlowId>>,
    budget: Budget,
    now: Time,
    log: Vec<(FlowId, Told)>,
}

impl Bench {
    fn new(limits: Limits, memory: usize) -> Self {
        let budget = Budget::new(memory);
        Self {
            table: FlowTable::new(limits, budget.clone()),
            budget,
            now: Time::from_nanos(1 << 40),
            log: Vec::new(),
        }
    }

    fn send(&mut self, flow: FlowId, first: SeqNum, sent: &Sent) {
        let segment = sent.segment(flow, first, self.now);
        self.table.handle_segment(self.now, &segment, |who, event| {
            tell(&mut self.log, who, event)
        });
        self.check();
    }

    fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
        self.table
            .handle_timeout(self.now, |who, event| tell(&mut self.log, who, event));
        self.check();
    }

    fn shutdown(&mut self) {
        self.table
            .shutdown(|who, event| tell(&mut self.log, who, event));
        self.check();
        assert_eq!((self.table.len(), self.table.queued()), (0, 0));
        assert_eq!(self.table.poll_timeout(), None);
    }

    /// The books balance, and memory is within the budget.
    fn check(&self) {
        let counters = &self.table.counters;
        let captured = &counters.lost;
        let lost =
            captured.reset + captured.after_fin + captured.unconfirmed + captured.conflicting;
        let kept = counters.delivered + counters.duplicate + counters.urgent + counters.ignored;
        assert_eq!(
            counters.payload,
            kept + lost + self.table.queued() + self.table.unconfirmed(),
            "{counters:?}"
        );
        let open = self.table.len() as u64;
        assert_eq!(counters.opened, counters.closed.total() + open);
        assert!(self.budget.used() <= self.budget.limit());
    }

    /// The log of a run with one connection, in short: `open` or `middle`, `^bytes` for bytes that
    /// start a segment and `bytes` for others, `-3` for a gap, the reason of the close.
    fn short_log(&self) -> String {
        let mut text = String::new();
        for (_, told) in &self.log {
            let gap = if text.is_empty() { "" } else { " " };
            let _ = match told {
                Told::Opened { from_start: true } => write!(text, "{gap}open"),
                Told::Opened { from_start: false } => write!(text, "{gap}middle"),
                Told::Data { bytes, starts } => {
                    let start = if *starts { "^" } else { "" };
                    write!(text, "{gap}{start}{}", String::from_utf8_lossy(bytes))
                }
                Told::Gap(len) => write!(text, "{gap}-{len}"),
                Told::Closed(why) => write!(text, "{gap}{why:?}"),
            };
        }
        text
    }
}

impl Consumer for Option<FlowId> {}

fn tell(log: &mut Vec<(FlowId, Told)>, who: &mut Option<FlowId>, event: StreamEvent<'_>) {
    let told = match event {
        StreamEvent::Opened {
            flow, from_start, ..
        } => {
            assert_eq!(who.replace(flow), None, "opened first, and once");
            Told::Opened { from_start }
        }
        StreamEvent::Data(data) => {
            assert!(!data.bytes.is_empty());
            Told::Data {
                bytes: data.bytes.to_vec(),
                starts: data.starts_segment,
            }
        }
        StreamEvent::Acknowledged { .. } | StreamEvent::FromServer(_) => return,
        StreamEvent::Gap { len } => {
            assert_ne!(len, 0);
            Told::Gap(len)
        }
        StreamEvent::Closed(why) => Told::Closed(why),
    };
    let flow = who.expect("opened before everything else");
    if matches!(told, Told::Closed(_)) {
        *who = None;
    }
    log.push((flow, told));
}
