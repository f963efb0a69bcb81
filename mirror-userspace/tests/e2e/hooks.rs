//! Hooks and rings: every way to capture gives the same requests.

use aya::programs::{SchedClassifier, TcAttachType};
use lab::{Family, Lab};

use crate::{
    mirror::Mirror,
    scene::{Scene, target},
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
        let to = target(Family::V4);
        let flags = [
            "--interface",
            "v1",
            "--attach",
            "egress",
            "--port",
            "80",
            "--ring",
            ring,
            "--target",
            &to,
        ];
        let start = |lab: &Lab| Mirror::start_with(&lab.node, &flags);
        let scene = Scene::with(Lab::new().unwrap(), Family::V4, start);
        let count = converse(&scene, 0);
        scene.assert_mirrored(count);
    }
}

/// Nothing is attached to either hook of this interface.
fn assert_nothing_attached(namespace: &lab::Namespace, interface: &str) {
    for hook in [TcAttachType::Ingress, TcAttachType::Egress] {
        let programs =
            namespace.run(|| SchedClassifier::query_tcx(interface, hook).unwrap().1.len());
        assert_eq!(programs.unwrap(), 0, "{hook:?}");
    }
}

#[test]
fn replies_are_copied_at_the_other_hook() {
    for ring in ["bpf", "perf"] {
        for family in [Family::V4, Family::V6] {
            for hook in ["ingress", "egress"] {
                let to = target(family);
                let common = [
                    "--port",
                    "80",
                    "--ring",
                    ring,
                    "--replies",
                    "on",
                    "--target",
                    &to,
                ];
                let start = |lab: &Lab| {
                    let pod = ["--interface", "eth0", "--netns", lab.v1.name()];
                    let host = ["--interface", "v1", "--attach", "egress"];
                    let place = if hook == "ingress" { &pod[..] } else { &host };
                    Mirror::start_with(&lab.node, &[place, &common].concat())
                };
                let scene = Scene::with(Lab::new().unwrap(), family, start);
                let count = converse(&scene, 0);
                scene.compare(count);
                let Scene { mirror, lab, .. } = scene;
                let ledger = mirror.stop();
                ledger.assert_all_answered(count);
                let replies = |what| ledger.count(&format!("reply_segments/{what}"));
                // A reply and a handshake at least, and ACKs of what is long.
                assert!(replies("copied") > 5, "{ledger:?}");
                assert_eq!(replies("copied"), replies("read"));
                assert_eq!(replies("ring_full"), 0);
                assert_nothing_attached(&lab.v1, "eth0");
                assert_nothing_attached(&lab.node, "v1");
            }
        }
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
