//! A pool with one target, whose connections a test drives step by step.

use std::{io::IoSlice, net::SocketAddr};

use bytes::Bytes;
use mirror_core::{
    budget::Budget,
    counters::TargetCounters,
    pipeline::{
        ConnectionId, CopyId, Effect, Expect, MirrorCopy, Output, Persistence, RequestKey, Rest,
        TargetId, Wire,
    },
    segment::Time,
};

use crate::{
    DispatchConfig, LinkId,
    pool::{Action, Origin, Pool, Settings, Work},
};

/// A reply that is whole.
pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// This long after the test began.
pub(super) fn at(milliseconds: u64) -> Time {
    Time::from_nanos((1_000_000 + milliseconds) * 1_000_000)
}

/// A connection of the target, by its place.
pub(super) fn link(slot: usize) -> LinkId {
    LinkId { target: 0, slot }
}

pub(super) struct Driver {
    pub(super) pool: Pool,
    pub(super) now: Time,
    copies: u64,
}

impl Driver {
    pub(super) fn new(config: &DispatchConfig) -> Self {
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 80));
        Self {
            pool: Pool::new(Settings::from(config), [Origin::Written(endpoint)]),
            now: at(0),
            copies: 0,
        }
    }

    /// Gives the pool a copy of this client connection's.
    pub(super) fn give(&mut self, client: u64, text: &'static str, rest: Rest) -> CopyId {
        let id = CopyId(self.copies);
        self.copies += 1;
        let effect = match text.split_once(' ') {
            Some(("POST", _)) => Effect::Repeats,
            Some(("PUT", _)) => Effect::Idempotent,
            _ => Effect::Safe,
        };
        let copy = MirrorCopy {
            id,
            target: TargetId(0),
            request: RequestKey {
                connection: ConnectionId(client),
                number: 1,
            },
            at: self.now,
            wire: Wire::Http1,
            pieces: vec![Bytes::from_static(text.as_bytes())],
            rest,
            expect: Expect::Body,
            persistence: Persistence::Persistent,
            effect,
            reserved: Budget::new(0).empty(),
        };
        self.pool.handle_output(self.now, Output::Copy(copy));
        id
    }

    pub(super) fn send(&mut self, client: u64, text: &'static str) {
        self.give(client, text, Rest::Complete);
    }

    /// More of a streamed copy.
    pub(super) fn chunk(&mut self, copy: CopyId, text: &'static str) {
        let chunk = Output::Chunk {
            copy,
            bytes: Bytes::from_static(text.as_bytes()),
            reserved: Budget::new(0).empty(),
        };
        self.pool.handle_output(self.now, chunk);
    }

    /// The connections that are to be opened.
    pub(super) fn opened(&mut self) -> Vec<LinkId> {
        let actions = std::iter::from_fn(|| self.pool.poll_action());
        let opened = actions.filter_map(|action| match action {
            Action::Open { link, .. } => Some(link),
            _ => None,
        });
        opened.collect()
    }

    /// Connects what is to be opened; how many there were.
    pub(super) fn connect(&mut self) -> usize {
        let opened = self.opened();
        for link in &opened {
            self.pool.handle_connected(self.now, *link);
        }
        opened.len()
    }

    /// Writes all that there is on a connection, which is looked at and found open if it rested.
    pub(super) fn write(&mut self, link: LinkId) -> String {
        if let Work::Rest { given: true } = self.pool.work(link) {
            self.pool.handle_awake(self.now, link);
        }
        let mut written = Vec::new();
        while self.pool.has_bytes(link) {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = self.pool.fill(link, &mut slices);
            let bytes: Vec<_> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            self.pool.handle_written(self.now, link, bytes.len());
            written.extend(bytes);
        }
        if self.pool.is_unflushed(link) {
            self.pool.handle_flushed(self.now, link);
        }
        String::from_utf8(written).unwrap()
    }

    pub(super) fn read(&mut self, link: LinkId, bytes: &[u8]) {
        self.pool.handle_read(self.now, link, bytes);
    }

    pub(super) fn counters(&self) -> TargetCounters {
        self.pool.audit();
        let counters = self.pool.counters().next().unwrap();
        assert!(counters.balanced(), "{counters:?}");
        assert_eq!(counters.given(), self.copies);
        counters
    }
}
