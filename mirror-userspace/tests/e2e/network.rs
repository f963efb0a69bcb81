//! Bad networks: loss with its retransmissions, small and huge segments.

use std::thread;

use lab::{Family, Lab, Loss, LossAt, Offload};

use crate::{scene::Scene, traffic::post};

/// A conversation that loss can hurt: several connections, bodies over many segments.
fn converse(scene: &Scene) -> usize {
    thread::scope(|scope| {
        for connection in 0..4 {
            let mut client = scene.connect();
            scope.spawn(move || {
                for n in 0..10 {
                    client
                        .write(&post(&format!("/{connection}/{n}"), n * 3_001))
                        .unwrap();
                    client.read_reply("POST").unwrap();
                }
            });
        }
    });
    40
}

fn with_loss(at: LossAt) {
    let lab = Lab::new().unwrap();
    lab.set_offload(Offload::Off).unwrap();
    lab.lose(Loss::Percent(10), at).unwrap();
    // A retransmission may come a second late; what is not lost to us must not be given up.
    let scene = Scene::in_lab(lab, Family::V4, &["--gap-wait", "20s"]);
    let count = converse(&scene);
    scene.assert_mirrored(count);
}

#[test]
fn ten_percent_lost_before_the_hook() {
    with_loss(LossAt::BeforeHook);
}

#[test]
fn ten_percent_lost_behind_the_hook_are_seen_twice_and_sent_once() {
    with_loss(LossAt::AfterHook);
}

#[test]
fn without_segmentation_offload() {
    let lab = Lab::new().unwrap();
    lab.set_offload(Offload::Off).unwrap();
    let scene = Scene::in_lab(lab, Family::V4, &[]);
    assert_eq!(scene.request("POST", &post("/big", 4 << 20)), 200);
    let count = converse(&scene);
    scene.assert_mirrored(count + 1);
}

#[test]
fn segments_of_big_tcp() {
    let lab = Lab::new().unwrap();
    lab.set_big_tcp(200_000).unwrap();
    let scene = Scene::in_lab(lab, Family::V6, &["--stream-window", "128M"]);
    assert_eq!(scene.request("POST", &post("/big", 16 << 20)), 200);
    scene.assert_mirrored(1);
}

#[test]
fn with_a_large_mtu() {
    let scene = Scene::in_lab(Lab::with_mtu(9_000).unwrap(), Family::V4, &[]);
    let count = converse(&scene);
    scene.assert_mirrored(count);
}
