//! Streams that stay open, and calls beside them.

use lab::{Family, Host, Http2Recorder, Lab, RawClient};

use super::{
    scene::ROOM,
    wire::{END_HEADERS, block, frame, good, opening},
};
use crate::{
    mirror::Mirror,
    scene::{PATIENCE, target},
};

/// More calls stay open than v2 takes at once: others are answered all the same.
#[test]
fn calls_get_through_beside_streams_that_stay_open() {
    const OPEN: u32 = 40;
    const CALLS: u32 = 20;
    let lab = Lab::new().unwrap();
    let start = |host: Host, streams| {
        let address = host.address(Family::V4, 80);
        Http2Recorder::start(lab.namespace(host), address, streams).unwrap()
    };
    let (v1, v2) = (start(Host::V1, 1_000), start(Host::V2, 4));
    let flags = [
        "--target-connections",
        "2",
        "--shards",
        "1",
        "--max-body",
        "1",
    ];
    let mirror = Mirror::start(&lab, &target(Family::V4), &[&ROOM[..], &flags].concat());
    let mut client = RawClient::connect(&lab.client, v1.address()).unwrap();
    client
        .write(&[opening(), good(1, "/first")].concat())
        .unwrap();
    assert_eq!(
        v2.wait_for(1, PATIENCE).unwrap().len(),
        1,
        "{}",
        mirror.ask()
    );
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/open"),
        (":authority", "v1.test"),
    ];
    let mut bytes = Vec::new();
    for n in 0..OPEN {
        let stream = 3 + 2 * n;
        bytes.extend(frame(1, END_HEADERS, stream, &block(&fields)));
        // Past --max-body: it is passed on at once.
        bytes.extend(frame(0, 0, stream, b"first"));
    }
    for n in 0..CALLS {
        bytes.extend(good(3 + 2 * (OPEN + n), "/call"));
    }
    client.write(&bytes).unwrap();
    let whole = v2.wait_for(1 + CALLS as usize, PATIENCE).unwrap();
    assert_eq!(whole.len(), 1 + CALLS as usize, "{}", mirror.ask());
    let ledger = mirror.stop();
    assert_eq!(ledger.count("requests/framed"), u64::from(1 + OPEN + CALLS));
    assert_eq!(ledger.count("requests/dropped/queue_full"), 0);
}
