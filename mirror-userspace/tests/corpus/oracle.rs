//! The corpus on disk: a manifest, captures, one oracle file each.

use std::{env, fs, net::IpAddr, path::PathBuf};

use serde::{Deserialize, de::DeserializeOwned};

/// The folder of a corpus.
pub(crate) struct Corpus(PathBuf);

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pcaps: Vec<Entry>,
    #[serde(default)]
    pcaps_derived: Vec<Entry>,
}

/// One capture of the manifest.
#[derive(Clone, Deserialize)]
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) oracle: String,
}

/// What is known of one capture.
#[derive(Deserialize)]
pub(crate) struct Oracle {
    connections: Known,
    /// Where `connections` is only their number.
    #[serde(default)]
    connections_detail: Vec<Connection>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Known {
    Each(Vec<Connection>),
    Number(u64),
}

/// What is known of all connections of one 4-tuple.
#[derive(Deserialize)]
pub(crate) struct Connection {
    pub(crate) client: String,
    pub(crate) server: String,
    #[serde(default)]
    pub(crate) protocol: Option<String>,
    /// In order; `None` where nobody can say.
    pub(crate) requests: Option<Vec<Request>>,
    /// If set, requests that start after a hole may or may not be found.
    #[serde(default)]
    gap_policy: Option<String>,
    /// Those of the capture that this one was made from by leaving packets out.
    #[serde(default)]
    pub(crate) requests_of_the_base_capture: Option<Vec<Request>>,
    #[serde(default)]
    segments: Vec<Direction>,
    #[serde(flatten)]
    whole: Direction,
}

/// What the client of one connection sent.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct Direction {
    #[serde(default)]
    pub(crate) c2s: Sent,
    /// What a Linux socket delivered for the same segments.
    #[serde(default)]
    pub(crate) c2s_linux_kernel_recv: Option<Received>,
    /// Wireshark's number of the connection.
    #[serde(default)]
    pub(crate) tshark_tcp_stream: Option<u64>,
}

#[derive(Clone, Default, Deserialize)]
pub(crate) struct Sent {
    #[serde(default)]
    pub(crate) contiguous_len: u64,
    #[serde(default)]
    pub(crate) sha256_contiguous: Option<String>,
    /// Holes, each where it starts and how long it is.
    #[serde(default)]
    gaps: Vec<(u64, u64)>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Received {
    pub(crate) len: u64,
    pub(crate) sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: Option<String>,
    pub(crate) body_len: u64,
    /// `None` if the body is empty.
    pub(crate) body_sha256: Option<String>,
    pub(crate) complete: bool,
}

impl Corpus {
    /// The corpus that the environment names; `None`, said loudly, if it names none.
    pub(crate) fn named() -> Option<Self> {
        match env::var_os("PODMIRROR_CORPUS") {
            Some(folder) => Some(Self(folder.into())),
            None => {
                eprintln!("SKIPPED: PODMIRROR_CORPUS does not name a corpus (docs/CORPUS.md)");
                None
            }
        }
    }

    /// All captures that the manifest names, derived ones included.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let manifest: Manifest = self.json("MANIFEST.json");
        let entries = [manifest.pcaps, manifest.pcaps_derived].concat();
        assert!(!entries.is_empty(), "an empty corpus proves nothing");
        entries
    }

    pub(crate) fn oracle(&self, entry: &Entry) -> Oracle {
        self.json(&entry.oracle)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, file: &str) -> T {
        let path = self.path(file);
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Oracle {
    pub(crate) fn connections(self) -> Vec<Connection> {
        match self.connections {
            Known::Each(connections) => connections,
            Known::Number(number) => {
                assert_eq!(number, self.connections_detail.len() as u64);
                self.connections_detail
            }
        }
    }
}

impl Connection {
    pub(crate) fn client(&self) -> String {
        endpoint(&self.client)
    }

    pub(crate) fn server(&self) -> String {
        endpoint(&self.server)
    }

    /// What the client sent in each of the connections.
    pub(crate) fn sent(&self) -> Vec<Direction> {
        if self.segments.is_empty() {
            vec![self.whole.clone()]
        } else {
            self.segments.clone()
        }
    }

    /// Whether bytes are missing: requests that start behind them are optional.
    pub(crate) fn has_holes(&self) -> bool {
        self.gap_policy.is_some() || self.sent().iter().any(|sent| !sent.c2s.gaps.is_empty())
    }

    /// Whether it is HTTP/2, which podmirror does not take for requests.
    pub(crate) fn is_http2(&self) -> bool {
        self.protocol
            .as_deref()
            .is_some_and(|name| name.starts_with("h2"))
    }

    /// The requests that are complete in the capture.
    pub(crate) fn complete(&self) -> Option<Vec<Request>> {
        let requests = self.requests.as_ref()?.iter();
        Some(
            requests
                .filter(|request| request.complete)
                .cloned()
                .collect(),
        )
    }
}

/// An address and a port as podmirror prints them: oracles leave the brackets out.
fn endpoint(text: &str) -> String {
    let (ip, port) = text.rsplit_once(':').unwrap();
    match ip.parse().unwrap() {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}
