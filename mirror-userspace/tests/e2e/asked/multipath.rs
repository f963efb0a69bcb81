//! Multipath TCP: of a request only the part that came by one path would be seen.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
};

use lab::{Family, Host, Lab, Namespace, RawClient};
use rustix::net::{AddressFamily, SocketType, bind, connect, ipproto::MPTCP, listen, socket};

use super::assert_asked;
use crate::{
    mirror::Mirror,
    scene::{PATIENCE, Scene, target},
    traffic::get,
};

fn multipath_socket() -> OwnedFd {
    socket(AddressFamily::INET, SocketType::STREAM, Some(MPTCP)).unwrap()
}

fn connect_by_multipath(client: &Namespace, to: SocketAddr) -> TcpStream {
    let connect = || {
        let socket = multipath_socket();
        connect(&socket, &to).unwrap();
        TcpStream::from(socket)
    };
    let stream = client.run(connect).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn is_counted_and_not_mirrored() {
    let lab = Lab::new().unwrap();
    let address = Host::V1.address(Family::V4, 80);
    let listening = || {
        let socket = multipath_socket();
        bind(&socket, &address).unwrap();
        listen(&socket, 8).unwrap();
        TcpListener::from(socket)
    };
    let v1 = lab.v1.run(listening).unwrap();
    let v2 = lab::RecordingServer::start(
        &lab.v2,
        Host::V2.address(Family::V4, 80),
        lab::Behaviour::Answer,
    )
    .unwrap();
    let mirror = Mirror::start(&lab, &target(Family::V4), &["--ask-kernel", "on"]);
    let mut client = connect_by_multipath(&lab.client, address);
    let (mut server, _) = v1.accept().unwrap();
    for _ in 0..5 {
        client.write_all(&get("/multipath")).unwrap();
        let mut request = vec![0; get("/multipath").len()];
        server.read_exact(&mut request).unwrap();
        server.write_all(b"HTTP/1.1 204 No\r\n\r\n").unwrap();
        client.read_exact(&mut [0; 19]).unwrap();
    }
    // A client that does not speak it is mirrored.
    let mut plain = RawClient::connect(&lab.client, address).unwrap();
    let (mut server, _) = v1.accept().unwrap();
    plain.write(&get("/plain")).unwrap();
    server.write_all(b"HTTP/1.1 204 No\r\n\r\n").unwrap();
    plain.read_reply("GET").unwrap();
    let got = v2.wait_for(1, PATIENCE);
    let ledger = mirror.stop();
    assert_eq!(got.len(), 1);
    assert_eq!(v2.requests().len(), 1);
    assert_eq!(got[0].target(), "/plain");
    let refused = ledger.count("segments/refused/mptcp");
    assert!(refused >= 5, "{ledger:?}");
    assert_eq!(ledger.count("segments/refused"), refused);
}

#[test]
fn that_v1_does_not_speak_is_mirrored() {
    let scene = Scene::new(&["--ask-kernel", "on"]);
    for n in 0..5 {
        let mut client = connect_by_multipath(&scene.lab.client, scene.v1.address());
        client.write_all(&get(&format!("/{n}"))).unwrap();
        client.read_exact(&mut [0; 12]).unwrap();
    }
    assert_asked(&scene.assert_mirrored(5));
}
