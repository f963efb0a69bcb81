//! The admin server of `podmirror run`: probes, metrics and tuning of a mirror that works.

use std::{
    fs,
    io::{self, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::packages;
use tempfile::TempDir;

use crate::{
    mirror::podmirror,
    scene::{PATIENCE, Scene},
    traffic::get,
};

pub(crate) const ADDRESS: &str = "127.0.0.1:9090";

/// A mirror with an admin server, and where its socket is.
fn scene() -> (Scene, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let socket = socket(&folder);
    let flags = ["--admin-address", ADDRESS, "--admin-socket", &socket];
    (Scene::new(&flags), folder)
}

fn socket(folder: &TempDir) -> String {
    folder
        .path()
        .join("admin.sock")
        .to_str()
        .unwrap()
        .to_owned()
}

/// A reply's status and body, asked for from inside the node.
fn look(scene: &Scene, path: &str) -> (u16, String) {
    let ask = || {
        let mut stream = TcpStream::connect(ADDRESS)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&get(path))?;
        io::read_to_string(stream)
    };
    let reply = scene.lab.node.run(ask).unwrap().unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.into(),
    )
}

pub(crate) fn body(scene: &Scene, path: &str) -> String {
    let (status, body) = look(scene, path);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// The sum of all series of this name with this label.
fn metric(scene: &Scene, name: &str, label: &str) -> u64 {
    let text = body(scene, "/metrics");
    let lines = text
        .lines()
        .filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
    let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    values.sum()
}

/// Waits until that sum is so much: what is answered may be what was so a moment ago.
fn wait_for_metric(scene: &Scene, name: &str, label: &str, least: u64) {
    let begun = Instant::now();
    while metric(scene, name, label) < least {
        assert!(begun.elapsed() < PATIENCE, "{}", body(scene, "/metrics"));
        thread::sleep(Duration::from_millis(20));
    }
}

/// `podmirror set sample-rate`; what it prints, and its exit code.
fn set(scene: &Scene, folder: &TempDir, arguments: &[&str]) -> (String, i32) {
    let mut command = podmirror(["set", "sample-rate"]);
    if !arguments.contains(&"--admin-socket") {
        command.args(["--admin-socket", &socket(folder)]);
    }
    let output = scene.lab.node.output(command.args(arguments)).unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        String::from_utf8(text).unwrap(),
        output.status.code().unwrap(),
    )
}

#[test]
fn it_is_tuned_while_it_runs() {
    let (scene, folder) = scene();
    assert_eq!(body(&scene, "/healthz"), "ok\n");
    assert_eq!(body(&scene, "/readyz"), "ready\n");
    assert_eq!(scene.request("GET", &get("/before")), 200);
    scene.v2.wait_for(1, PATIENCE);

    let url = "http://10.77.0.20";
    assert_eq!(
        set(&scene, &folder, &["0"]),
        (format!("0 %\tflags\t{url}\n"), 0)
    );
    for n in 0..5 {
        assert_eq!(scene.request("GET", &get(&format!("/unseen/{n}"))), 200);
    }
    // The kernel has seen them, and copied none.
    wait_for_metric(&scene, "podmirror_segments_total", "sampled_out", 5);
    assert_eq!(
        metric(&scene, "podmirror_requests_total", "outcome=\"sent\""),
        1
    );

    assert_eq!(set(&scene, &folder, &["100%", "--rule", "flags"]).1, 0);
    assert_eq!(
        body(&scene, "/sample-rate"),
        format!("100 %\tflags\t{url}\n")
    );
    assert_eq!(scene.request("GET", &get("/after")), 200);
    let copies = scene.v2.wait_for(2, PATIENCE);
    let targets: Vec<_> = copies.iter().map(|copy| copy.target()).collect();
    assert_eq!(targets, ["/before", "/after"]);

    // The metrics are the ledger, also the last one.
    wait_for_metric(
        &scene,
        "podmirror_replies_answered_total",
        "status=\"2xx\"",
        2,
    );
    assert_eq!(
        metric(
            &scene,
            "podmirror_mirror_lag_seconds_count",
            "rule=\"flags\""
        ),
        2
    );
    let sampled_out = metric(&scene, "podmirror_segments_total", "sampled_out");
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("segments/sampled_out"), sampled_out);
    ledger.assert_all_answered(2);
}

/// Prometheus's own parser and linter takes the page of a run: types, help, names, and no series twice.
#[test]
fn promtool_finds_nothing_wrong() {
    let (scene, _folder) = scene();
    assert_eq!(scene.request("GET", &get("/a")), 200);
    wait_for_metric(
        &scene,
        "podmirror_replies_answered_total",
        "status=\"2xx\"",
        1,
    );
    let page = body(&scene, "/metrics");
    let found = promtool(&page);
    assert!(found.is_ok(), "{found:?}: {page}");

    // And it would say so: of a page that it cannot read, and of one that it does not like.
    let twice = format!("{page}{page}");
    let unlike = page.replace("podmirror_stream_gaps_total", "podmirror_stream_gaps");
    for (bad, words) in [(twice, "second"), (unlike, "_total")] {
        let found = promtool(&bad).unwrap_err();
        assert!(found.contains(words), "{found}");
    }
    scene.mirror.stop();
}

/// What `promtool check metrics` has to say of a page.
fn promtool(page: &str) -> Result<(), String> {
    let program = packages::require("promtool").unwrap();
    let mut promtool = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(page.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(said)
    }
}

#[test]
fn what_cannot_be_set_is_said_in_one_line() {
    let (scene, folder) = scene();
    for (arguments, code, words) in [
        (&["101"][..], 2, "above 100 %"),
        (&["50%", "--rule", "web"], 1, "404 Not Found: no such rule"),
        (
            &["50%", "--admin-address", "127.0.0.1:9"],
            2,
            "takes --admin-token-file",
        ),
        (
            &["50%", "--admin-socket", "/no/such.sock"],
            1,
            "--admin-socket /no/such.sock: is a podmirror running here?",
        ),
    ] {
        let (text, exit) = set(&scene, &folder, arguments);
        assert_eq!(exit, code, "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
    // The address is taken before anything is attached.
    let at = [
        "--interface",
        "eth0",
        "--netns",
        scene.lab.v1.name(),
        "--port",
        "80",
    ];
    let to = ["--target", "http://10.77.0.20", "--admin-address", ADDRESS];
    let second = scene
        .lab
        .node
        .output(podmirror(["run"]).args(at).args(to))
        .unwrap();
    let text = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains("--admin-address 127.0.0.1:9090: "), "{text}");
    scene.mirror.stop();
}

#[test]
fn without_its_interface_it_is_not_ready() {
    let (scene, _folder) = scene();
    assert_eq!(body(&scene, "/readyz"), "ready\n");
    scene.lab.v1.ip("link delete eth0").unwrap();
    while look(&scene, "/readyz").0 == 200 {}
    let gone = "the interface is gone\n";
    assert_eq!(look(&scene, "/readyz"), (503, gone.into()));
    assert_eq!(body(&scene, "/healthz"), "ok\n");
}

#[test]
fn over_the_network_the_token_tunes() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "correct horse battery staple\n").unwrap();
    let token = token.to_str().unwrap();
    let flags = ["--admin-address", ADDRESS, "--admin-token-file", token];
    let scene = Scene::new(&flags);
    let mut command = podmirror(["set", "sample-rate", "25%"]);
    let output = scene.lab.node.output(command.args(flags)).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(body(&scene, "/sample-rate").starts_with("25 %\t"));
    scene.mirror.stop();
}
