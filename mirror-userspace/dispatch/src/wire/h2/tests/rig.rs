//! A session, and the target that a test plays for it.

use std::time::Duration;

use bytes::Bytes;
use mirror_core::{
    budget::Budget,
    http::h2::{
        PREFACE,
        frame::{FrameHeader, HEADER, Kind},
    },
    pipeline::{
        ConnectionId, CopyId, Effect, Expect, MirrorCopy, Persistence, RequestKey, Rest, TargetId,
        Wire,
    },
    segment::Time,
};

use super::super::{Fault, Heard, Limits, Session};
use crate::{copy::Copies, wire::h1::reply};

/// A frame as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// The bytes of a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![len[1], len[2], len[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A SETTINGS frame.
pub(super) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in settings {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(4, 0, 0, &payload)
}

/// A WINDOW_UPDATE frame.
pub(super) fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(8, 0, stream, &more.to_be_bytes())
}

/// A header block: literals without indexing (RFC 7541 section 6.2.2).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            string(text.as_bytes(), &mut block);
        }
    }
    block
}

fn string(text: &[u8], to: &mut Vec<u8>) {
    match u8::try_from(text.len()) {
        Ok(len @ 0..127) => to.push(len),
        _ => {
            to.push(127);
            let mut left = text.len() - 127;
            while left >= 128 {
                to.push(u8::try_from(left % 128).unwrap() | 128);
                left /= 128;
            }
            to.push(u8::try_from(left).unwrap());
        }
    }
    to.extend(text);
}

/// The head of a reply, or its trailers.
pub(super) fn headers(stream: u32, ends: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(1, 4 | u8::from(ends), stream, &block(fields))
}

pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) copies: Copies,
    pub(super) budget: Budget,
    pub(super) now: Time,
    pub(super) heard: Vec<Heard>,
    /// Streams whose first byte was written.
    pub(super) begun: Vec<u64>,
    given: u64,
}

impl Rig {
    /// A session whose greeting was written and taken off.
    pub(super) fn new() -> Self {
        let limits = Limits {
            reply: reply::Limits {
                fields: 100,
                head: 1_000,
                body: 100,
            },
            head_time: Duration::from_secs(5),
            body_time: Duration::from_secs(3),
            streams: 100,
        };
        let mut rig = Self {
            session: Session::new(limits),
            copies: Copies::default(),
            budget: Budget::new(1 << 24),
            now: Time::from_nanos(1 << 40),
            heard: Vec::new(),
            begun: Vec::new(),
            given: 0,
        };
        rig.session.handle_connected(rig.now);
        let greeting = rig.written();
        assert_eq!(greeting[..24], PREFACE[..]);
        let frames = frames(&greeting[24..]);
        let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [Kind::Settings, Kind::WindowUpdate]);
        assert_eq!(
            frames[0].payload[..12],
            [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
        );
        rig
    }

    /// The same, and the target has said its settings.
    pub(super) fn greeted(with: &[(u16, u32)]) -> Self {
        let mut rig = Self::new();
        rig.hear(&settings(with)).unwrap();
        assert!(matches!(rig.take_heard()[..], [Heard::Allows(_)]));
        let ack = rig.frames();
        assert_eq!(
            (ack[0].kind, ack[0].flags, ack.len()),
            (Kind::Settings, 1, 1)
        );
        rig
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Gives it a copy; its stream.
    pub(super) fn push(
        &mut self,
        head: &[u8],
        body: &[u8],
        trailers: Option<&[u8]>,
        rest: Rest,
    ) -> u32 {
        let id = CopyId(self.given);
        self.given += 1;
        let trailers = trailers.map(Bytes::copy_from_slice);
        let len = head.len() + body.len() + trailers.as_ref().map_or(0, Bytes::len);
        let job = self.copies.begin(MirrorCopy {
            id,
            target: TargetId(0),
            request: RequestKey {
                connection: ConnectionId(1),
                number: u32::try_from(self.given).unwrap(),
            },
            at: self.now,
            wire: Wire::Http2 { trailers },
            pieces: vec![Bytes::copy_from_slice(head), Bytes::copy_from_slice(body)],
            rest,
            expect: Expect::Body,
            persistence: Persistence::Persistent,
            effect: Effect::Repeats,
            reserved: self.budget.reserve(len).unwrap(),
        });
        let stream = self.session.next_stream();
        self.session.push(job, Some(self.now));
        stream
    }

    /// Gives it a copy that is whole.
    pub(super) fn give(&mut self, head: &[u8], body: &[u8]) -> u32 {
        self.push(head, body, None, Rest::Complete)
    }

    /// More of a streamed copy, the number of which is counted from 0.
    pub(super) fn chunk(&mut self, copy: u64, stream: u32, bytes: &'static [u8]) {
        let share = self.budget.reserve(bytes.len()).unwrap();
        let source = self.copies.stream_mut(CopyId(copy)).unwrap();
        source.push(Bytes::from_static(bytes), share);
        self.session
            .handle_source(stream, self.now, &mut self.copies);
    }

    /// Its end.
    pub(super) fn finish(&mut self, copy: u64, stream: u32, trailers: Option<&[u8]>) {
        let share = self.budget.empty();
        let source = self.copies.stream_mut(CopyId(copy)).unwrap();
        source.finish(trailers.map(Bytes::copy_from_slice), share);
        self.session
            .handle_source(stream, self.now, &mut self.copies);
    }

    /// What the session writes, as far as it may.
    pub(super) fn written(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        while self.session.poll_bytes(&mut self.copies) {
            let bytes = self.session.bytes().to_vec();
            let begun = &mut self.begun;
            self.session
                .advance(self.now, &mut self.copies, bytes.len(), |turn| {
                    begun.push(turn.job.id.0);
                });
            written.extend(bytes);
            self.hear(&[]).unwrap();
        }
        written
    }

    /// The same as frames.
    pub(super) fn frames(&mut self) -> Vec<Frame> {
        frames(&self.written())
    }

    /// The target says this. Copies that are over are taken out.
    pub(super) fn hear(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while let Some(heard) = self.session.hear(self.now, &mut bytes)? {
            self.heard.push(heard);
            if let Heard::Over(stream) | Heard::Lost(stream, _) = heard {
                let turn = self.session.remove(stream).unwrap();
                self.copies.end(turn.job);
            }
        }
        Ok(())
    }

    /// What was heard since this was asked last.
    pub(super) fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }
}

/// The frames in these bytes, all of which must be whole.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let header = FrameHeader::parse(*header);
        let (payload, rest) = rest.split_at(header.len as usize);
        bytes = rest;
        frames.push(Frame {
            kind: header.kind,
            flags: header.flags,
            stream: header.stream,
            payload: payload.to_vec(),
        });
    }
    assert!(bytes.is_empty());
    frames
}
