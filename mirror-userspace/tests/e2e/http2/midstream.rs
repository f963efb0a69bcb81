//! Connections that were there before the mirror: counted exactly, never guessed.

use lab::{Family, GrpcClient, Lab};

use super::scene::{ROOM, Scene, servers};
use crate::{mirror::Mirror, scene::target};

#[test]
fn a_connection_open_before_the_attach_is_counted_and_a_new_one_mirrored() {
    let lab = Lab::new().unwrap();
    let (v1, v2) = servers(&lab);
    let mut old = GrpcClient::connect(&lab.client, v1.address()).unwrap();
    assert_eq!(old.call(5).unwrap(), 5);
    let mirror = Mirror::start(&lab, &target(Family::V4), &ROOM);
    assert_eq!(old.call(40).unwrap(), 45);
    let scene = Scene {
        mirror,
        v1,
        v2,
        lab,
    };
    scene.play("unary", 10);
    let copies = scene.v2.wait_for(10, crate::scene::PATIENCE).unwrap();
    assert_eq!(copies.len(), 10, "{}", scene.mirror.ask());
    // What helps.
    scene.mirror.wait_for("MAX_CONNECTION_AGE");
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("connections/http2_midstream"), 1);
    assert_eq!(ledger.count("requests/dropped/before_attach"), 40);
    assert_eq!(ledger.count("requests/sent"), 10);
    assert_eq!(scene.v2.requests().unwrap().len(), 10);
}
