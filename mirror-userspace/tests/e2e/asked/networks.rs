//! Networks that lose, repeat and reorder; bursts; a v1 that reads slowly.

use std::{thread, time::Duration};

use lab::{Behaviour, Family, Lab, Offload, Tangle};

use super::assert_asked;
use crate::{
    scene::{PATIENCE, Scene},
    traffic::{get, post},
};

/// What is lost may be sent again a second later, and later still when that is lost, too.
const PATIENT: [&str; 4] = ["--gap-wait", "30s", "--ask-kernel", "on"];

/// Uploads over several connections at once; how many requests they were.
fn converse(scene: &Scene) -> usize {
    thread::scope(|scope| {
        for connection in 0..4 {
            let mut client = scene.connect();
            scope.spawn(move || {
                for n in 0..8 {
                    let label = format!("/{connection}/{n}");
                    client.write(&post(&label, n * 9_001)).unwrap();
                    client.read_reply("POST").unwrap();
                }
            });
        }
    });
    32
}

#[test]
fn a_network_that_loses_repeats_and_reorders() {
    for (family, seed) in [(Family::V4, 4), (Family::V6, 6)] {
        let lab = Lab::new().unwrap();
        let tangle = Tangle {
            lost: 5,
            repeated: 5,
            late: 10,
            seed,
        };
        println!("{tangle:?}");
        let cable = lab.tangle(tangle).unwrap();
        let scene = Scene::in_lab(lab, family, &PATIENT);
        let count = converse(&scene);
        // A segment that comes a second time may come when its connection is over, and is refused then.
        let ledger = scene.assert_mirrored(count);
        drop(cable);
        let refused = ["window", "ack", "not_for_us", "mptcp"];
        for why in refused {
            assert_eq!(ledger.count(&format!("segments/refused/{why}")), 0);
        }
    }
}

#[test]
fn segments_of_all_sizes_by_either_version_of_ip() {
    for family in [Family::V4, Family::V6] {
        for offload in [Offload::On, Offload::Off] {
            for ring in ["bpf", "perf"] {
                let lab = Lab::new().unwrap();
                lab.set_offload(offload).unwrap();
                let scene = Scene::in_lab(lab, family, &["--ask-kernel", "on", "--ring", ring]);
                let count = converse(&scene);
                assert_asked(&scene.assert_mirrored(count));
            }
        }
    }
}

#[test]
fn bursts_of_pipelined_requests() {
    for offload in [Offload::On, Offload::Off] {
        let lab = Lab::new().unwrap();
        lab.set_offload(offload).unwrap();
        let scene = Scene::in_lab(lab, Family::V4, &["--ask-kernel", "on"]);
        let count = 500;
        let burst: Vec<u8> = (0..count).flat_map(|n| get(&format!("/{n}"))).collect();
        let mut client = scene.connect();
        thread::scope(|scope| {
            scope.spawn(|| {
                for piece in burst.chunks(7_001) {
                    scene.v1.requests();
                    client.write(piece).unwrap();
                }
            });
            scene.v1.wait_for(count, PATIENCE);
        });
        assert_asked(&scene.assert_mirrored(count));
    }
}

#[test]
fn uploads_to_a_v1_that_is_slow() {
    for offload in [Offload::On, Offload::Off] {
        let lab = Lab::new().unwrap();
        lab.set_offload(offload).unwrap();
        let flags = ["--ask-kernel", "on", "--stream-window", "64M"];
        let scene = Scene::in_lab(lab, Family::V4, &flags);
        scene.v1.set_behaviour(Behaviour::SlowRead {
            bytes: 64 << 10,
            pause: Duration::from_millis(2),
        });
        thread::scope(|scope| {
            for connection in 0..3 {
                let mut client = scene.connect();
                scope.spawn(move || {
                    let upload = post(&format!("/{connection}"), 8 << 20);
                    client.write(&upload).unwrap();
                    client.read_reply("POST").unwrap();
                });
            }
        });
        assert_asked(&scene.assert_mirrored(3));
    }
}
