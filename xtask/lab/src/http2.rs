//! A server that writes down each HTTP/2 request that it gets: field lists in order, bodies, trailers.
//!
//! As v1 it is the witness of what the client sent; as v2, of what the mirror sent. It reads the wire with hyper's
//! h2 (Python), which has nothing of ours.

use std::{
    fs,
    net::SocketAddr,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Namespace, Process, Scratch, listening::serve, python};

const PROGRAM: &str = include_str!("../programs/h2_recorder.py");

/// The running server; it ends when this value is dropped.
#[derive(Debug)]
pub struct Http2Recorder {
    _process: Process,
    folder: Scratch,
    address: SocketAddr,
}

/// What a recorder does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It answers each.
    Serves,
    /// It refuses each path when that is first asked for: REFUSED_STREAM.
    Refuses,
    /// It takes one request on each connection, and refuses the next by GOAWAY. It does not read on, but closes nothing.
    Leaves,
    /// It answers none. Each is written down when it is reset, or when its connection ends.
    Withholds,
}

/// A request as it was on the wire. Bytes are shown as Latin-1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Http2Request {
    /// All fields in order, pseudo-headers too: name, value, and whether it is never to be indexed. Of a request in
    /// HTTP/1 the first one is its method and target.
    pub fields: Vec<(String, String, bool)>,
    /// The fields behind the body.
    pub trailers: Option<Vec<(String, String, bool)>>,
    /// The body's length in bytes.
    pub body_len: u64,
    /// The body's SHA-256, in hexadecimal digits.
    pub body_sha256: String,
    /// `2`, or `1` for what came in HTTP/1.
    pub version: String,
    /// `end`; `refused` by the recorder, `reset` by the client, or `closed` with its connection before its end.
    pub end: String,
    /// The connection it came on, numbered from 0 in the order of their acceptance.
    pub connection: u64,
    /// The stream.
    pub stream: u64,
}

impl Manner {
    const fn name(self) -> &'static str {
        match self {
            Self::Serves => "serves",
            Self::Refuses => "refuses",
            Self::Leaves => "leaves",
            Self::Withholds => "withholds",
        }
    }
}

impl Http2Recorder {
    /// Listens on `address` inside the namespace; each connection may have so many streams at once.
    ///
    /// # Errors
    ///
    /// Without Python 3 and PyPI's h2, or when the address is taken.
    pub fn start(namespace: &Namespace, address: SocketAddr, streams: u32) -> Result<Self> {
        Self::start_as(Manner::Serves, namespace, address, streams)
    }

    /// The same, in this manner.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_as(
        manner: Manner,
        namespace: &Namespace,
        address: SocketAddr,
        streams: u32,
    ) -> Result<Self> {
        let folder = Scratch::create("http2")?;
        let mut command = python::program(&folder, "h2_recorder.py", PROGRAM)?;
        command
            .args([address.ip().to_string(), address.port().to_string()])
            .arg(folder.path().join("requests"))
            .arg(streams.to_string())
            .arg(manner.name())
            .stderr(Stdio::inherit());
        Ok(Self {
            _process: serve(namespace, &mut command, address)?,
            folder,
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, in the order in which they ended.
    ///
    /// # Errors
    ///
    /// When the record cannot be read.
    pub fn requests(&self) -> Result<Vec<Http2Request>> {
        let text = fs::read_to_string(self.folder.path().join("requests"))?;
        // The last line may be half written.
        let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        complete
            .lines()
            .map(|line| Http2Request::parse(line).with_context(|| format!("no request: {line}")))
            .collect()
    }

    /// The requests that came to their end, once there are `count`; after `patience` those that there are, for the
    /// caller's assertion to show.
    ///
    /// # Errors
    ///
    /// As [`requests`](Self::requests).
    pub fn wait_for(&self, count: usize, patience: Duration) -> Result<Vec<Http2Request>> {
        let deadline = Instant::now() + patience;
        loop {
            let mut requests = self.requests()?;
            requests.retain(|request| request.end == "end");
            if requests.len() >= count || Instant::now() > deadline {
                return Ok(requests);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Http2Request {
    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let number = |name: &str| value.get(name)?.as_u64();
        Some(Self {
            fields: fields(value.get("fields")?)?,
            trailers: match value.get("trailers")? {
                Value::Null => None,
                list => Some(fields(list)?),
            },
            body_len: number("body_len")?,
            body_sha256: text("body_sha256")?,
            version: text("version")?,
            end: text("end")?,
            connection: number("connection")?,
            stream: number("stream")?,
        })
    }

    /// The value of the first field of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, ..)| known == name);
        found.map(|(_, value, _)| value.as_str())
    }

    /// The same without where it came, and without the fields of this name: what is left when a mirror's mark is
    /// taken off. Two that are equal then are the same request.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, ..)| known != name);
        self.connection = 0;
        self.stream = 0;
        self
    }
}

fn fields(list: &Value) -> Option<Vec<(String, String, bool)>> {
    let field = |field: &Value| {
        let text = |at: usize| Some(field.get(at)?.as_str()?.to_owned());
        Some((text(0)?, text(1)?, field.get(2)?.as_bool()?))
    };
    list.as_array()?.iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::{Family, Host, Lab, packages};

    #[test]
    fn it_writes_down_what_nghttp_sends() {
        let lab = Lab::new().unwrap();
        let address = Host::V1.address(Family::V4, 80);
        let server = Http2Recorder::start(&lab.v1, address, 100).unwrap();
        let mut nghttp = Command::new(packages::require("nghttp").unwrap());
        nghttp.args(["-H", "x-a: 1", "-H", "x-a: 2", "http://10.77.0.10/path"]);
        let output = lab.client.output(&mut nghttp).unwrap();
        assert!(output.status.success(), "{output:?}");
        let requests = server.wait_for(1, Duration::from_secs(30)).unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].value(":path"), Some("/path"));
        let twice = requests[0].fields.iter().filter(|(name, ..)| name == "x-a");
        let twice: Vec<_> = twice.map(|(_, value, _)| value.as_str()).collect();
        assert_eq!(twice, ["1", "2"]);
        assert_eq!(requests[0].body_len, 0);
    }
}
