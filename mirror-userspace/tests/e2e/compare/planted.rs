//! Each planted difference, live: in HTTP/1 and HTTP/2, with v1's own replies and with two baselines. And what is
//! equal, and noisy.

use lab::Lab;
use serde_json::Value;

use super::served::{Mode, Versions};
use crate::versions::{
    Answer, noise,
    plants::{self, Scene, differing},
};

fn not_compared(report: &Value) -> u64 {
    let reasons = report["contents"]["not_compared"].as_object().unwrap();
    reasons.values().map(|it| it.as_u64().unwrap()).sum()
}

/// All that can be planted differs at the candidate, each on a route of its own.
fn planted(mode: Mode) {
    let lab = Lab::new().unwrap();
    let version = |number| -> Box<dyn Fn(&str) -> Answer + Send + Sync> {
        match number {
            1 => Box::new(plants::changed()),
            _ => Box::new(plants::good),
        }
    };
    let mut versions = Versions::start(&lab, mode, version);
    for scene in Scene::all(mode.http2) {
        let requests = scene.requests();
        let report = versions.judge(&lab, &requests);
        assert_eq!(differing(&report), scene.named(), "{report:#}");
        assert_eq!(report["compared"], requests.len(), "{report:#}");
        let compared = &report["contents"]["compared"];
        assert_eq!(*compared, scene.comparable(), "{report:#}");
        assert_eq!(not_compared(&report), 0, "{report:#}");
    }
}

/// Equal versions, with ten seeds.
fn noisy(mode: Mode) {
    let lab = Lab::new().unwrap();
    let mut versions = Versions::start(&lab, mode, noise::version);
    for seed in 0..noise::SEEDS {
        let requests = noise::requests(seed, mode.http2);
        let report = versions.judge(&lab, &requests);
        assert_eq!(differing(&report), [], "seed {seed}: {report:#}");
        assert_eq!(report["verdict"], "not enough yet", "seed {seed}");
        assert_eq!(report["compared"], requests.len(), "seed {seed}");
    }
}

const TARGETS: Mode = Mode {
    http2: false,
    v1: false,
};
const WITH_V1: Mode = Mode {
    http2: false,
    v1: true,
};

const fn http2(mode: Mode) -> Mode {
    Mode {
        http2: true,
        ..mode
    }
}

#[test]
fn each_planted_difference_is_named_and_nothing_else_is() {
    planted(TARGETS);
}

#[test]
fn each_planted_difference_is_named_over_http2() {
    planted(http2(TARGETS));
}

#[test]
fn each_planted_difference_from_v1_is_named_and_nothing_else_is() {
    planted(WITH_V1);
}

#[test]
fn each_planted_difference_from_v1_is_named_over_http2() {
    planted(http2(WITH_V1));
}

#[test]
fn equal_noisy_targets_never_differ() {
    noisy(TARGETS);
    noisy(http2(TARGETS));
}

#[test]
fn a_noisy_version_equal_to_v1_never_differs() {
    noisy(WITH_V1);
    noisy(http2(WITH_V1));
}
