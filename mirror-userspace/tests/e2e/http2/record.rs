//! `podmirror record` and `podmirror replay`, with HTTP/2: a recording is sent as its requests were.

use lab::{Family, GrpcClient, Lab, Scratch};
use serde_json::Value;

use super::scene::{assert_same, assert_well, run, servers};
use crate::{
    mirror::{Mirror, podmirror},
    scene::{PATIENCE, target},
};

#[test]
fn what_is_recorded_is_printed_and_sent_again() {
    let lab = Lab::new().unwrap();
    let (v1, v2) = servers(&lab);
    let folder = Scratch::create("record").unwrap();
    let file = folder.path().join("calls.pcapng");
    let file = file.to_str().unwrap();
    let at = ["--interface", "eth0", "--netns", lab.v1.name()];
    let to = ["--port", "80", "--ring-size", "128M", "--write", file];
    let flags = [&at[..], &to].concat();
    let recorder = Mirror::start_command(&lab.node, "record", "recording ", &flags);
    let scenes = [
        ("unary", 40),
        ("collect", 10),
        ("chat", 10),
        ("metadata", 5),
    ];
    for (scene, calls) in scenes {
        let played = GrpcClient::play(&lab.client, v1.address(), scene, calls).unwrap();
        assert_well(scene, played, calls);
    }
    for n in 0..5 {
        let url = format!("http://10.77.0.10/{n}");
        run(
            &lab,
            "curl",
            &["-sS", "--http2-prior-knowledge", "-d", "a=1", &url],
        );
    }
    let count = 70;
    let sent = v1.wait_for(count, PATIENCE).unwrap();
    assert_eq!(sent.len(), count);
    let ledger = recorder.stop();
    assert_eq!(ledger.count("requests/observed"), 70);

    let printed = podmirror(["replay", file, "--print"]).output().unwrap();
    let lines = String::from_utf8(printed.stdout).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), count);
    assert!(lines.iter().all(|line| line["version"] == "2"));
    let mut hashes: Vec<_> = lines
        .iter()
        .map(|line| line["body_sha256"].as_str().unwrap())
        .collect();
    let mut expected: Vec<_> = sent
        .iter()
        .map(|request| request.body_sha256.as_str())
        .collect();
    hashes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(hashes, expected);
    let collected = lines
        .iter()
        .filter(|line| line["grpc"]["method"] == "Collect");
    let messages: Vec<_> = collected
        .map(|line| line["grpc"]["messages"].as_u64())
        .collect();
    assert_eq!(messages, [Some(20); 10]);

    let to = target(Family::V4);
    let mut replay = podmirror(["replay", file, "--target", &to, "--speed", "max"]);
    let ended = lab.node.output(&mut replay).unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let copies = v2.wait_for(count, PATIENCE).unwrap();
    assert_eq!(
        copies.len(),
        count,
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_same(sent, copies);
}
