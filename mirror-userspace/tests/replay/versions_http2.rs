//! The same over HTTP/2: what they answer, and versions on loopback that speak it without TLS.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use mirror_core::{
    http::h2::PREFACE,
    testing::{data, fields, frame, headers},
};

/// What a version answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) head: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(&'static str, String)>,
}

impl Answer {
    /// What a good version answers to a call of gRPC: a message of three bytes.
    pub(crate) fn call() -> Self {
        Self {
            head: vec![
                (":status", "200".to_owned()),
                ("content-type", "application/grpc".to_owned()),
                ("x-total", "2".to_owned()),
            ],
            body: b"\0\0\0\0\x03abc".to_vec(),
            trailers: vec![("grpc-status", "0".to_owned())],
        }
    }

    /// A page: JSON.
    pub(crate) fn page(document: &serde_json::Value) -> Self {
        Self {
            head: vec![
                (":status", "200".to_owned()),
                ("content-type", "application/json".to_owned()),
                ("x-total", "2".to_owned()),
            ],
            body: document.to_string().into_bytes(),
            trailers: Vec::new(),
        }
    }

    /// Its frames on a stream; `block` makes a header block.
    pub(crate) fn frames(
        &self,
        stream: u32,
        mut block: impl FnMut(&[(&str, &str)], bool) -> Vec<u8>,
    ) -> Vec<u8> {
        let ends = self.trailers.is_empty();
        let mut list = |fields: &[(&'static str, String)], ends| {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (*name, &**value))
                .collect();
            block(&fields, ends)
        };
        let head = list(&self.head, false);
        let body = data(stream, &self.body, ends);
        let trailers = match ends {
            true => Vec::new(),
            false => list(&self.trailers, true),
        };
        [head, body, trailers].concat()
    }
}

/// A version that answers each request, whose path is given, as `answer` says. Its URL.
pub(crate) fn version(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || serve(connection.unwrap(), &*answer));
        }
    });
    format!("http://{address}")
}

/// Until the client closes. Header blocks of podmirror's stand for themselves.
fn serve(mut connection: TcpStream, answer: &dyn Fn(&str) -> Answer) -> Option<()> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    let mut preface = [0; PREFACE.len()];
    connection.read_exact(&mut preface).ok()?;
    assert_eq!(preface, *PREFACE);
    let mut paths = std::collections::HashMap::new();
    connection.write_all(&frame(SETTINGS, 0, 0, &[])).ok()?;
    loop {
        let mut header = [0; 9];
        connection.read_exact(&mut header).ok()?;
        let [a, b, c, kind, flags, d, e, f, g] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        connection.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([d, e, f, g]);
        match (kind, flags & 1) {
            (SETTINGS, 0) => connection.write_all(&frame(kind, 1, 0, &[])).ok()?,
            (PING, 0) => connection.write_all(&frame(kind, 1, 0, &payload)).ok()?,
            (HEADERS, _) if !paths.contains_key(&stream) => {
                let path = fields(&payload).into_iter().find(|it| it.0 == ":path");
                paths.insert(stream, path.unwrap().1);
            }
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & 1 != 0 {
            let answer = answer(&paths.remove(&stream)?);
            let frames = answer.frames(stream, |fields, ends| headers(stream, fields, ends));
            connection.write_all(&frames).ok()?;
        }
    }
}
