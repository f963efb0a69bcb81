//! Connections as they are in files: made for the requests in them.

use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError},
};

use mirror_common::record::flag;
use mirror_core::{
    http::Upgrade,
    pipeline::{ConnectionId, RequestInfo},
    segment::{Segment, SeqNum, TcpFlags, Time},
};

use super::{
    RecordTo, frames,
    recording::{FileNumber, Recording, Refused},
};

/// The largest segment that is written: what fits in an IP packet.
const LARGEST: usize = 32 << 10;

/// The version of HTTP that a connection is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// With what its last request offers to leave it for.
    Http1(Option<Upgrade>),
    Http2,
}

/// The connections of one pipeline, in the files that are open.
#[derive(Debug)]
pub(super) struct Connections {
    to: RecordTo,
    /// In HTTP/2 requests that began before a file was followed by the next are still in it, and others of the same
    /// connection in the next.
    known: HashMap<(ConnectionId, FileNumber), Recorded, foldhash::fast::RandomState>,
    /// The newest file seen.
    newest: Option<FileNumber>,
    /// Connections begun in files.
    begun: u32,
}

/// A connection as it is in a file.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    next: SeqNum,
    speaks: Speaks,
}

impl Connections {
    pub(super) fn new(to: RecordTo) -> Self {
        Self {
            to,
            known: HashMap::default(),
            newest: None,
            begun: 0,
        }
    }

    pub(super) const fn to(&self) -> &RecordTo {
        &self.to
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        // Another shard's panic leaves whole blocks behind, or a failure.
        self.to
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The file that this request belongs in, where its connection stands open in the version that it is in.
    pub(super) fn begin(
        &mut self,
        info: &RequestInfo,
        speaks: Speaks,
    ) -> Result<FileNumber, Refused> {
        let at = info.begun + self.to.epoch;
        let file = self.recording().begin(at)?;
        if self.newest.replace(file) != Some(file) {
            self.leave_what_is_closed();
        }
        let begun = self.open(file, info, speaks);
        if begun.is_err() {
            self.recording().end(file);
        }
        begun.map(|()| file)
    }

    fn open(
        &mut self,
        file: FileNumber,
        info: &RequestInfo,
        speaks: Speaks,
    ) -> Result<(), Refused> {
        let key = (info.request.connection, file);
        let known = self.known.get(&key).map(|recorded| recorded.speaks);
        let mut opening = Vec::new();
        match (known, speaks) {
            (Some(Speaks::Http1(_)), Speaks::Http1(_)) | (Some(Speaks::Http2), Speaks::Http2) => {}
            // Behind the offer that v1 took, which is in the file.
            (Some(Speaks::Http1(Some(Upgrade::H2c))), Speaks::Http2) => {
                frames::opening(&mut opening);
            }
            (other, _) => {
                if other.is_some() {
                    self.finish(file, info)?;
                }
                self.start(key, info, speaks)?;
                if speaks == Speaks::Http2 {
                    frames::opening(&mut opening);
                }
            }
        }
        if let Some(recorded) = self.known.get_mut(&key) {
            recorded.speaks = speaks;
        }
        self.say(file, info, info.begun, &opening)
    }

    fn start(
        &mut self,
        key: (ConnectionId, FileNumber),
        info: &RequestInfo,
        speaks: Speaks,
    ) -> Result<(), Refused> {
        // Initial sequence numbers tell connections of the same 4-tuple apart.
        self.begun = self.begun.wrapping_add(1);
        let next = SeqNum(self.begun.wrapping_mul(0x9e37_79b1));
        self.known.insert(key, Recorded { next, speaks });
        self.write(key.1, info, info.begun, flag::SYN, b"")
    }

    /// Writes these bytes on the request's connection in this file. It is forgotten if that fails.
    pub(super) fn say(
        &mut self,
        file: FileNumber,
        info: &RequestInfo,
        at: Time,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        bytes
            .chunks(LARGEST)
            .try_for_each(|piece| self.write(file, info, at, flag::ACK | flag::PSH, piece))
    }

    fn write(
        &mut self,
        file: FileNumber,
        info: &RequestInfo,
        at: Time,
        flags: u8,
        payload: &[u8],
    ) -> Result<(), Refused> {
        let key = (info.request.connection, file);
        let next = self.known.get(&key).ok_or(Refused::FileClosed)?.next;
        let flags = TcpFlags(flags);
        // The server's bytes are not recorded: its first one is always the next.
        let ack = flags.ack().then_some(SeqNum(1));
        let at = at + self.to.epoch;
        let segment = Segment::from_client(at, info.flow, next, ack, flags, payload);
        let written = self.recording().write(file, &segment);
        match self.known.get_mut(&key) {
            Some(recorded) if written.is_ok() => {
                recorded.next =
                    next + segment.wire_len + u32::from(flags.syn()) + u32::from(flags.fin());
            }
            // A byte that is missing would be a hole in all that follows.
            _ => drop(self.known.remove(&key)),
        }
        written
    }

    /// A request in this file has ended, one way or another.
    pub(super) fn end(&self, file: FileNumber) {
        self.recording().end(file);
    }

    /// What follows on the connection is not behind the broken request: it begins anew.
    pub(super) fn reset(&mut self, file: FileNumber, info: &RequestInfo) {
        // Without its file there is nothing to reset.
        let _no_file = self.write(file, info, info.at, flag::RST | flag::ACK, b"");
        self.known.remove(&(info.request.connection, file));
    }

    /// The connection is over, in all files.
    pub(super) fn close(&mut self, info: &RequestInfo) {
        let open = self.recording().open();
        for file in open.into_iter().flatten() {
            // A file that was closed since has no end of it.
            let _no_file = self.finish(file, info);
        }
    }

    fn finish(&mut self, file: FileNumber, info: &RequestInfo) -> Result<(), Refused> {
        let key = (info.request.connection, file);
        if !self.known.contains_key(&key) {
            return Ok(());
        }
        let finished = self.write(file, info, info.at, flag::FIN | flag::ACK, b"");
        self.known.remove(&key);
        finished
    }

    fn leave_what_is_closed(&mut self) {
        let open = self.recording().open();
        self.known
            .retain(|(_, file), _| open.contains(&Some(*file)));
    }
}
