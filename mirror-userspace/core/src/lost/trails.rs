//! The last segments of connections.

use super::Remembered;
use crate::segment::{Direction, FlowId, Segment, SeqNum, TcpFlags, Time};

/// Segments that are remembered of each connection.
const SEGMENTS: usize = 8;

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrailLimits {
    /// Connections, a power of two.
    pub connections: usize,
    /// Payload bytes of each segment.
    pub bytes: usize,
}

impl TrailLimits {
    /// What a connection costs at most.
    #[must_use]
    pub const fn cost_of_one(bytes: usize) -> usize {
        let kept = if bytes == 0 {
            0
        } else {
            bytes + size_of::<Box<[u8]>>()
        };
        size_of::<Trail>() + size_of::<Option<Box<Trail>>>() + SEGMENTS * kept
    }
}

/// The last eight segments of the connections seen last. A connection's place is said by its client's port: of two
/// with the same place the one that was active last is remembered.
#[derive(Debug)]
pub struct Trails {
    limits: TrailLimits,
    all: Vec<Option<Box<Trail>>>,
}

#[derive(Clone, Debug)]
struct Trail {
    flow: FlowId,
    /// Segments so far.
    seen: usize,
    heads: [Head; SEGMENTS],
    /// The payloads of the same, if they are kept.
    bytes: Vec<Box<[u8]>>,
}

/// What is always remembered of a segment.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    at: Time,
    seq: SeqNum,
    ack: SeqNum,
    len: u32,
    flags: TcpFlags,
    has_ack: bool,
    direction: Direction,
}

impl Trails {
    /// Remembers nothing yet.
    #[must_use]
    pub const fn new(limits: TrailLimits) -> Self {
        Self {
            limits,
            all: Vec::new(),
        }
    }

    const fn place(&self, flow: &FlowId) -> usize {
        let [.., last] = flow.client.address;
        // Clients count their ports up; different clients do so from anywhere.
        let number = flow.client.port as usize + last as usize * 61;
        number & self.limits.connections.saturating_sub(1)
    }

    /// Remembers a segment.
    #[inline]
    pub fn push(&mut self, segment: &Segment<'_>) {
        let place = self.place(&segment.flow);
        match self.all.get_mut(place) {
            Some(Some(trail)) => {
                if trail.flow != segment.flow {
                    trail.restart(&segment.flow);
                }
                trail.push(segment, self.limits.bytes);
            }
            _ => self.begin(place, segment),
        }
    }

    /// The first segment in a place.
    #[cold]
    fn begin(&mut self, place: usize, segment: &Segment<'_>) {
        let mut trail = Box::new(Trail {
            flow: segment.flow,
            seen: 0,
            heads: [Head::default(); SEGMENTS],
            bytes: Vec::new(),
        });
        trail.push(segment, self.limits.bytes);
        if self.all.is_empty() {
            self.all.resize_with(self.limits.connections, || None);
        }
        if let Some(free) = self.all.get_mut(place) {
            *free = Some(trail);
        }
    }

    /// The last segments of this connection, the oldest first.
    #[must_use]
    pub fn of(&self, flow: &FlowId) -> Vec<Remembered> {
        match self.all.get(self.place(flow)) {
            Some(Some(trail)) if trail.flow == *flow => trail.all(),
            _ => Vec::new(),
        }
    }
}

impl Trail {
    fn restart(&mut self, flow: &FlowId) {
        self.flow = *flow;
        self.seen = 0;
        self.bytes.clear();
    }

    #[inline]
    fn push(&mut self, segment: &Segment<'_>, bytes: usize) {
        let place = self.seen % SEGMENTS;
        if let Some(head) = self.heads.get_mut(place) {
            *head = Head {
                at: segment.at,
                seq: segment.seq,
                ack: segment.ack.unwrap_or_default(),
                len: segment.wire_len,
                flags: segment.flags,
                has_ack: segment.ack.is_some(),
                direction: segment.direction,
            };
        }
        if bytes > 0 {
            self.keep(place, segment.payload, bytes);
        }
        self.seen += 1;
    }

    #[cold]
    fn keep(&mut self, place: usize, payload: &[u8], bytes: usize) {
        let first = payload.get(..bytes).unwrap_or(payload).into();
        match self.bytes.get_mut(place) {
            Some(kept) => *kept = first,
            None => self.bytes.push(first),
        }
    }

    fn all(&self) -> Vec<Remembered> {
        let first = self.seen.saturating_sub(SEGMENTS);
        let places = (first..self.seen).map(|number| number % SEGMENTS);
        let remembered = |place: usize| {
            let head = self.heads.get(place)?;
            Some(Remembered {
                at: head.at,
                direction: head.direction,
                seq: head.seq,
                ack: head.has_ack.then_some(head.ack),
                flags: head.flags,
                len: head.len,
                bytes: self.bytes.get(place).cloned().unwrap_or_default(),
            })
        };
        places.filter_map(remembered).collect()
    }
}
