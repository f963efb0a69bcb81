//! Versions of a service on loopback, which answer as a test says.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

/// What a version answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) gzip: bool,
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
            gzip: false,
        }
    }

    /// As it is on the wire.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut body = self.body;
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        if self.gzip {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&body).unwrap();
            body = encoder.finish().unwrap();
        }
        for (name, value) in self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    }
}

pub(crate) fn document() -> Value {
    json!({"total": 2, "items": [{"id": 1, "price": 9.5}, {"id": 2, "price": 1}], "tags": ["a", "b"]})
}

/// A version that answers each request target with what `answer` says, which may take its time.
/// Its URL.
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

fn serve(mut connection: TcpStream, answer: &dyn Fn(&str) -> Answer) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        while let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
            let target = head.split(' ').nth(1).unwrap();
            if connection.write_all(&answer(target).bytes()).is_err() {
                return;
            }
        }
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
