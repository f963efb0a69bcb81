//! Bad networks: loss with its retransmissions.

use lab::{Lab, Loss, LossAt, Offload};

use super::scene::Scene;

fn with_loss(at: LossAt) {
    let lab = Lab::new().unwrap();
    lab.set_offload(Offload::Off).unwrap();
    lab.lose(Loss::Percent(5), at).unwrap();
    // A retransmission may come a second late; what is not lost to us must not be given up.
    let scene = Scene::in_lab(lab, &["--gap-wait", "20s"]);
    scene.play("connections", 20);
    scene.play("unary", 100);
    scene.play("concurrent", 200);
    assert!(scene.lab.lost().unwrap() > 0);
    scene.assert_mirrored(320);
}

#[test]
fn five_percent_lost_before_the_hook() {
    with_loss(LossAt::BeforeHook);
}

#[test]
fn five_percent_lost_behind_the_hook() {
    with_loss(LossAt::AfterHook);
}

#[test]
fn over_small_segments() {
    let lab = Lab::new().unwrap();
    lab.set_offload(Offload::Off).unwrap();
    let scene = Scene::in_lab(lab, &[]);
    scene.play("metadata", 10);
    scene.play("large", 1);
    scene.assert_mirrored(11);
}
