//! A pod as far as mirroring goes: a network namespace in which a service answers on loopback.
//!
//! Every pod has the same address, port and clients' ports, so what tells two of them apart is
//! where it was seen.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread::{self, JoinHandle},
};

use lab::Namespace;
use mirror_capture::{Netns, Place};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use std::os::fd::AsRawFd as _;

/// Where every pod's service listens.
const SERVICE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080);

pub(crate) struct Pod {
    namespace: Namespace,
    service: Option<(TcpListener, JoinHandle<()>)>,
}

impl Pod {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace::create(format!("pm-pod-{}-{number}", process::id())).unwrap();
        let listener = namespace
            .run(|| TcpListener::bind(SERVICE).unwrap())
            .unwrap();
        let accepting = listener.try_clone().unwrap();
        let service = thread::spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                thread::spawn(|| answer(client));
            }
        });
        Self {
            namespace,
            service: Some((listener, service)),
        }
    }

    /// Where its requests are seen.
    pub(crate) fn place(&self) -> Place {
        let netns = Netns::Named(self.namespace.name().to_owned());
        Place::new(netns.open().unwrap(), "lo", vec![SERVICE.port()])
    }

    /// Runs it in the pod's network.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace.run(work).unwrap()
    }

    /// A new client of the service, at this port.
    pub(crate) fn connect(&self, port: u16) -> Client {
        let client = self.namespace.run(|| connect_from(port)).unwrap();
        Client(client)
    }

    /// Sends a request on a connection of its own, and takes its reply.
    pub(crate) fn request(&self, port: u16, target: &str) {
        let mut client = self.connect(port);
        client.write(&get(target));
        client.take_reply();
    }
}

impl Drop for Pod {
    /// Closes the sockets, without which the namespace would stay.
    fn drop(&mut self) {
        if let Some((listener, service)) = self.service.take() {
            let ended =
                nix::sys::socket::shutdown(listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
            // A panic here would hide the one that a test may be ending with.
            let _ = ended.map(|()| service.join());
        }
    }
}

/// A request without a body.
pub(crate) fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: v1\r\n\r\n").into_bytes()
}

/// A client's open connection to the pod.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn take_reply(&mut self) {
        let mut reply = [0; REPLY.len()];
        self.0.read_exact(&mut reply).unwrap();
        assert_eq!(reply, REPLY, "the service is not to notice");
    }
}

/// What every server here answers.
pub(crate) const REPLY: [u8; 38] = *b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Answers each request, read up to the empty line, until the client has no more.
fn answer(client: TcpStream) {
    crate::target::each_head(client, |_| {});
}

fn connect_from(port: u16) -> TcpStream {
    let client = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    setsockopt(&client, sockopt::ReuseAddr, &true).unwrap();
    let own = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    bind(client.as_raw_fd(), &own).unwrap();
    connect(client.as_raw_fd(), &SockaddrIn::from(SERVICE)).unwrap();
    let client = TcpStream::from(client);
    assert_eq!(client.peer_addr().unwrap(), SocketAddr::V4(SERVICE));
    client
}
