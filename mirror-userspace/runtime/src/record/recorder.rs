//! The observer that records: requests to what their connections say in a file.

use std::collections::HashMap;

use bytes::BytesMut;
use mirror_core::{
    http::{Framing, Head, RequestHead, h2},
    pipeline::{NotKept, Observer, RequestInfo, RequestKey},
    policy::{MutableField, Trailers, redact, redact_block},
    segment::Time,
};

use super::{
    RecordTo,
    connections::{Connections, Speaks},
    frames::{self, End},
    recording::FileNumber,
};

/// Records the requests of one pipeline.
///
/// Keeps 40 bytes for each open connection that had a request, 40 for each request under way, and 200 more while a
/// body's trailers are to be hidden; the pipeline's limits bound their number.
/// Writing happens on the caller's thread: while the disk is slow, the shard waits, and its ring loses what
/// no longer fits, which is counted.
#[derive(Debug)]
pub struct Recorder {
    connections: Connections,
    /// Requests under way of which all so far is written.
    requests: HashMap<RequestKey, Request, foldhash::fast::RandomState>,
    head: BytesMut,
    frames: Vec<u8>,
}

#[derive(Debug)]
struct Request {
    file: FileNumber,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// With what hides its trailers, if any are to be hidden.
    Http1(Option<Box<Trailers>>),
    /// And whether its end is written.
    Http2(End),
}

impl Recorder {
    /// A recorder that writes where `to` says.
    #[must_use]
    pub fn new(to: RecordTo) -> Self {
        Self {
            connections: Connections::new(to),
            requests: HashMap::default(),
            head: BytesMut::new(),
            frames: Vec::new(),
        }
    }

    fn http1(&self, head: &Head<'_>) -> Kind {
        let redact = &self.connections.to().redact;
        let hide = (head.framing == Framing::Chunked)
            .then(|| Trailers::hiding(redact.iter().map(MutableField::name)));
        Kind::Http1(hide.flatten().map(Box::new))
    }

    /// Writes on the request's connection; the request is given up if that fails.
    fn say(&mut self, info: &RequestInfo, at: Time, bytes: &[u8]) {
        let Some(request) = self.requests.get(&info.request) else {
            return;
        };
        let file = request.file;
        if self.connections.say(file, info, at, bytes).is_err() {
            self.requests.remove(&info.request);
            self.connections.end(file);
        }
    }

    /// As [`say`](Self::say), of frames.
    fn say_frames(&mut self, info: &RequestInfo, at: Time, put: impl FnOnce(u32, &mut Vec<u8>)) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        put(info.request.number, &mut frames);
        self.say(info, at, &frames);
        self.frames = frames;
    }

    fn say_block(&mut self, info: &RequestInfo, at: Time, list: &h2::FieldList, end: End) {
        let mut block = std::mem::take(&mut self.head);
        block.clear();
        redact_block(list, &self.connections.to().redact, &mut block);
        self.say_frames(info, at, |stream, out| {
            frames::headers(stream, &block, end, out);
        });
        self.head = block;
        if let Some(Request { kind, .. }) = self.requests.get_mut(&info.request) {
            *kind = Kind::Http2(end);
        }
    }
}

impl Observer for Recorder {
    fn head(&mut self, info: &RequestInfo, head: &RequestHead<'_>) {
        let (kind, speaks) = match head {
            RequestHead::Http1(head) => (self.http1(head), Speaks::Http1(head.upgrade)),
            RequestHead::Http2(_) => (Kind::Http2(End::Open), Speaks::Http2),
        };
        let Ok(file) = self.connections.begin(info, speaks) else {
            return;
        };
        self.requests.insert(info.request, Request { file, kind });
        match head {
            RequestHead::Http1(head) => {
                let mut bytes = std::mem::take(&mut self.head);
                bytes.clear();
                redact(head, &self.connections.to().redact, &mut bytes);
                self.say(info, info.begun, &bytes);
                self.head = bytes;
            }
            RequestHead::Http2(head) => {
                let end = if head.ends { End::Stream } else { End::Open };
                self.say_block(info, info.begun, head.fields, end);
            }
        }
    }

    fn body(&mut self, info: &RequestInfo, raw: &[u8]) {
        match self.requests.get_mut(&info.request).map(|it| &mut it.kind) {
            None => {}
            Some(Kind::Http1(hide)) => {
                let raw = hide.as_mut().map_or(raw.into(), |hide| hide.feed(raw));
                self.say(info, info.at, &raw);
            }
            Some(Kind::Http2(_)) => self.say_frames(info, info.at, |stream, out| {
                frames::data(stream, raw, End::Open, out);
            }),
        }
    }

    fn trailers(&mut self, info: &RequestInfo, fields: &h2::FieldList) {
        self.say_block(info, info.at, fields, End::Stream);
    }

    fn end(&mut self, info: &RequestInfo) -> Result<(), NotKept> {
        let request = self.requests.get(&info.request);
        if matches!(request, Some(it) if matches!(it.kind, Kind::Http2(End::Open))) {
            self.say_frames(info, info.at, |stream, out| {
                frames::data(stream, &[], End::Stream, out);
            });
        }
        let request = self.requests.remove(&info.request);
        let request = request.ok_or(NotKept::RecordFailed)?;
        self.connections.end(request.file);
        Ok(())
    }

    fn lost(&mut self, info: &RequestInfo) {
        let Some(request) = self.requests.get(&info.request) else {
            return;
        };
        match request.kind {
            Kind::Http1(_) => self.connections.reset(request.file, info),
            Kind::Http2(_) => self.say_frames(info, info.at, frames::reset),
        }
        if let Some(request) = self.requests.remove(&info.request) {
            self.connections.end(request.file);
        }
    }

    fn closed(&mut self, info: &RequestInfo) {
        self.connections.close(info);
    }
}
