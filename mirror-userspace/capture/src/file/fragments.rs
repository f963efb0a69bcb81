//! IP fragments put together, within bounds, as the receiving kernel does it.
//!
//! Two readers that treat overlapping fragments differently see different packets, and an attacker
//! picks the difference (RFC 5722, RFC 1858). So this follows Linux, which v1 runs on
//! (`inet_frag_queue_insert`, 4.20 and later): a fragment wholly inside what is there is a
//! duplicate and dropped, any other overlap discards the datagram.

use std::{collections::VecDeque, ops::Range, time::Duration};

use mirror_core::{counters::FragmentCounters, segment::Time};

use super::fragment::{Fragment, Key};

/// Datagrams that wait for fragments at most: 16 MiB if each is as long as it can be and comes in
/// fragments of 8 bytes.
const MAX_DATAGRAMS: usize = 64;
/// How long a datagram waits for its fragments, as Linux's `ipfrag_time`.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Datagrams that are not complete yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: VecDeque<Datagram>,
    /// The last datagram that became complete.
    whole: Vec<u8>,
    counters: FragmentCounters,
}

/// The fragments of one datagram that have arrived so far.
#[derive(Debug)]
struct Datagram {
    key: Key,
    since: Time,
    /// The IP header of the first fragment, if that has arrived.
    header: Option<Vec<u8>>,
    payload: Vec<u8>,
    /// What of `payload` has arrived, by offset. Neighbours are only joined at the end, as Linux does.
    runs: Vec<Range<u32>>,
    received: u32,
    /// The payload's length, known from the last fragment.
    len: Option<u32>,
    fragments: u64,
}

/// Why a fragment did not stay.
enum Refusal {
    Duplicate,
    Contradiction,
}

impl Fragments {
    /// How fragments ended so far.
    pub(super) fn counters(&self) -> FragmentCounters {
        FragmentCounters {
            waiting: self.waiting.iter().map(|datagram| datagram.fragments).sum(),
            ..self.counters
        }
    }

    /// Takes a fragment; tells whether it was the last one missing of an IP packet, which is then
    /// [`whole`](Self::whole). Fragments of what is not followed are refused.
    pub(super) fn insert(&mut self, now: Time, packet: &[u8]) -> bool {
        self.expire(now);
        let Some(fragment) = Fragment::parse(packet) else {
            self.counters.refused += 1;
            return false;
        };
        let index = match self.waiting.iter().position(|d| d.key == fragment.key) {
            Some(index) => index,
            None => self.start(now, fragment.key),
        };
        let Some(datagram) = self.waiting.get_mut(index) else {
            return false;
        };
        match datagram.insert(&fragment) {
            Ok(()) => datagram.is_complete() && self.complete(index),
            Err(Refusal::Duplicate) => {
                self.counters.duplicates += 1;
                false
            }
            Err(Refusal::Contradiction) => {
                self.counters.overlapping += datagram.fragments + 1;
                self.waiting.remove(index);
                false
            }
        }
    }

    /// The packet that [`insert`](Self::insert) made whole last.
    pub(super) fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// The same, for whoever looks for more fragments in it.
    pub(super) fn take_whole(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.whole)
    }

    /// Takes it back, unless fragments in it have made another one whole.
    pub(super) fn keep_whole(&mut self, whole: Vec<u8>) {
        if self.whole.is_empty() {
            self.whole = whole;
        }
    }

    /// Gives up what is still waiting at the end of the capture.
    pub(super) fn finish(&mut self) {
        self.counters.timed_out += self.waiting.drain(..).map(|d| d.fragments).sum::<u64>();
    }

    fn complete(&mut self, index: usize) -> bool {
        let Some(datagram) = self.waiting.remove(index) else {
            return false;
        };
        let fragments = datagram.fragments;
        let Some(packet) = datagram.into_packet() else {
            self.counters.refused += fragments;
            return false;
        };
        self.counters.joined += fragments;
        self.counters.datagrams += 1;
        self.whole = packet;
        true
    }

    /// Makes room for a datagram; gives its place.
    fn start(&mut self, now: Time, key: Key) -> usize {
        if self.waiting.len() >= MAX_DATAGRAMS {
            let oldest = self.waiting.pop_front();
            self.counters.evicted += oldest.map_or(0, |d| d.fragments);
        }
        self.waiting.push_back(Datagram {
            key,
            since: now,
            header: None,
            payload: Vec::new(),
            runs: Vec::new(),
            received: 0,
            len: None,
            fragments: 0,
        });
        self.waiting.len() - 1
    }

    fn expire(&mut self, now: Time) {
        while let Some(oldest) = self.waiting.front()
            && now.since(oldest.since) > MAX_WAIT
        {
            self.counters.timed_out += oldest.fragments;
            self.waiting.pop_front();
        }
    }
}

impl Datagram {
    fn insert(&mut self, fragment: &Fragment<'_>) -> Result<(), Refusal> {
        let Range { start, end } = fragment.place;
        let reached = self.runs.last().map_or(0, |run| run.end);
        let ends_twice = match self.len {
            Some(len) => end > len || (!fragment.more && end != len),
            None => !fragment.more && end < reached,
        };
        if start == end || ends_twice {
            return Err(Refusal::Contradiction);
        }
        let place = self.runs.partition_point(|run| run.end <= start);
        match self.runs.get(place) {
            Some(run) if run.start <= start && end <= run.end => return Err(Refusal::Duplicate),
            Some(run) if run.start < end => return Err(Refusal::Contradiction),
            _ => {}
        }
        match self.runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.runs.insert(place, start..end),
        }
        if self.payload.len() < end as usize {
            self.payload.resize(end as usize, 0);
        }
        if let Some(room) = self.payload.get_mut(start as usize..end as usize) {
            room.copy_from_slice(fragment.payload);
        }
        if !fragment.more {
            self.len = Some(end);
        }
        if start == 0 {
            self.header = Some(fragment.header.to_vec());
        }
        self.received += end - start;
        self.fragments += 1;
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.len == Some(self.received) && self.header.is_some()
    }

    /// The packet as it was before it was cut; `None` if it were longer than IP allows.
    fn into_packet(self) -> Option<Vec<u8>> {
        let mut packet = self.header?;
        let header = packet.len();
        packet.extend_from_slice(&self.payload);
        let total = u16::try_from(packet.len()).ok()?;
        if self.key.version == 4 {
            set(&mut packet, 2, total);
            set(&mut packet, 6, 0);
            // It was the first fragment's; 0 is what nobody has computed.
            set(&mut packet, 10, 0);
        } else {
            set(
                &mut packet,
                4,
                total.checked_sub(u16::try_from(header).ok()?)?,
            );
            *packet.get_mut(6)? = self.key.protocol;
        }
        Some(packet)
    }
}

fn set(packet: &mut [u8], at: usize, value: u16) {
    if let Some(field) = packet.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
