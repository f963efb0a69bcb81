//! A v2 that is dead, slow or mad costs counters, and v1 nothing.

use std::{process::Command, time::Duration};

use lab::{Behaviour, Family, Host, RawClient, RecordingServer};

use crate::{
    scene::{PATIENCE, Scene},
    traffic::{get, post},
};

/// v1 answers every one of `count` requests at its usual pace, whatever v2 does.
fn v1_is_unharmed(scene: &Scene, count: usize) {
    let mut client = scene.connect();
    for n in 0..count {
        client.write(&post(&format!("/{n}"), 1_000)).unwrap();
        assert_eq!(client.read_reply("POST").unwrap().status, 200);
    }
}

#[test]
fn a_dead_v2_is_not_hammered() {
    let mut scene = Scene::new(&[]);
    scene.v2 = RecordingServer::start(
        &scene.lab.v2,
        Host::V2.address(Family::V4, 81),
        Behaviour::Answer,
    )
    .unwrap();
    v1_is_unharmed(&scene, 100);
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("requests/framed"), 100);
    assert!(ledger.count("replies/failed/connect") > 0);
    assert_eq!(ledger.count("replies/answered"), 0);
}

#[test]
fn a_hanging_v2_times_out() {
    let scene = Scene::new(&["--reply-timeout", "200ms", "--drain", "3s"]);
    scene.v2.set_behaviour(Behaviour::Hang);
    v1_is_unharmed(&scene, 30);
    let ledger = scene.mirror.stop();
    assert!(ledger.count("replies/failed/timeout") > 0);
    assert_eq!(ledger.count("replies/answered"), 0);
}

#[test]
fn garbage_resets_and_deafness() {
    for behaviour in [Behaviour::Garbage, Behaviour::Reset, Behaviour::Deaf] {
        let scene = Scene::new(&["--reply-timeout", "300ms", "--drain", "2s"]);
        scene.v2.set_behaviour(behaviour.clone());
        v1_is_unharmed(&scene, 20);
        let ledger = scene.mirror.stop();
        assert!(ledger.count("replies/failed") > 0, "{behaviour:?}");
        assert_eq!(ledger.count("replies/answered"), 0, "{behaviour:?}");
    }
}

#[test]
fn an_endless_reply_is_not_read_for_ever() {
    let scene = Scene::new(&["--reply-timeout", "1s", "--drain", "5s"]);
    scene.v2.set_behaviour(Behaviour::Endless);
    v1_is_unharmed(&scene, 5);
    let ledger = scene.mirror.stop();
    // By the limit on its body it is an answer, by the time-out it is none; it ends either way.
    let ended = ledger.count("replies/answered/2xx") + ledger.count("replies/failed/timeout");
    assert!(ended > 0);
}

#[test]
fn a_v2_that_reads_slowly_gets_bodies_whole_or_broken() {
    let scene = Scene::new(&[
        "--reply-timeout",
        "2s",
        "--stream-window",
        "1M",
        "--max-body",
        "256K",
    ]);
    scene.v2.set_behaviour(Behaviour::SlowRead {
        bytes: 4096,
        pause: Duration::from_millis(5),
    });
    for n in 0..3 {
        assert_eq!(
            scene.request("POST", &post(&format!("/{n}"), 16 << 20)),
            200
        );
    }
    let (v1, v2) = (
        scene.v1.requests(),
        scene
            .v2
            .wait_until_quiet(Duration::from_millis(500), PATIENCE),
    );
    for copy in v2 {
        assert!(
            v1.iter().any(|sent| sent.body == copy.body),
            "a shortened request"
        );
    }
    scene.mirror.stop();
}

#[test]
fn a_v2_that_closes_idle_connections_unannounced_gets_nothing_twice() {
    let scene = Scene::new(&[]);
    scene.v2.set_behaviour(Behaviour::CloseAfter(1));
    let mut client = scene.connect();
    for n in 0..50 {
        client.write(&get(&format!("/{n}"))).unwrap();
        client.read_reply("GET").unwrap();
        // Mostly long enough for the close to be seen before the next copy needs a connection.
        std::thread::sleep(Duration::from_millis(10));
    }
    let copies = scene
        .v2
        .wait_until_quiet(Duration::from_millis(300), PATIENCE);
    let mut targets: Vec<_> = copies.iter().map(|copy| copy.target()).collect();
    targets.dedup();
    assert_eq!(targets.len(), copies.len(), "in order, and nothing twice");
    let ledger = scene.mirror.stop();
    // A copy that met the close on its way is lost and counted: it may have been read.
    let lost = ledger.count("replies/failed/reset");
    assert_eq!(ledger.count("requests/sent"), 50);
    assert_eq!(copies.len() as u64 + lost, 50);
    assert!(
        lost < 25,
        "closes are seen before connections are used again"
    );
}

