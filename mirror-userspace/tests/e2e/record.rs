//! `podmirror record`: live traffic to files, which replay to the very requests that v1 got.

use std::{fs, path::Path, process::Command};

use lab::{Family, Host, Lab, RawClient, RecordedRequest, RecordingServer, Scratch};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    mirror::{Mirror, podmirror},
    scene::{PATIENCE, servers},
    traffic::{get, post},
};

/// A lab with a recorder at v1.
struct Scene {
    recorder: Mirror,
    v1: RecordingServer,
    lab: Lab,
    folder: Scratch,
}

/// Each shard writes when its own turn comes: only one keeps an order between connections, too.
const ONE_ORDER: [&str; 2] = ["--shards", "1"];

impl Scene {
    fn new(flags: &[&str]) -> Self {
        let lab = Lab::new().unwrap();
        let (v1, _) = servers(&lab, Family::V4);
        let folder = Scratch::create("record").unwrap();
        let file = folder.path().join("web.pcapng");
        let at = [
            "--interface",
            "eth0",
            "--netns",
            lab.v1.name(),
            "--port",
            "80",
        ];
        let to = ["--ring-size", "128M", "--write", file.to_str().unwrap()];
        let flags = [&at[..], &to, flags].concat();
        let recorder = Mirror::start_command(&lab.node, "record", "recording ", &flags);
        Self {
            recorder,
            v1,
            lab,
            folder,
        }
    }

    fn connect(&self) -> RawClient {
        RawClient::connect(&self.lab.client, Host::V1.address(Family::V4, 80)).unwrap()
    }

    /// Several connections with small and large bodies; how many requests they had.
    fn converse(&self) -> usize {
        for connection in 0..5 {
            let mut client = self.connect();
            for n in 0..6 {
                let target = format!("/{connection}/{n}");
                let request = if n % 2 == 0 {
                    get(&target)
                } else {
                    post(&target, n * 40_003)
                };
                client.write(&request).unwrap();
                client.read_reply("GET").unwrap();
            }
        }
        30
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// What `podmirror replay --print` says of a file.
fn printed(file: &Path) -> Vec<Value> {
    let output = podmirror(["replay", file.to_str().unwrap(), "--print"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("\nbalanced"),
        "{text}"
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Target and length of the body, in the order in which requests were complete.
fn told(lines: &[Value]) -> Vec<(String, u64)> {
    let tell = |line: &Value| {
        let target = line["target"].as_str().unwrap().to_owned();
        (target, line["body_len"].as_u64().unwrap())
    };
    lines.iter().map(tell).collect()
}

fn received(requests: &[RecordedRequest]) -> Vec<(String, u64)> {
    let tell = |request: &RecordedRequest| (request.target().to_owned(), request.body.len);
    requests.iter().map(tell).collect()
}

#[test]
fn a_recording_replays_to_the_requests_that_v1_got() {
    let scene = Scene::new(&ONE_ORDER);
    let count = scene.converse();
    let v1 = scene.v1.wait_for(count, PATIENCE);
    let file = scene.file("web.pcapng");
    let ledger = scene.recorder.stop();
    assert_eq!(ledger.count("requests/observed"), count as u64);
    let lines = printed(&file);
    assert_eq!(told(&lines), received(&v1));
    let year = lines[0]["ts"].as_str().unwrap()[..2].to_owned();
    assert_eq!(year, "20", "the time of day, not since boot");

    let Ok(tshark) = Command::new("tshark")
        .args([
            "-Y",
            "http.request",
            "-T",
            "fields",
            "-e",
            "http.request.uri",
            "-r",
        ])
        .arg(&file)
        .output()
    else {
        return eprintln!("SKIPPED: tshark could not be run");
    };
    assert_eq!(
        String::from_utf8_lossy(&tshark.stdout).lines().count(),
        count
    );
}

#[test]
fn with_several_shards_each_connection_keeps_its_order() {
    let scene = Scene::new(&["--shards", "4"]);
    let count = scene.converse();
    let mut sent = received(&scene.v1.wait_for(count, PATIENCE));
    let file = scene.file("web.pcapng");
    scene.recorder.stop();
    let mut lines = told(&printed(&file));
    // Targets begin with their connection's number; the sort leaves what is equal as it was.
    let connection = |(target, _): &(String, u64)| target[..2].to_owned();
    lines.sort_by_key(connection);
    sent.sort_by_key(connection);
    assert_eq!(lines, sent);
}

#[test]
fn a_redacted_secret_is_nowhere_in_the_file() {
    let scene = Scene::new(&["--redact-header", "authorization"]);
    let mut client = scene.connect();
    for n in 0..3 {
        let request =
            format!("GET /{n} HTTP/1.1\r\nHost: v1.test\r\nAuthorization: s3cret\r\n\r\n");
        client.write(request.as_bytes()).unwrap();
        client.read_reply("GET").unwrap();
    }
    scene.v1.wait_for(3, PATIENCE);
    let file = scene.file("web.pcapng");
    scene.recorder.signal(Signal::SIGINT);
    scene.recorder.wait();
    let bytes = fs::read(&file).unwrap();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(!holds(b"s3cret"));
    assert!(holds(b"Authorization: redacted\r\n"));
    assert!(holds(b"requests framed"), "the ledger is its last comment");
    assert_eq!(printed(&file).len(), 3);
}

#[test]
fn a_rotated_recording_loses_nothing() {
    let scene = Scene::new(&[&["--rotate-size", "200K"], &ONE_ORDER[..]].concat());
    let count = scene.converse();
    let v1 = scene.v1.wait_for(count, PATIENCE);
    let path = |number: u32| scene.file(&format!("web-{number:05}.pcapng"));
    let files: Vec<_> = (1..100).map(path).collect();
    scene.recorder.stop();
    let files: Vec<_> = files.into_iter().filter(|file| file.exists()).collect();
    assert!(files.len() > 3, "{}", files.len());
    let lines: Vec<_> = files.iter().flat_map(|file| printed(file)).collect();
    assert_eq!(told(&lines), received(&v1));
}

#[test]
fn a_sample_is_what_run_would_mirror() {
    let scene = Scene::new(&["--sample-rate", "0"]);
    scene.converse();
    let file = scene.file("web.pcapng");
    let ledger = scene.recorder.stop();
    assert_eq!(ledger.count("segments/copied"), 0);
    assert!(printed(&file).is_empty());
}

#[test]
fn a_file_that_cannot_be_written_is_told_at_once() {
    let lab = Lab::new().unwrap();
    let flags = ["--interface", "eth0", "--port", "80", "--write"];
    for (file, code) in [("/nowhere/web.pcapng", 1), ("-", 2)] {
        let mut command = podmirror(["record"]);
        command.args(flags).args([file, "--rotate-size", "1M"]);
        let output = lab.node.output(&mut command).unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains("--write"), "{text}");
    }
}
