//! Each planted difference, of captures: in HTTP/1 and HTTP/2, with v1's own replies and with two baselines. And what
//! is equal, and noisy.

use mirror_common::record::flag;
use mirror_core::testing::opening;
use serde_json::Value;

use super::ANY_LATENCY;
use crate::{
    capture::{Capture, get},
    loopback::version_of,
    program::replay,
    versions::{
        Answer, Wire,
        http2::{Encoder, ask, settings},
        noise,
        plants::{self, Request, Scene, differing},
    },
};

/// What is captured of these requests over a connection, and of v1's answers.
fn captured(http2: bool, requests: &[Request], v1: impl Fn(&str) -> Answer) -> Vec<u8> {
    let mut capture = Capture::new();
    let (mut client, mut encoder) = (capture.connect(1), Encoder::new(true));
    capture.answer(&mut client, flag::SYN, "");
    if http2 {
        capture.say(&mut client, opening());
        capture.answer(&mut client, 0, settings());
    }
    for (stream, (method, path)) in (1..).step_by(2).zip(requests) {
        let (asked, answer) = match http2 {
            true => (
                ask(stream, method, path),
                v1(path).frames(stream, &mut encoder),
            ),
            false => (get(path).into_bytes(), v1(path).bytes()),
        };
        capture.say(&mut client, asked);
        for piece in answer.chunks(1_448) {
            capture.answer(&mut client, 0, piece);
        }
    }
    capture.finish(&client);
    capture.bytes()
}

/// What is compared: how the versions speak, and whether v1 is one of them.
#[derive(Clone, Copy)]
struct Mode {
    http2: bool,
    v1: bool,
}

/// The verdict of versions of which `version` gives each by its number: 0 is v1 or a baseline, 1 the candidate, and 2 a
/// second baseline.
fn judge<A>(mode: Mode, requests: &[Request], version: impl Fn(u64) -> A) -> Value
where
    A: Fn(&str) -> Answer + Send + Sync + 'static,
{
    let wire = match mode.http2 {
        true => Wire::Http2 { indexes: false },
        false => Wire::Http1,
    };
    let target = |number, role| format!("{},role={role}", version_of(wire, version(number)));
    let targets = match mode.v1 {
        true => vec![target(1, "candidate")],
        false => vec![
            target(0, "baseline"),
            target(2, "baseline"),
            target(1, "candidate"),
        ],
    };
    let mut flags = vec!["--speed", "max", "--compare-rate", "100%"];
    // However busy the machine is.
    flags.extend(["--max-memory", "256M", "--drain", "120s"]);
    flags.extend(["--reply-timeout", "120s", "--reply-body-timeout", "120s"]);
    flags.extend(ANY_LATENCY);
    if mode.v1 {
        flags.extend(["--compare", "v1"]);
    }
    flags.extend(targets.iter().flat_map(|target| ["--target", target]));
    let ended = replay(&captured(mode.http2, requests, version(0)), &flags).balanced();
    ended.ledger["verdict"].clone()
}

const MODES: [Mode; 4] = {
    const fn mode(http2: bool, v1: bool) -> Mode {
        Mode { http2, v1 }
    }
    [
        mode(false, false),
        mode(false, true),
        mode(true, false),
        mode(true, true),
    ]
};

#[test]
fn each_planted_difference_is_named_with_its_group_and_nothing_else_is() {
    for (mode, scene) in MODES
        .map(|mode| Scene::all(mode.http2).map(|scene| (mode, scene)))
        .concat()
    {
        let requests = scene.requests();
        let version = |number| -> Box<dyn Fn(&str) -> Answer + Send + Sync> {
            match number {
                1 => Box::new(plants::changed()),
                _ => Box::new(plants::good),
            }
        };
        let verdict = judge(mode, &requests, version);
        assert_eq!(differing(&verdict), scene.named(), "{verdict:#}");
        assert_eq!(verdict["compared"], requests.len(), "{verdict:#}");
        // Of many that are read as fast as can be, not all contents have room.
        if let Scene::Each { .. } = scene {
            let contents = &verdict["contents"];
            assert_eq!(contents["compared"], scene.comparable(), "{contents:#}");
        }
    }
}

#[test]
fn equal_versions_never_differ() {
    for mode in MODES {
        for seed in 0..noise::SEEDS {
            let requests = noise::requests(seed, mode.http2);
            let verdict = judge(mode, &requests, noise::version);
            assert_eq!(differing(&verdict), [], "seed {seed}: {verdict:#}");
            assert_eq!(
                verdict["verdict"], "not enough yet",
                "seed {seed}: {verdict:#}"
            );
            assert_eq!(verdict["compared"], requests.len(), "seed {seed}");
        }
    }
}
