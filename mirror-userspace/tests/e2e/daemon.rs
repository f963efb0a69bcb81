//! The daemon's life: start, signals, death; and its words when something is missing.

use std::{process::Command, time::Duration};

use lab::{Family, Lab};
use nix::sys::signal::Signal;

use crate::{
    mirror::{Mirror, podmirror},
    scene::{PATIENCE, Scene, servers, target},
    traffic::get,
};

/// The programs on v1's interface, as `bpftool` would list them, by name.
fn attached(lab: &Lab) -> String {
    // Legacy filters only: a tcx link is asked for by its owner's file descriptors.
    let output = lab
        .v1
        .output(Command::new("tc").args(["filter", "show", "dev", "eth0", "ingress"]))
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn killed_it_leaves_v1_unharmed_and_nothing_behind() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    client.write(&get("/before")).unwrap();
    client.read_reply("GET").unwrap();
    scene.mirror.signal(Signal::SIGKILL);
    for n in 0..20 {
        client.write(&get(&format!("/{n}"))).unwrap();
        assert_eq!(client.read_reply("GET").unwrap().status, 200);
    }
    assert_eq!(attached(&scene.lab), "");
    drop(scene.mirror);
    // The next one finds the place free.
    let mirror = Mirror::start(&scene.lab, &target(Family::V4), &[]);
    // The connection is picked up in the middle: what is sent after the first reply proves the first request.
    for target in ["/after", "/then"] {
        client.write(&get(target)).unwrap();
        client.read_reply("GET").unwrap();
    }
    scene.v2.wait_for(2, PATIENCE);
    mirror.stop().assert_all_answered(2);
}

#[test]
fn it_ends_after_its_duration() {
    let lab = Lab::new().unwrap();
    let (_v1, _v2) = servers(&lab, Family::V4);
    let mirror = Mirror::start(&lab, &target(Family::V4), &["--duration", "300ms"]);
    mirror.wait();
}

#[test]
fn it_ends_on_sigint_and_reports_on_sigusr1() {
    let scene = Scene::new(&["--report-every", "1"]);
    assert_eq!(scene.request("GET", &get("/")), 200);
    scene.v2.wait_for(1, PATIENCE);
    assert!(scene.mirror.ask().contains("requests framed"));
    scene.mirror.wait_for("segments copied, 0 lost");
    scene.mirror.signal(Signal::SIGINT);
    scene.mirror.wait().assert_all_answered(1);
}

#[test]
fn its_first_line_says_what_it_does() {
    let scene = Scene::new(&["--sample-rate", "25"]);
    let expected = "mirroring eth0 port 80 -> http://10.77.0.20 (sample 25 % of connections)";
    assert_eq!(scene.mirror.wait_for("mirroring"), expected);
    scene.mirror.stop();
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let lab = Lab::new().unwrap();
    let node = lab.v1.name();
    let cases: [(&[&str], i32, &str); 6] = [
        (
            &[
                "--interface",
                "eth9",
                "--netns",
                node,
                "--port",
                "80",
                "--target",
                "http://10.77.0.20",
            ],
            1,
            "eth9",
        ),
        (
            &[
                "--interface",
                "eth0",
                "--netns",
                "nowhere",
                "--port",
                "80",
                "--target",
                "http://10.77.0.20",
            ],
            1,
            "nowhere",
        ),
        (
            &[
                "--interface",
                "eth0",
                "--port",
                "0",
                "--target",
                "http://10.77.0.20",
            ],
            2,
            "--port",
        ),
        (&["--interface", "eth0", "--port", "80"], 2, "--target"),
        (
            &["--interface", "eth0", "--port", "80", "--target", "ftp://x"],
            2,
            "http",
        ),
        (
            &[
                "--interface",
                "eth0",
                "--port",
                "80",
                "--target",
                "http://x",
                "--sample-rate",
                "101",
            ],
            2,
            "--sample-rate",
        ),
    ];
    for (flags, code, word) in cases {
        let output = lab.node.output(podmirror(["run"]).args(flags)).unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {text}");
        assert!(text.contains(word), "{flags:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn a_slow_drain_is_bounded() {
    let scene = Scene::new(&["--drain", "500ms"]);
    scene
        .v2
        .set_behaviour(lab::Behaviour::Delay(Duration::from_secs(60)));
    assert_eq!(scene.request("GET", &get("/")), 200);
    scene
        .v2
        .wait_until_quiet(Duration::from_millis(100), PATIENCE);
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("replies/failed"), 1);
}

#[test]
fn check_says_what_this_machine_can_do() {
    let lab = Lab::new().unwrap();
    let output = lab
        .v1
        .output(&mut podmirror(["check", "--interface", "eth0"]))
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.lines().count() >= 6, "{text}");
    let output = lab
        .v1
        .output(&mut podmirror(["check", "--interface", "eth9"]))
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}
