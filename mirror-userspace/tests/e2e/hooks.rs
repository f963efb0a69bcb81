//! Hooks and rings: every way to capture gives the same requests.

use lab::{Family, Lab};

use crate::{
    mirror::Mirror,
    scene::{Scene, servers, target},
    traffic::{get, post},
};

fn converse(scene: &Scene, label: usize) -> usize {
    let mut client = scene.connect();
    for len in [0, 100, 1_448, 70_000, 1 << 20] {
        client
            .write(&post(&format!("/{label}/{len}"), len))
            .unwrap();
        client.read_reply("POST").unwrap();
    }
    5
}

#[test]
fn the_perf_ring() {
    let scene = Scene::new(&["--ring", "perf"]);
    let count = converse(&scene, 0);
    scene.assert_mirrored(count);
}

#[test]
fn one_shard_and_many() {
    for shards in ["1", "4"] {
        let scene = Scene::new(&["--shards", shards]);
        let mut count = 0;
        for connection in 0..8 {
            count += converse(&scene, connection);
        }
        scene.assert_mirrored(count);
    }
}

#[test]
fn egress_of_the_hosts_end() {
    for ring in ["bpf", "perf"] {
        let lab = Lab::new().unwrap();
        let (v1, v2) = servers(&lab, Family::V4);
        let flags = [
            "--interface",
            "v1",
            "--attach",
            "egress",
            "--port",
            "80",
            "--ring",
            ring,
        ];
        let mirror = Mirror::start_with(
            &lab.node,
            &[&flags[..], &["--target", &target(Family::V4)]].concat(),
        );
        let scene = Scene {
            mirror,
            v1,
            v2,
            lab,
            family: Family::V4,
        };
        let count = converse(&scene, 0);
        scene.assert_mirrored(count);
    }
}

#[test]
fn other_ports_are_left_alone() {
    let scene = Scene::new(&[]);
    let other = std::net::SocketAddr::new(scene.v1.address().ip(), 8080);
    let _other = lab::RecordingServer::start(&scene.lab.v1, other, lab::Behaviour::Answer).unwrap();
    let mut client = lab::RawClient::connect(&scene.lab.client, other).unwrap();
    client.write(&get("/not-mirrored")).unwrap();
    client.read_reply("GET").unwrap();
    assert_eq!(scene.request("GET", &get("/mirrored")), 200);
    let ledger = scene.assert_mirrored(1);
    assert!(ledger.count("segments/other_port") > 0);
}
