//! Why a request did not arrive: what `podmirror why` says of it, and the capture file that it writes.

use std::{
    fs,
    io::{self, Write as _},
    net::TcpStream,
    process::Command,
};

use tempfile::TempDir;

use crate::{
    admin::ADDRESS,
    mirror::podmirror,
    scene::{PATIENCE, Scene},
    traffic::get,
};

/// A mirror that sends one copy per second, and what it has sent.
fn scene(flags: &[&str]) -> (Scene, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let socket = socket(&folder);
    let ours = [
        "--admin-address",
        ADDRESS,
        "--admin-socket",
        &socket,
        "--max-rps",
        "1",
    ];
    (Scene::new(&[&ours, flags].concat()), folder)
}

fn socket(folder: &TempDir) -> String {
    let path = folder.path().join("admin.sock");
    path.to_str().unwrap().to_owned()
}

/// What `podmirror why` says, and its exit code.
fn why(scene: &Scene, arguments: &[&str]) -> (String, i32) {
    let mut command = podmirror(["why"]);
    let output = scene.lab.node.output(command.args(arguments)).unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        String::from_utf8(text).unwrap(),
        output.status.code().unwrap(),
    )
}

/// Asks until it says this, and returns all that it says.
fn until(scene: &Scene, arguments: &[&str], text: &str) -> String {
    let begun = std::time::Instant::now();
    loop {
        let (said, _) = why(scene, arguments);
        if said.contains(text) {
            return said;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}: {said}");
    }
}

/// Requests that come faster than one per second; the address of their client.
fn lose(scene: &Scene) -> String {
    let mut client = scene.connect();
    for number in 0..20 {
        client.write(&get(&format!("/lost/{number}"))).unwrap();
        client.read_reply("GET").unwrap();
    }
    client.local_address().unwrap().to_string()
}

#[test]
fn a_lost_request_is_told_by_its_connection_with_reason_and_segments() {
    let (scene, folder) = scene(&[]);
    let client = lose(&scene);
    let flow = format!("{client}-10.77.0.10:80");
    let socket = socket(&folder);
    let said = until(
        &scene,
        &["--admin", &socket, "--flow", &flow],
        "GET /lost/19 HTTP/1.1",
    );
    for text in [
        "requests.dropped.max_rps: It was above `--max-rps`.".to_owned(),
        format!("{client} -> 10.77.0.10:80"),
        "rule flags, to http://10.77.0.20".to_owned(),
        "Raise ".to_owned(),
        " client seq ".to_owned(),
    ] {
        assert!(said.contains(&text), "{text}: {said}");
    }
    // The same over the network, of one number, of one reason.
    let id = said.split(':').next().unwrap().strip_prefix("loss ");
    let id = id.unwrap().to_owned();
    let (one, code) = why(&scene, &["--admin", ADDRESS, "--id", &id]);
    assert_eq!((one.matches("loss ").count(), code), (1, 0), "{one}");
    let (of_reason, _) = why(&scene, &["max_rps", "--admin", ADDRESS]);
    assert!(of_reason.contains("/lost/19"), "{of_reason}");
    let (none, code) = why(&scene, &["queue_full", "--admin", ADDRESS]);
    assert!(none.starts_with("nothing of that kind was lost"), "{none}");
    assert_eq!(code, 0);

    let file = folder.path().join("lost.pcapng");
    let file = file.to_str().unwrap();
    let (said, code) = why(&scene, &["--admin", &socket, "--id", &id, "--pcap", file]);
    assert_eq!(code, 0, "{said}");
    in_tshark(file, &client);
    scene.mirror.stop();
}

/// The segments' headers are there, of the right connection, and nothing of their payload.
fn in_tshark(file: &str, client: &str) {
    let text = fs::read(file).unwrap();
    let requests = text.windows(7).filter(|part| part == b"v1.test").count();
    assert_eq!(requests, 0, "bytes of requests");
    let port = client.rsplit(':').next().unwrap();
    let fields = ["-T", "fields", "-e", "tcp.srcport", "-e", "tcp.len"];
    let tshark = Command::new("tshark")
        .args(["-r", file])
        .args(fields)
        .output();
    let Ok(tshark) = tshark else {
        return eprintln!("SKIPPED: tshark could not be run");
    };
    assert!(tshark.status.success(), "{tshark:?}");
    let lines = String::from_utf8(tshark.stdout).unwrap();
    let with_payload = lines.lines().filter(|line| {
        let (from, len) = line.split_once('\t').unwrap();
        from == port && len.parse::<u32>().unwrap() > 0
    });
    assert!(with_payload.count() > 0, "{lines}");
}

#[test]
fn what_is_asked_for_in_vain_is_said_with_what_to_do() {
    let (scene, folder) = scene(&["--keep-lost", "0"]);
    lose(&scene);
    let (said, code) = why(&scene, &["--admin", &socket(&folder)]);
    assert!(said.contains("start it with --keep-lost 100"), "{said}");
    assert_eq!(code, 1);
    let (said, code) = why(&scene, &["--admin", "/nowhere/admin.sock"]);
    assert!(said.contains("is a podmirror running here?"), "{said}");
    assert_eq!(code, 1);
    let (said, code) = why(&scene, &["no_such_reason", "--admin", ADDRESS]);
    assert!(said.contains("no reason is called"), "{said}");
    assert_eq!(code, 2);
    scene.mirror.stop();
}

#[test]
fn bytes_are_kept_only_where_that_is_wanted() {
    let (scene, _folder) = scene(&["--keep-lost-bytes", "1K"]);
    lose(&scene);
    until(&scene, &["--admin", ADDRESS], "GET /lost/19 ");
    let ask = || {
        let mut stream = TcpStream::connect(ADDRESS)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /lost HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        io::read_to_string(stream)
    };
    let reply = scene.lab.node.run(ask).unwrap().unwrap();
    let (_, told) = reply.split_once("\r\n\r\n").unwrap();
    let told: serde_json::Value = serde_json::from_str(told).unwrap();
    let hex = told["lost"][0]["segments"].to_string();
    // `GET /lost/`
    assert!(hex.contains("474554202f6c6f73742f"), "{hex}");
    scene.mirror.stop();
}
