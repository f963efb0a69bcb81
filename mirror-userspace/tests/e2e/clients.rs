//! Servers and clients that others wrote: nginx, curl, wrk.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use lab::{Family, Host, Lab, Nginx, NginxConfig, Scratch, packages};

use crate::{
    mirror::Mirror,
    scene::{PATIENCE, Scene, target},
    traffic::noise,
};

fn nginx(lab: &Lab, host: Host) -> Nginx {
    nginx_with(lab, host, "")
}

/// One with more lines in its `server` block.
fn nginx_with(lab: &Lab, host: Host, extra: &str) -> Nginx {
    let config = NginxConfig {
        listen: vec![host.address(Family::V4, 80)],
        access_log: true,
        reply: format!("hello from {}\n", host.name()),
        extra: extra.to_owned(),
        ..NginxConfig::default()
    };
    Nginx::start(lab.namespace(host), &config).unwrap()
}

/// The request lines in the log, once `count` are there and no more come.
fn log(server: &Nginx, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = 0;
    loop {
        let entries = server.access_log().unwrap();
        let settled = entries.len() >= count && entries.len() == before;
        if settled || Instant::now() > deadline {
            return entries
                .into_iter()
                .map(|entry| entry.request_line)
                .collect();
        }
        before = entries.len();
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Has wrk talk to v1 as fast as it can; all of it arrives at v2, and is answered.
fn a_closed_loop_arrives(lab: &Lab, v2: &Nginx, flags: &[&str]) {
    let v1 = nginx(lab, Host::V1);
    // Room for all of it: an unoptimised build may fall behind, and is to lose nothing.
    let room = ["--queue", "1000000", "--max-memory", "2G"];
    let mirror = Mirror::start(lab, &target(Family::V4), &[&room[..], flags].concat());
    let mut wrk = Command::new(packages::require("wrk").unwrap());
    wrk.args(["-t1", "-c8", "-d2s", "http://10.77.0.10/closed-loop"]);
    let output = lab.client.output(&mut wrk).unwrap();
    assert!(output.status.success(), "{output:?}");
    let served = log(&v1, 1).len();
    let copies = log(v2, served).len();
    let ledger = mirror.stop();
    assert!(served > 1_000, "{served}");
    // wrk walks away from its last requests: v1 may log some of them or not.
    assert!(
        copies.abs_diff(served) <= 8,
        "{copies} of {served}: {ledger:?}"
    );
    ledger.assert_all_answered(copies);
}

#[test]
fn every_request_of_a_closed_loop_of_wrk_arrives() {
    let lab = Lab::new().unwrap();
    let v2 = nginx(&lab, Host::V2);
    a_closed_loop_arrives(&lab, &v2, &[]);
}

/// nginx closes each connection after so many requests, whatever was sent behind the last.
#[test]
fn pipelined_copies_outlive_the_connections_that_nginx_closes() {
    let lab = Lab::new().unwrap();
    let v2 = nginx_with(&lab, Host::V2, "keepalive_requests 50;");
    a_closed_loop_arrives(&lab, &v2, &["--pipeline", "16"]);
}

#[test]
fn what_curl_sends_arrives_as_it_was() {
    let scene = Scene::new(&[]);
    let folder = Scratch::create("curl").unwrap();
    let file = folder.path().join("upload");
    std::fs::write(&file, noise(300_000)).unwrap();
    let upload = file.to_str().unwrap();
    let data = format!("@{upload}");
    let calls: [&[&str]; 8] = [
        &["/get"],
        &["-I", "/head"],
        &["-X", "DELETE", "-H", "X-Empty;", "/delete"],
        &["-d", "a=1&b=2", "/form"],
        &["--data-binary", &data, "/expect-100"],
        &["-T", upload, "-H", "Transfer-Encoding: chunked", "/chunked"],
        &["-T", upload, "--http1.0", "/http-1.0"],
        &[
            "-F",
            "field=value",
            "-F",
            &format!("file={data}"),
            "/multipart",
        ],
    ];
    for call in calls {
        let (path, flags) = call.split_last().unwrap();
        let mut curl = Command::new(packages::require("curl").unwrap());
        curl.args(["-sS", "--max-time", "30"])
            .args(flags)
            .arg(format!("http://10.77.0.10{path}"));
        let output = scene.lab.client.output(&mut curl).unwrap();
        assert!(output.status.success(), "{call:?}: {output:?}");
    }
    scene.assert_mirrored(calls.len());
}
