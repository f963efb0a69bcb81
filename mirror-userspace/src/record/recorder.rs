//! The observer that records: requests to segments of connections made for them.

use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError},
};

use bytes::BytesMut;
use mirror_common::record::flag;
use mirror_core::{
    http::{Framing, RequestHead},
    pipeline::{ConnectionId, NotKept, Observer, RequestInfo},
    policy::{MutableField, Trailers, redact},
    segment::{Direction, Segment, SeqNum, TcpFlags, Time},
};

use super::{
    RecordTo,
    recording::{FileNumber, Recording, Refused},
};

/// The largest segment that is written: what fits in an IP packet.
const LARGEST: usize = 32 << 10;

/// Records the requests of one pipeline.
///
/// Keeps 24 bytes for each open connection that had a request, and 200 more while a body's trailers are to be
/// hidden; the pipeline's limits bound their number.
/// Writing happens on the caller's thread: while the disk is slow, the shard waits, and its ring loses what
/// no longer fits, which is counted.
#[derive(Debug)]
pub struct Recorder {
    to: RecordTo,
    connections: HashMap<ConnectionId, Recorded, foldhash::fast::RandomState>,
    /// What hides the trailers of the bodies under way, where any are to be hidden.
    trailers: HashMap<ConnectionId, Trailers, foldhash::fast::RandomState>,
    /// Connections begun in files.
    begun: u32,
    head: BytesMut,
}

/// A connection as it is in a file.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    file: FileNumber,
    next: SeqNum,
    request: Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    None,
    UnderWay,
    /// It could not be written.
    Broken,
}

impl Recorder {
    /// A recorder that writes where `to` says.
    #[must_use]
    pub fn new(to: RecordTo) -> Self {
        Self {
            to,
            connections: HashMap::default(),
            trailers: HashMap::default(),
            begun: 0,
            head: BytesMut::new(),
        }
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        // Another shard's panic leaves whole blocks behind, or a failure.
        self.to
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection in the file that this request belongs in, opened there if it is not.
    fn begin(&mut self, info: &RequestInfo) -> Result<Recorded, Refused> {
        let at = info.begun + self.to.epoch;
        let file = self.recording().begin(at)?;
        let known = self.connections.get(&info.request.connection);
        if let Some(known) = known.filter(|known| known.file == file) {
            return Ok(*known);
        }
        // Initial sequence numbers tell connections of the same 4-tuple apart.
        self.begun = self.begun.wrapping_add(1);
        let mut recorded = Recorded {
            file,
            next: SeqNum(self.begun.wrapping_mul(0x9e37_79b1)),
            request: Request::None,
        };
        self.write(&mut recorded, info, info.begun, flag::SYN, b"")?;
        Ok(recorded)
    }

    fn write(
        &self,
        recorded: &mut Recorded,
        info: &RequestInfo,
        at: Time,
        flags: u8,
        payload: &[u8],
    ) -> Result<(), Refused> {
        let flags = TcpFlags(flags);
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let segment = Segment {
            at: at + self.to.epoch,
            flow: info.flow,
            seq: recorded.next,
            // The server's bytes are not recorded: its first one is always the next.
            ack: flags.ack().then_some(SeqNum(1)),
            flags,
            urgent: None,
            direction: Direction::ToServer,
            expected: None,
            starts_segment: true,
            payload,
            wire_len: len,
        };
        self.recording().write(recorded.file, &segment)?;
        recorded.next = recorded.next + len + u32::from(flags.syn()) + u32::from(flags.fin());
        Ok(())
    }

    fn say(
        &self,
        recorded: &mut Recorded,
        info: &RequestInfo,
        at: Time,
        bytes: &[u8],
    ) -> Result<(), Refused> {
        bytes
            .chunks(LARGEST)
            .try_for_each(|piece| self.write(recorded, info, at, flag::ACK | flag::PSH, piece))
    }
}

impl Observer for Recorder {
    fn head(&mut self, info: &RequestInfo, head: &RequestHead<'_>) {
        // Requests of HTTP/2 are not recorded.
        let RequestHead::Http1(head) = head else {
            return;
        };
        let Ok(mut recorded) = self.begin(info) else {
            self.connections.remove(&info.request.connection);
            return;
        };
        if head.framing == Framing::Chunked
            && let Some(hide) = Trailers::hiding(self.to.redact.iter().map(MutableField::name))
        {
            self.trailers.insert(info.request.connection, hide);
        }
        let mut bytes = std::mem::take(&mut self.head);
        bytes.clear();
        redact(head, &self.to.redact, &mut bytes);
        let said = self.say(&mut recorded, info, info.begun, &bytes);
        self.head = bytes;
        recorded.request = match said {
            Ok(()) => Request::UnderWay,
            Err(_) => Request::Broken,
        };
        self.connections.insert(info.request.connection, recorded);
    }

    fn body(&mut self, info: &RequestInfo, raw: &[u8]) {
        let known = self.connections.get(&info.request.connection);
        let Some(mut recorded) = known.copied().filter(|r| r.request == Request::UnderWay) else {
            return;
        };
        let hide = self.trailers.get_mut(&info.request.connection);
        let raw = hide.map_or(raw.into(), |hide| hide.feed(raw));
        if self.say(&mut recorded, info, info.at, &raw).is_err() {
            recorded.request = Request::Broken;
        }
        self.connections.insert(info.request.connection, recorded);
    }

    fn end(&mut self, info: &RequestInfo) -> Result<(), NotKept> {
        self.trailers.remove(&info.request.connection);
        let known = self.connections.get_mut(&info.request.connection);
        let recorded = known.ok_or(NotKept::RecordFailed)?;
        let (file, request) = (recorded.file, recorded.request);
        recorded.request = Request::None;
        self.recording().end(file);
        if request != Request::UnderWay {
            self.connections.remove(&info.request.connection);
            return Err(NotKept::RecordFailed);
        }
        Ok(())
    }

    fn lost(&mut self, info: &RequestInfo) {
        self.trailers.remove(&info.request.connection);
        // What follows on the connection is not behind the broken request: it begins anew.
        if let Some(mut recorded) = self.connections.remove(&info.request.connection) {
            let reset = self.write(&mut recorded, info, info.at, flag::RST | flag::ACK, b"");
            // Without its file there is nothing to reset.
            let _no_file = reset;
            self.recording().end(recorded.file);
        }
    }

    fn closed(&mut self, info: &RequestInfo) {
        if let Some(mut recorded) = self.connections.remove(&info.request.connection) {
            // A file that was closed since has no end of it.
            let _no_file = self.write(&mut recorded, info, info.at, flag::FIN | flag::ACK, b"");
        }
    }
}
