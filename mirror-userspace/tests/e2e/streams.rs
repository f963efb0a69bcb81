//! Connections that begin or end in the middle of something.

use std::time::Duration;

use lab::{Family, Lab, RawClient};

use crate::{
    mirror::Mirror,
    scene::{PATIENCE, Scene, assert_same, servers, target},
    traffic::{get, post},
};

#[test]
fn a_connection_open_before_the_attach_is_picked_up_at_the_next_request() {
    let lab = Lab::new().unwrap();
    let (v1, v2) = servers(&lab, Family::V4);
    let mut idle = RawClient::connect(&lab.client, v1.address()).unwrap();
    let mut busy = RawClient::connect(&lab.client, v1.address()).unwrap();
    idle.write(&get("/before")).unwrap();
    idle.read_reply("GET").unwrap();
    let upload = post("/half", 200_000);
    busy.write(&upload[..100_000]).unwrap();
    v1.wait_for(1, PATIENCE);
    v1.clear();

    let mirror = Mirror::start(&lab, &target(Family::V4), &[]);
    busy.write(&upload[100_000..]).unwrap();
    busy.read_reply("POST").unwrap();
    let mut sent = v1.wait_for(1, PATIENCE);
    v1.clear();
    for n in 0..3 {
        idle.write(&get(&format!("/idle/{n}"))).unwrap();
        idle.read_reply("GET").unwrap();
        busy.write(&post(&format!("/busy/{n}"), 10)).unwrap();
        busy.read_reply("POST").unwrap();
    }
    sent = [v1.wait_for(6, PATIENCE), sent.split_off(sent.len())].concat();
    let copies = v2.wait_for(6, PATIENCE);
    assert_same(&sent, &copies);
    let ledger = mirror.stop();
    assert_eq!(ledger.count("connections/midstream"), 2);
    ledger.assert_all_answered(6);
}

#[test]
fn a_request_that_the_client_breaks_off_is_counted_and_not_sent() {
    let scene = Scene::new(&[]);
    let mut held = scene.connect();
    held.write(&post("/held", 50_000)[..30_000]).unwrap();
    let mut reset = scene.connect();
    reset.write(&post("/reset", 50_000)[..30_000]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    held.finish_writing().unwrap();
    reset.reset().unwrap();
    assert_eq!(scene.request("GET", &get("/whole")), 200);
    let copies = scene.v2.wait_for(1, PATIENCE);
    let ledger = scene.mirror.stop();
    assert_eq!(
        copies.iter().map(|copy| copy.target()).collect::<Vec<_>>(),
        ["/whole"]
    );
    assert_eq!(ledger.count("requests/dropped/truncated"), 1);
    assert_eq!(ledger.count("requests/dropped/reset"), 1);
}

#[test]
fn a_streamed_request_that_breaks_reaches_v2_as_aborted() {
    let scene = Scene::new(&["--max-body", "100K"]);
    let mut client = scene.connect();
    client.write(&post("/broken", 5 << 20)[..3 << 20]).unwrap();
    // Only after v2 has a part of it is there something to break.
    let deadline = std::time::Instant::now() + PATIENCE;
    while scene.v2.begun() == 0 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    client.reset().unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while scene.v2.aborted().is_empty() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(scene.v2.aborted().len(), 1);
    assert!(scene.v2.requests().is_empty(), "never a shortened request");
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("requests/framed"), 1);
    assert_eq!(ledger.count("replies/answered"), 0);
}

#[test]
fn bodies_around_the_limit_between_held_and_streamed() {
    let scene = Scene::new(&["--max-body", "64K"]);
    let mut client = scene.connect();
    let sizes = [65_535, 65_536, 65_537, 65_536 * 2, 1 << 20];
    for len in sizes {
        client.write(&post(&format!("/{len}"), len)).unwrap();
        client.read_reply("POST").unwrap();
    }
    scene.assert_mirrored(sizes.len());
}
