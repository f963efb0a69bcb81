//! Versions of a service, which answer as a test says, over HTTP/1 or HTTP/2 without TLS; and what one of them does
//! otherwise.

mod http1;
pub(crate) mod http2;
pub(crate) mod noise;
pub(crate) mod plants;

use std::{io::Write as _, net::TcpListener, sync::Arc, thread};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

/// What a version speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    /// `indexes`: its header blocks refer to what earlier ones inserted, as most servers' do.
    Http2 {
        indexes: bool,
    },
}

/// What a version answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Of HTTP/2.
    pub(crate) trailers: Vec<(&'static str, String)>,
}

impl Answer {
    /// What a good version answers: JSON, with a header of its own.
    pub(crate) fn good() -> Self {
        Self::of(&document())
    }

    pub(crate) fn of(document: &Value) -> Self {
        Self {
            status: 200,
            fields: vec![
                ("Content-Type", "application/json".to_owned()),
                ("X-Total", "2".to_owned()),
            ],
            body: document.to_string().into_bytes(),
            trailers: Vec::new(),
        }
    }

    /// What a good version answers to a call of gRPC: a message of three bytes.
    pub(crate) fn call() -> Self {
        Self {
            status: 200,
            fields: vec![
                ("Content-Type", "application/grpc".to_owned()),
                ("X-Total", "2".to_owned()),
            ],
            body: b"\0\0\0\0\x03abc".to_vec(),
            trailers: vec![("grpc-status", "0".to_owned())],
        }
    }

    /// The same, packed.
    pub(crate) fn gzip(mut self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.body).unwrap();
        self.body = encoder.finish().unwrap();
        self.fields.push(("Content-Encoding", "gzip".to_owned()));
        self
    }

    /// Takes the fields of this name away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|it| it.0 != name);
    }
}

pub(crate) fn document() -> Value {
    json!({"total": 2, "items": [{"id": 1, "price": 9.5}, {"id": 2, "price": 1}], "tags": ["a", "b"]})
}

/// Answers each request at this listener, whose path is given, with what `answer` says, which may take its time. Ends
/// when the listener is shut down.
pub(crate) fn serve(
    listener: TcpListener,
    wire: Wire,
    answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || match wire {
                Wire::Http1 => http1::serve(connection, &*answer),
                Wire::Http2 { indexes } => http2::serve(connection, indexes, &answer),
            });
        }
    });
}
