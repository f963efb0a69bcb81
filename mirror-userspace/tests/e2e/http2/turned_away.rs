//! What v1 refuses by REFUSED_STREAM or GOAWAY, its client sends again: v2 gets it once.

use std::time::{Duration, Instant};

use lab::{Family, Host, Http2Recorder, Lab, Manner, RawClient};

use super::{
    scene::{ROOM, run},
    wire::{END_HEADERS, END_STREAM, block, frame, good, opening},
};
use crate::{
    mirror::{Ledger, Mirror},
    scene::{PATIENCE, target},
};

const V1: &str = "http://10.77.0.10";

struct Stage {
    mirror: Mirror,
    v1: Http2Recorder,
    v2: Http2Recorder,
    lab: Lab,
}

impl Stage {
    fn new(v1: Manner, v2: Manner, flags: &[&str]) -> Self {
        let lab = Lab::new().unwrap();
        let start = |manner, host: Host| {
            let address = host.address(Family::V4, 80);
            Http2Recorder::start_as(manner, lab.namespace(host), address, 100).unwrap()
        };
        let (v1, v2) = (start(v1, Host::V1), start(v2, Host::V2));
        let mirror = Mirror::start(&lab, &target(Family::V4), &[&ROOM[..], flags].concat());
        Self {
            mirror,
            v1,
            v2,
            lab,
        }
    }

    /// Waits until the mirror has seen so many requests.
    fn wait_until_framed(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ledger = self.mirror.ask();
            let framed = ledger.rsplit("requests framed").next();
            let framed = framed.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            if framed >= Some(count) {
                return;
            }
            assert!(Instant::now() < deadline, "{ledger}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn connect(&self) -> RawClient {
        RawClient::connect(&self.lab.client, Host::V1.address(Family::V4, 80)).unwrap()
    }
}

/// Requests that were whole and are wanted.
fn whole(recorder: &Http2Recorder) -> Vec<String> {
    let mut requests = recorder.requests().unwrap();
    requests.retain(|request| request.end == "end");
    let path = |request: &lab::Http2Request| request.value(":path").map(str::to_owned);
    let mut paths: Vec<_> = requests.iter().filter_map(path).collect();
    paths.sort();
    paths
}

fn refused(ledger: &Ledger) -> u64 {
    [
        "requests/dropped/refused_by_v1",
        "replies/failed/refused_by_v1",
    ]
    .iter()
    .map(|path| ledger.count(path))
    .sum()
}

/// v2 answers nothing, so that each copy is still there when v1's refusal is seen: it is dropped, or reset.
#[test]
fn a_refused_call_is_taken_back_and_the_next_try_is_mirrored() {
    const CALLS: usize = 20;
    let stage = Stage::new(
        Manner::Refuses,
        Manner::Withholds,
        &["--reply-timeout", "5m"],
    );
    let paths: Vec<_> = (0..CALLS).map(|n| format!("/call/{n:02}")).collect();
    for path in &paths {
        let url = format!("{V1}{path}");
        run(
            &stage.lab,
            "curl",
            &["-sS", "--http2-prior-knowledge", &url],
        );
    }
    let v1 = stage.v1.requests().unwrap();
    let tried_in_vain = v1.iter().filter(|request| request.end == "refused");
    assert_eq!(tried_in_vain.count(), CALLS);
    assert_eq!(whole(&stage.v1), paths);
    let ledger = stage.mirror.stop();
    assert_eq!(ledger.count("requests/framed"), 2 * CALLS as u64);
    assert_eq!(refused(&ledger), CALLS as u64, "{ledger:?}");
    // Connections end with the mirror.
    let deadline = Instant::now() + PATIENCE;
    while whole(&stage.v2).len() < CALLS && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut once = whole(&stage.v2);
    once.dedup();
    assert_eq!(once, paths, "each call has a copy that was not taken back");
}

/// An open call that GOAWAY refuses, and calls that its client sends before it knows.
#[test]
fn what_goaway_refuses_comes_on_the_next_connection_only() {
    let stage = Stage::new(Manner::Leaves, Manner::Serves, &[]);
    let open = |stream| {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/open"),
            (":authority", "v1.test"),
        ];
        frame(1, END_HEADERS, stream, &block(&fields))
    };
    let mut client = stage.connect();
    client
        .write(&[opening(), good(1, "/first")].concat())
        .unwrap();
    client.read_until(b"ok").unwrap();
    client.write(&open(3)).unwrap();
    let goaway = frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    client.read_until(&goaway).unwrap();
    let late = [
        frame(0, END_STREAM, 3, b"body"),
        good(5, "/late/5"),
        good(7, "/late/7"),
    ];
    client.write(&late.concat()).unwrap();
    let again = [
        [open(1), frame(0, END_STREAM, 1, b"body")].concat(),
        good(1, "/late/5"),
        good(1, "/late/7"),
    ];
    let mut others = Vec::new();
    for request in again {
        let mut other = stage.connect();
        other.write(&[opening(), request].concat()).unwrap();
        other.read_until(b"ok").unwrap();
        others.push(other);
    }
    let expected = ["/first", "/late/5", "/late/7", "/open"];
    stage.v2.wait_for(expected.len(), PATIENCE).unwrap();
    // v1's kernel takes its time to acknowledge what nobody reads.
    stage.wait_until_framed(7);
    let ledger = stage.mirror.stop();
    assert_eq!(whole(&stage.v2), expected);
    assert_eq!(refused(&ledger), 3, "{ledger:?}");
    assert_eq!(ledger.count("requests/framed"), 7);
}
