//! Versions in the lab, and a client that waits for them.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use lab::{Family, Host, Lab, Namespace, RawClient};
use mirror_core::testing::opening;
use nix::sys::socket;
use serde_json::Value;

use super::{address, http2::judge};

use crate::{
    traffic::get,
    versions::{
        Answer, Wire,
        http2::{Frame, ask},
        plants::Request,
        serve,
    },
};

/// How long versions may take for what they are sent.
const PATIENCE: Duration = Duration::from_secs(120);

/// A version; it stops when this value is dropped.
pub(super) struct Version {
    listener: TcpListener,
    served: Arc<AtomicUsize>,
}

impl Version {
    pub(super) fn start(
        namespace: &Namespace,
        address: SocketAddr,
        wire: Wire,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = namespace.run(|| TcpListener::bind(address));
        let listener = listener.unwrap().unwrap();
        let served = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&served);
        serve(listener.try_clone().unwrap(), wire, move |path| {
            let answer = answer(path);
            counted.fetch_add(1, Ordering::Relaxed);
            answer
        });
        Self { listener, served }
    }

    /// Waits until it has answered so many requests.
    pub(super) fn wait_for(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.served.load(Ordering::Relaxed) < count {
            let served = self.served.load(Ordering::Relaxed);
            assert!(Instant::now() < deadline, "{served} of {count} came");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        let _ = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
    }
}

/// A client with one connection, which makes one request after the other.
pub(super) enum Client {
    Http1(RawClient),
    Http2 { connection: TcpStream, stream: u32 },
}

impl Client {
    pub(super) fn connect(lab: &Lab, v1: SocketAddr, http2: bool) -> Self {
        if !http2 {
            return Self::Http1(RawClient::connect(&lab.client, v1).unwrap());
        }
        let connection = lab.client.run(|| TcpStream::connect(v1)).unwrap().unwrap();
        connection.set_nodelay(true).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        write(&connection, &opening());
        Self::Http2 {
            connection,
            stream: 1,
        }
    }

    /// Makes a request, and reads its reply to the end.
    pub(super) fn ask(&mut self, (method, path): &Request) {
        match self {
            Self::Http1(client) => {
                client.write(&get(path)).unwrap();
                client.read_reply(method).unwrap();
            }
            Self::Http2 { connection, stream } => {
                write(connection, &ask(*stream, method, path));
                let ends = |frame: Frame| frame.stream == *stream && frame.ends();
                while !ends(Frame::read(connection).unwrap()) {}
                *stream += 2;
            }
        }
    }
}

fn write(mut connection: &TcpStream, bytes: &[u8]) {
    std::io::Write::write_all(&mut connection, bytes).unwrap();
}

/// What is compared: how the versions speak, and whether v1 is one of them.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    pub(super) http2: bool,
    pub(super) v1: bool,
}

const CANDIDATE: u16 = 82;

/// The versions of a mode: v1, and at ports of v2's the targets.
pub(super) struct Versions {
    mode: Mode,
    _v1: Version,
    targets: Vec<(u16, Version)>,
    /// Requests that each of them got.
    asked: usize,
}

impl Versions {
    /// `version` gives each by its number: 0 is v1 or a baseline, 1 the candidate, and 2 a second baseline.
    pub(super) fn start<A>(lab: &Lab, mode: Mode, version: impl Fn(u64) -> A) -> Self
    where
        A: Fn(&str) -> Answer + Send + Sync + 'static,
    {
        let wire = |indexes| match mode.http2 {
            true => Wire::Http2 { indexes },
            false => Wire::Http1,
        };
        let v1 = Host::V1.address(Family::V4, 80);
        let ports: &[(u16, u64)] = match mode.v1 {
            true => &[(CANDIDATE, 1)],
            false => &[(81, 0), (83, 2), (CANDIDATE, 1)],
        };
        let target = |&(port, number): &(u16, u64)| {
            let version = version(number);
            let target = Version::start(&lab.v2, address(port), wire(false), version);
            (port, target)
        };
        Self {
            mode,
            _v1: Version::start(&lab.v1, v1, wire(true), version(0)),
            targets: ports.iter().map(target).collect(),
            asked: 0,
        }
    }

    /// The targets, as flags.
    pub(super) fn flags(&self) -> Vec<String> {
        let url = |port: u16| {
            let role = match port {
                CANDIDATE => "candidate",
                _ => "baseline",
            };
            format!("http://{},role={role}", address(port))
        };
        let urls = self.targets.iter().map(|target| url(target.0));
        urls.flat_map(|url| ["--target".to_owned(), url]).collect()
    }

    /// Waits until each target has answered so many more requests.
    pub(super) fn wait_for(&mut self, more: usize) {
        self.asked += more;
        for (_, target) in &self.targets {
            target.wait_for(self.asked);
        }
    }

    /// What a mirror to them says in the end of these requests.
    pub(super) fn judge(&mut self, lab: &Lab, requests: &[Request]) -> Value {
        let targets = self.flags();
        let mut flags: Vec<_> = targets.iter().map(String::as_str).collect();
        if self.mode.v1 {
            flags.extend(["--compare", "v1", "--reply-head", "16K"]);
        }
        let play = |v1| {
            let mut client = Client::connect(lab, v1, self.mode.http2);
            // Replies that wait for others are limited.
            for some in requests.chunks(250) {
                some.iter().for_each(|request| client.ask(request));
                self.wait_for(some.len());
            }
        };
        judge(lab, flags[1], play, &flags[2..])
    }
}