#[test]
fn a_restarted_v2_gets_requests_again() {
    let mut scene = Scene::new(&[]);
    v1_is_unharmed(&scene, 20);
    scene.compare(20);
    let address = scene.v2.address();
    scene.v2 = RecordingServer::start(
        &scene.lab.v2,
        Host::V2.address(Family::V4, 81),
        Behaviour::Answer,
    )
    .unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while !scene.mirror.ask().contains("failed connect") {
        assert!(std::time::Instant::now() < deadline, "v2 is not missed");
        v1_is_unharmed(&scene, 5);
    }
    scene.v2 = RecordingServer::start(&scene.lab.v2, address, Behaviour::Answer).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while scene.v2.requests().is_empty() {
        assert!(
            std::time::Instant::now() < deadline,
            "the breaker never closed"
        );
        v1_is_unharmed(&scene, 1);
        std::thread::sleep(Duration::from_millis(50));
    }
    scene.mirror.stop();
}

#[test]
fn error_statuses_are_answers() {
    let scene = Scene::new(&[]);
    scene.v2.set_behaviour(Behaviour::Status(503));
    v1_is_unharmed(&scene, 10);
    scene.v2.wait_for(10, PATIENCE);
    assert_eq!(scene.mirror.stop().count("replies/answered/5xx"), 10);
}

#[test]
fn two_targets_get_a_copy_each() {
    let lab = lab::Lab::new().unwrap();
    let second = Host::V2.address(Family::V4, 81);
    let v3 = RecordingServer::start(&lab.v2, second, Behaviour::Answer).unwrap();
    let target = format!("http://{second},host=v3.test");
    let scene = Scene::in_lab(lab, Family::V4, &["--target", &target]);
    v1_is_unharmed(&scene, 10);
    scene.compare(10);
    let copies = v3.wait_for(10, PATIENCE);
    assert_eq!(copies.len(), 10);
    assert!(
        copies
            .iter()
            .all(|copy| copy.head.windows(13).any(|part| part == b"Host: v3.test"))
    );
    scene.mirror.stop().assert_all_answered(20);
}

/// v2 asks v1 for something while it answers: were that mirrored, it would ask again, without end.
#[test]
fn what_a_target_asks_of_v1_is_not_mirrored() {
    for (flags, mirrored) in [(&[][..], 0), (&["--mirror-from-targets"], 1)] {
        let scene = Scene::new(flags);
        v1_is_unharmed(&scene, 1);
        scene.v2.wait_for(1, PATIENCE);
        let mut of_v2 = RawClient::connect(&scene.lab.v2, scene.v1.address()).unwrap();
        of_v2.write(&get("/from-v2")).unwrap();
        assert_eq!(of_v2.read_reply("GET").unwrap().status, 200);
        v1_is_unharmed(&scene, 1);
        scene.v2.wait_for(2 + mirrored, PATIENCE);
        let copies = scene.v2.requests().len();
        let ledger = scene.mirror.stop();
        assert_eq!(copies, 2 + mirrored);
        if mirrored == 0 {
            assert_eq!(ledger.count("requests/filtered/from-target"), 1);
        }
    }
}

/// There may be few open files; each connection to a target is one.
#[test]
fn a_failure_of_our_own_is_not_the_targets() {
    let scene = Scene::new(&[]);
    let pid = scene.mirror.id();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let mut columns = files.unwrap().split_whitespace().skip(3);
    assert_eq!(columns.next(), columns.next(), "soft and hard: {limits}");
    let allow = |files: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &pid.to_string(), files]);
        assert!(prlimit.status().unwrap().success());
    };
    allow("--nofile=0:");
    v1_is_unharmed(&scene, 10);
    scene.mirror.wait_for("Too many open files");
    allow("--nofile=1024:");
    v1_is_unharmed(&scene, 10);
    scene.v2.wait_for(10, PATIENCE);
    let ledger = scene.mirror.stop();
    let (local, answered) = (
        ledger.count("replies/failed/local"),
        ledger.count("replies/answered/2xx"),
    );
    assert!(local > 0);
    assert_eq!(local + answered, 20, "none is kept from v2");
}

/// As the kernel says it of the sockets that are open.
#[test]
fn connections_to_v2_have_the_congestion_control_that_was_chosen() {
    for (flags, name) in [
        (&[][..], "cubic"),
        (&["--congestion-control", "reno"], "reno"),
    ] {
        let scene = Scene::new(flags);
        assert_eq!(scene.request("GET", &get("/")), 200);
        scene.v2.wait_for(1, PATIENCE);
        let mut ss = Command::new("ss");
        ss.args(["--tcp", "--info", "--no-header", "dst", "10.77.0.20"]);
        let output = scene.lab.node.output(&mut ss).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(name), "{name}: {text}");
        scene.mirror.stop();
    }
}
