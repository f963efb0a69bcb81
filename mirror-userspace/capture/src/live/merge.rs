//! Puts what several CPUs wrote into the order in which it was captured.
//!
//! A connection's segments may be captured on several CPUs, each of which writes to a ring of its
//! own. A record is due once nothing earlier can come from another CPU: each of them has shown a
//! later record, or had nothing in its ring [`DELAY`] after this one was captured. So a record waits
//! for its neighbours, and never for longer than that. Values in, values out; `now` is told.

use std::{collections::VecDeque, ops::Range, time::Duration};

use super::parse::captured_at;
use mirror_core::segment::Time;

/// How long after its time stamp a record is in its ring at the latest. The program takes the time,
/// then copies 64 KiB at most (7 µs), with nothing but interrupts in between. A virtual CPU
/// that is taken away in the middle of it may be later: then its record comes out of order.
const DELAY: Duration = Duration::from_millis(2);

/// A time stamp further ahead than this is no time: it would hold its lane back until then.
const AHEAD: Duration = Duration::from_secs(1);

/// Bytes that are taken out of the rings ahead of their turn, over all CPUs.
const ROOM: usize = 4 * 1024 * 1024;
/// The same for one CPU, at most and at least. The record that reaches it is the last.
const LANE: (usize, usize) = (256 * 1024, 16 * 1024);

/// The largest record: the program puts it together in a per-CPU map's value.
const LARGEST_RECORD: usize = 32 * 1024;

/// Records that are read and not yet due, in a lane for each CPU.
#[derive(Debug)]
pub(super) struct Merge {
    lanes: Vec<Lane>,
    /// Bytes that a lane takes.
    room: usize,
}

/// What one CPU wrote, in that order.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// The records that are held, one after the other, behind those that are gone already.
    bytes: Vec<u8>,
    held: VecDeque<Held>,
    /// The latest time of its records: what is yet to come is later.
    shown: Time,
    /// When its ring was last seen with nothing in it.
    empty_at: Option<Time>,
}

#[derive(Clone, Debug)]
struct Held {
    at: Time,
    bytes: Range<usize>,
}

impl Merge {
    /// For so many CPUs.
    pub(super) fn new(cpus: usize) -> Self {
        let (most, least) = LANE;
        Self {
            lanes: vec![Lane::default(); cpus],
            room: (ROOM / cpus.max(1)).clamp(least, most),
        }
    }

    /// Bytes that it takes at most; nothing before the first record.
    pub(super) fn capacity(&self) -> usize {
        self.lanes.len() * (self.room + LARGEST_RECORD)
    }

    /// Whether any record is held.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.held.is_empty())
    }

    /// Whether this CPU's ring is to be looked at before [`next`](Self::next) can say what is due:
    /// nothing of it is held, and it has not been seen empty at `now`.
    pub(super) fn wants(&self, cpu: usize, now: Time) -> bool {
        self.lanes
            .get(cpu)
            .is_some_and(|lane| lane.held.is_empty() && lane.empty_at != Some(now))
    }

    /// Takes the next record of a CPU's ring, in two pieces if the ring's end split it; whether one
    /// more has room.
    pub(super) fn put(&mut self, cpu: usize, now: Time, (head, tail): (&[u8], &[u8])) -> bool {
        let Some(lane) = self.lanes.get_mut(cpu) else {
            return false;
        };
        if lane.held.is_empty() {
            lane.bytes.clear();
            lane.bytes.reserve_exact(self.room + LARGEST_RECORD);
        }
        let start = lane.bytes.len();
        lane.bytes.extend_from_slice(head);
        lane.bytes.extend_from_slice(tail);
        let told = lane.bytes.get(start..).and_then(captured_at);
        // A ring is read in the order in which it was written, whatever its records say.
        let at = told.unwrap_or_default().min(now + AHEAD).max(lane.shown);
        lane.shown = at;
        let bytes = start..lane.bytes.len();
        lane.held.push_back(Held { at, bytes });
        lane.bytes.len() < self.room
    }

    /// The CPU's ring had nothing (more) in it when it was looked at, which was not before `now`.
    pub(super) fn is_exhausted(&mut self, cpu: usize, now: Time) {
        if let Some(lane) = self.lanes.get_mut(cpu) {
            lane.empty_at = Some(now);
        }
    }

    /// The next record, if one is due.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let heads = self.lanes.iter().enumerate();
        let heads = heads.filter_map(|(cpu, lane)| Some((lane.held.front()?.at, cpu)));
        let (at, cpu) = heads.min()?;
        if !self.lanes.iter().all(|lane| lane.has_shown_all_until(at)) {
            return None;
        }
        let lane = self.lanes.get_mut(cpu)?;
        let record = lane.held.pop_front()?;
        lane.bytes.get(record.bytes)
    }
}

impl Lane {
    /// Whether nothing earlier than this is still to come.
    fn has_shown_all_until(&self, at: Time) -> bool {
        !self.held.is_empty()
            || at <= self.shown
            || self.empty_at.is_some_and(|empty_at| at + DELAY <= empty_at)
    }
}

#[cfg(test)]
mod tests;
