//! A run in which no request is found says why.

use lab::{Behaviour, Family, Host, Lab, RawClient, RecordingServer};

use crate::{
    mirror::Mirror,
    scene::{PATIENCE, Scene, target},
};

#[test]
fn requests_to_another_port_are_told() {
    let lab = Lab::new().unwrap();
    let v1 = Host::V1.address(Family::V4, 8080);
    let server = RecordingServer::start(&lab.v1, v1, Behaviour::Answer).unwrap();
    let mirror = Mirror::start(&lab, &target(Family::V4), &[]);
    let mut client = RawClient::connect(&lab.client, v1).unwrap();
    client.write(b"GET / HTTP/1.1\r\nHost: v1\r\n\r\n").unwrap();
    server.wait_for(1, PATIENCE);
    let (ledger, said) = mirror.stop_and_read();
    assert!(ledger.count("segments/other_port") > 0);
    assert!(said.contains("hint: "), "{said}");
    assert!(said.contains("segments were to other ports"), "{said}");
}

#[test]
fn a_run_with_requests_has_nothing_to_add() {
    let scene = Scene::new(&[]);
    scene.request("GET", b"GET / HTTP/1.1\r\nHost: v1\r\n\r\n");
    scene.v2.wait_for(1, PATIENCE);
    let (_, said) = scene.mirror.stop_and_read();
    assert!(!said.contains("hint: "), "{said}");
}

#[test]
fn an_interface_without_traffic_is_told() {
    let lab = Lab::new().unwrap();
    // The client's own loopback: nobody uses it.
    let flags = [
        "--interface",
        "lo",
        "--netns",
        lab.client.name(),
        "--port",
        "80",
        "--target",
        &target(Family::V4),
    ];
    let (_, said) = Mirror::start_with(&lab.node, &flags).stop_and_read();
    assert!(said.contains("hint: no frame came by"), "{said}");
}
