//! All ways in which a connection may begin.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Barrier,
    thread,
};

use lab::{Family, Host, Lab, Namespace};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, SockaddrStorage, bind, listen, sendto,
    setsockopt, socket, sockopt::ReuseAddr,
};

use super::assert_asked;
use crate::{
    mirror::Mirror,
    scene::{PATIENCE, Scene, target},
    traffic::{get, post},
};

const ASK: [&str; 2] = ["--ask-kernel", "on"];
/// `MSG_FASTOPEN`: connects, with data in the SYN.
const FAST_OPEN: MsgFlags = MsgFlags::from_bits_retain(0x2000_0000);

fn sysctl(namespace: &Namespace, name: &str, value: &str) {
    let path = format!("/proc/sys/net/ipv4/{name}");
    namespace.run(|| fs::write(path, value)).unwrap().unwrap();
}

#[test]
fn under_syn_cookies() {
    for family in [Family::V4, Family::V6] {
        let lab = Lab::new().unwrap();
        sysctl(&lab.v1, "tcp_syncookies", "2");
        let scene = Scene::in_lab(lab, family, &ASK);
        for n in 0..30 {
            let mut client = scene.connect();
            client.write(&post(&format!("/{n}"), n * 997)).unwrap();
            client.read_reply("POST").unwrap();
        }
        assert_asked(&scene.assert_mirrored(30));
    }
}

#[test]
fn with_data_in_the_syn() {
    for family in [Family::V4, Family::V6] {
        let lab = Lab::new().unwrap();
        // The client sends data with and without a cookie; every listener takes it.
        sysctl(&lab.client, "tcp_fastopen", "5");
        sysctl(&lab.v1, "tcp_fastopen", "1538");
        let scene = Scene::in_lab(lab, family, &ASK);
        for n in 0..20 {
            let mut client = fast_open(&scene, &post(&format!("/{n}"), 700));
            let mut reply = [0; 12];
            client.read_exact(&mut reply).unwrap();
            assert_eq!(&reply, b"HTTP/1.1 200");
        }
        let taken = scene
            .lab
            .v1
            .run(|| fs::read_to_string("/proc/thread-self/net/netstat"));
        let taken = counter(&taken.unwrap().unwrap(), "TCPFastOpenPassive");
        assert!(taken > 0, "no data came in a SYN");
        assert_asked(&scene.assert_mirrored(20));
    }
}

/// A line of names, and a line of values.
fn counter(netstat: &str, name: &str) -> u64 {
    let lines: Vec<&str> = netstat.lines().collect();
    let (names, values) = (lines[0].split(' '), lines[1].split(' '));
    let found = names.zip(values).find(|(one, _)| *one == name);
    found.unwrap().1.parse().unwrap()
}

fn fast_open(scene: &Scene, request: &[u8]) -> TcpStream {
    let address = Host::V1.address(scene.family, 80);
    let connect = || {
        let client = tcp_socket(address);
        let to = SockaddrStorage::from(address);
        let sent = sendto(client.as_raw_fd(), request, &to, FAST_OPEN).unwrap();
        let mut client = TcpStream::from(client);
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(&request[sent..]).unwrap();
        client
    };
    scene.lab.client.run(connect).unwrap()
}

fn tcp_socket(address: SocketAddr) -> OwnedFd {
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap()
}

/// v1's queue is full when most of its clients come: the kernel drops their last ACKs, and takes what they
/// say when they say it again.
#[test]
fn at_a_v1_that_accepts_late() {
    const CLIENTS: usize = 12;
    let lab = Lab::new().unwrap();
    let address = Host::V1.address(Family::V4, 80);
    let listener = lab.v1.run(|| backlog_of_one(address)).unwrap();
    let v2 = lab::RecordingServer::start(
        &lab.v2,
        Host::V2.address(Family::V4, 80),
        lab::Behaviour::Answer,
    )
    .unwrap();
    let mirror = Mirror::start(
        &lab,
        &target(Family::V4),
        &["--ask-kernel", "on", "--gap-wait", "60s"],
    );
    let queued = Barrier::new(CLIENTS + 1);
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (lab, queued) = (&lab, &queued);
            scope.spawn(move || {
                let connect = || TcpStream::connect(address);
                // The first two fill the queue; the others come to it full.
                if n >= 2 {
                    queued.wait();
                }
                let mut client = lab.client.run(connect).unwrap().unwrap();
                if n < 2 {
                    queued.wait();
                }
                client.write_all(&get(&format!("/{n}"))).unwrap();
                let mut reply = String::new();
                client.read_to_string(&mut reply).unwrap();
                assert!(reply.starts_with("HTTP/1.1 204 "), "{reply}");
            });
        }
        queued.wait();
        for _ in 0..CLIENTS {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = client.read(&mut request).unwrap();
            assert!(request[..read].ends_with(b"\r\n\r\n"));
            client
                .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                .unwrap();
        }
    });
    assert_eq!(
        v2.wait_for(CLIENTS, PATIENCE).len(),
        CLIENTS,
        "{}",
        mirror.ask()
    );
    let ledger = mirror.stop();
    ledger.assert_all_answered(CLIENTS);
    assert_asked(&ledger);
}

fn backlog_of_one(address: SocketAddr) -> TcpListener {
    let listener = tcp_socket(address);
    setsockopt(&listener, ReuseAddr, &true).unwrap();
    bind(listener.as_raw_fd(), &SockaddrStorage::from(address)).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    listener.into()
}
