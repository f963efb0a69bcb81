//! A version that speaks HTTP/2, and what is asked of it.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex},
    thread,
};

use mirror_core::{
    http::h2::PREFACE,
    testing::{block, data, fields, frame, headers},
};

use super::Answer;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A server's settings: so many streams at once.
pub(crate) fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])
}

/// A request on a stream: for a page, or, with POST, a call of gRPC with a message of one byte.
pub(crate) fn ask(stream: u32, method: &str, path: &str) -> Vec<u8> {
    let mut fields = vec![
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "shop"),
    ];
    if method == "GET" {
        return headers(stream, &fields, true);
    }
    fields.push(("content-type", "application/grpc"));
    let message = b"\0\0\0\0\x01x";
    [headers(stream, &fields, false), data(stream, message, true)].concat()
}

/// An encoder of header blocks, which may insert each field that it has not inserted before.
pub(crate) struct Encoder {
    indexes: bool,
    inserted: Vec<(String, String)>,
}

impl Encoder {
    pub(crate) const fn new(indexes: bool) -> Self {
        Self {
            indexes,
            inserted: Vec::new(),
        }
    }

    fn headers(&mut self, stream: u32, fields: &[(&str, &str)], ends: bool) -> Vec<u8> {
        let block = match self.indexes {
            true => fields.iter().flat_map(|field| self.field(*field)).collect(),
            false => block(fields),
        };
        frame(
            HEADERS,
            END_HEADERS | if ends { END_STREAM } else { 0 },
            stream,
            &block,
        )
    }

    fn field(&mut self, (name, value): (&str, &str)) -> Vec<u8> {
        let owned = (name.to_owned(), value.to_owned());
        match self.inserted.iter().rev().position(|it| *it == owned) {
            _ if owned == (":status".to_owned(), "200".to_owned()) => vec![0x88],
            Some(place) if place < 30 => vec![u8::try_from(0x80 + 62 + place).unwrap()],
            _ => {
                let mut bytes = vec![0x40];
                for text in [name, value] {
                    bytes.push(u8::try_from(text.len()).unwrap());
                    bytes.extend(text.bytes());
                }
                self.inserted.push(owned);
                bytes
            }
        }
    }
}

impl Answer {
    /// Its frames on a stream.
    pub(crate) fn frames(&self, stream: u32, encoder: &mut Encoder) -> Vec<u8> {
        let status = self.status.to_string();
        let lower = |fields: &[(&'static str, String)]| {
            let lower = fields
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
            lower.collect::<Vec<_>>()
        };
        let (head, behind) = (lower(&self.fields), lower(&self.trailers));
        let mut list = vec![(":status", &*status)];
        list.extend(head.iter().map(|(name, value)| (&**name, &**value)));
        let head = encoder.headers(stream, &list, false);
        let body = data(stream, &self.body, behind.is_empty());
        if behind.is_empty() {
            return [head, body].concat();
        }
        let behind: Vec<_> = behind
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        [head, body, encoder.headers(stream, &behind, true)].concat()
    }
}

/// A frame that came.
pub(crate) struct Frame {
    kind: u8,
    flags: u8,
    pub(crate) stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn read(connection: &mut TcpStream) -> Option<Self> {
        let mut header = [0; 9];
        connection.read_exact(&mut header).ok()?;
        let [a, b, c, kind, flags, d, e, f, g] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        connection.read_exact(&mut payload).ok()?;
        Some(Self {
            kind,
            flags,
            stream: u32::from_be_bytes([d, e, f, g]),
            payload,
        })
    }

    /// Whether its sender says nothing more on its stream.
    pub(crate) fn ends(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// Until the client closes, whose header blocks stand for themselves, as podmirror's do. Each stream is answered when
/// its answer is there.
pub(super) fn serve<A>(connection: TcpStream, indexes: bool, answer: &Arc<A>)
where
    A: Fn(&str) -> Answer + Send + Sync + 'static,
{
    let _: Option<()> = try_serve(connection, indexes, answer);
}

fn try_serve<A>(mut connection: TcpStream, indexes: bool, answer: &Arc<A>) -> Option<()>
where
    A: Fn(&str) -> Answer + Send + Sync + 'static,
{
    let mut preface = [0; PREFACE.len()];
    connection.read_exact(&mut preface).ok()?;
    assert_eq!(preface, *PREFACE);
    let mut paths = HashMap::new();
    let out = connection.try_clone().ok()?;
    let out = Arc::new(Mutex::new((out, Encoder::new(indexes))));
    let write = |bytes: &[u8]| out.lock().unwrap().0.write_all(bytes).ok();
    write(&settings())?;
    loop {
        let came = Frame::read(&mut connection)?;
        let Frame {
            kind,
            flags,
            stream,
            payload,
        } = &came;
        match (*kind, flags & 1) {
            (SETTINGS, 0) => write(&frame(*kind, 1, 0, &[]))?,
            (PING, 0) => write(&frame(*kind, 1, 0, payload))?,
            (HEADERS, _) if !paths.contains_key(stream) => {
                let path = fields(payload).into_iter().find(|it| it.0 == ":path");
                paths.insert(*stream, path.unwrap().1);
            }
            _ => {}
        }
        if came.ends() {
            let (path, stream) = (paths.remove(stream)?, *stream);
            let (out, answer) = (Arc::clone(&out), Arc::clone(answer));
            thread::spawn(move || {
                let answer = answer(&path);
                let (connection, encoder) = &mut *out.lock().unwrap();
                let frames = answer.frames(stream, encoder);
                // Whoever has closed wants no answer.
                let _ = connection.write_all(&frames);
            });
        }
    }
}
