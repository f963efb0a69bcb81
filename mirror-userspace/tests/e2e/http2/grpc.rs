//! Calls of grpcio, of every kind.

use lab::{Family, GrpcClient, Host, Lab};

use super::scene::{ROOM, Scene, assert_same, assert_well, servers};
use crate::{
    mirror::Mirror,
    scene::{PATIENCE, target},
};

/// Calls of this kind, each mirrored.
fn assert_scene(scene: &str, count: usize, flags: &[&str]) {
    let stage = Scene::new(flags);
    stage.play(scene, count);
    stage.assert_mirrored(count);
}

#[test]
fn unary_calls() {
    for ring in ["bpf", "perf"] {
        assert_scene("unary", 200, &["--ring", ring]);
    }
}

#[test]
fn messages_without_content() {
    assert_scene("empty", 20, &[]);
}

#[test]
fn streams_of_the_client() {
    assert_scene("collect", 20, &[]);
}

#[test]
fn streams_of_the_server() {
    assert_scene("expand", 20, &[]);
}

/// Each message waits for the answer to the one before: v2 gets them as they come.
#[test]
fn conversations() {
    assert_scene("chat", 20, &[]);
}

#[test]
fn messages_of_4_mib() {
    assert_scene("large", 4, &[]);
}

#[test]
fn metadata_of_16_kib() {
    assert_scene("metadata", 20, &[]);
}

#[test]
fn calls_that_fail_have_no_body_in_their_reply() {
    let scene = Scene::new(&[]);
    scene.play("fail", 20);
    let ledger = scene.assert_mirrored(20);
    let statuses = "targets/http:~1~110.77.0.20/grpc_status";
    assert_eq!(ledger.count(&format!("{statuses}/not_found")), 20);
    assert_eq!(ledger.count(statuses), 20);
}

#[test]
fn a_thousand_calls_at_once_on_one_connection() {
    assert_scene("concurrent", 1_000, &[]);
}

#[test]
fn many_connections() {
    assert_scene("connections", 60, &["--shards", "4"]);
}

/// v1 never answers: its client gives up, by its deadline or by itself. v2 may have been asked by then or not; it is
/// not asked more than once, and the request that it got is whole.
fn given_up(scene: &str) {
    let stage = Scene::new(&[]);
    stage.play(scene, 10);
    let v1 = stage.v1.wait_for(10, PATIENCE).unwrap();
    assert_eq!(v1.len(), 10);
    let Scene { mirror, v2, .. } = stage;
    let ledger = mirror.stop();
    let v2 = v2.requests().unwrap();
    let whole = v2.iter().filter(|request| request.end == "end").count();
    assert!(whole <= 10, "{v2:?}");
    assert_eq!(ledger.count("requests/framed"), 10);
    assert_eq!(ledger.count("replies/answered"), 0);
    let mut sent = v1;
    let paths = |request: &lab::Http2Request| request.value("x-number").map(str::to_owned);
    let copied: Vec<_> = v2
        .into_iter()
        .filter(|request| request.end == "end")
        .collect();
    sent.retain(|request| copied.iter().any(|copy| paths(copy) == paths(request)));
    assert_same(sent, copied);
}

#[test]
fn deadlines() {
    given_up("deadline");
}

#[test]
fn cancelled_calls() {
    given_up("cancel");
}

#[test]
fn at_the_loopback_interface() {
    let lab = Lab::new().unwrap();
    let (v1, v2) = servers(&lab);
    let to = target(Family::V4);
    let place = ["--interface", "lo", "--netns", lab.v1.name()];
    let rest = ["--port", "80", "--ring-size", "128M", "--target", &to];
    let mirror = Mirror::start_with(&lab.node, &[&place[..], &rest, &ROOM].concat());
    let address = Host::V1.address(Family::V4, 80);
    let calls = GrpcClient::play(&lab.v1, address, "unary", 50).unwrap();
    assert_well("unary", calls, 50);
    let scene = Scene {
        mirror,
        v1,
        v2,
        lab,
    };
    scene.assert_mirrored(50);
}
