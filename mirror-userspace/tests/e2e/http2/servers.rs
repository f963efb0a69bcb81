//! Servers that others wrote, as v1 and as v2: nginx, nghttpd, grpcio.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lab::{
    Family, GrpcCall, GrpcClient, GrpcServer, Host, Http2Recorder, Lab, Nginx, NginxConfig,
    Process, Scratch, packages, serve,
};

use super::scene::{ROOM, assert_well, run};
use crate::{
    mirror::{Ledger, Mirror},
    scene::{PATIENCE, target},
};

const V1: &str = "http://10.77.0.10/load";

fn start(lab: &Lab, flags: &[&str]) -> Mirror {
    Mirror::start(lab, &target(Family::V4), &[&ROOM[..], flags].concat())
}

/// Calls to a server of grpcio's arrive at another, message by message.
fn between_grpcios(age: Option<Duration>, scenes: &[(&str, usize)]) -> Ledger {
    let lab = Lab::new().unwrap();
    let server = |host: Host, age| {
        GrpcServer::start(lab.namespace(host), host.address(Family::V4, 80), age).unwrap()
    };
    let (v1, v2) = (server(Host::V1, age), server(Host::V2, age));
    let mirror = start(&lab, &[]);
    let mut count = 0;
    for (scene, calls) in scenes {
        let address = Host::V1.address(Family::V4, 80);
        let played = GrpcClient::play(&lab.client, address, scene, *calls).unwrap();
        assert_well(scene, played, *calls);
        count += calls;
    }
    let sent = v1.wait_for(count, PATIENCE).unwrap();
    assert_eq!(sent.len(), count);
    let came = v2.wait_for(count, PATIENCE).unwrap().len();
    assert_eq!(came, count, "{}", mirror.ask());
    let ledger = mirror.stop();
    let sorted = |calls: Vec<GrpcCall>| {
        let mut calls: Vec<_> = calls
            .into_iter()
            .map(|it| it.without("x-mirrored-by"))
            .collect();
        calls.sort();
        calls
    };
    let copied = v2.wait_for(count, PATIENCE).unwrap();
    assert_eq!(sorted(sent), sorted(copied));
    ledger
}

#[test]
fn from_grpcio_to_grpcio() {
    let scenes = [
        ("unary", 50),
        ("collect", 10),
        ("expand", 10),
        ("chat", 10),
        ("fail", 10),
    ];
    let ledger = between_grpcios(None, &scenes);
    ledger.assert_all_answered(90);
}

/// Both servers end each connection after half a second; nothing is lost, and nothing comes twice.
#[test]
fn connections_that_age() {
    between_grpcios(Some(Duration::from_millis(500)), &[("reconnect", 150)]);
}

fn nginx(lab: &Lab, host: Host, http2: bool, extra: &str) -> Nginx {
    let address = vec![host.address(Family::V4, 80)];
    let (listen, listen_http2) = if http2 {
        (vec![], address)
    } else {
        (address, vec![])
    };
    let config = NginxConfig {
        listen,
        listen_http2,
        access_log: true,
        reply: format!("hello from {}\n", host.name()),
        extra: extra.to_owned(),
        ..NginxConfig::default()
    };
    Nginx::start(lab.namespace(host), &config).unwrap()
}

/// Lines of nginx's log, once `count` are there.
fn logged(server: &Nginx, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let entries = server.access_log().unwrap();
        if entries.len() >= count || Instant::now() > deadline {
            return entries
                .into_iter()
                .map(|entry| entry.request_line)
                .collect();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// nghttpd, which sends back what it is sent.
fn nghttpd(lab: &Lab, host: Host) -> Process {
    let mut command = Command::new(packages::require("nghttpd").unwrap());
    command
        .args(["--no-tls", "--echo-upload", "80"])
        .stderr(Stdio::null());
    serve(
        lab.namespace(host),
        &mut command,
        host.address(Family::V4, 80),
    )
    .unwrap()
}

/// v2 ends each connection after 50 requests, whatever was sent behind the last.
#[test]
fn from_nginx_to_nginx() {
    let lab = Lab::new().unwrap();
    let v1 = nginx(&lab, Host::V1, true, "");
    let v2 = nginx(&lab, Host::V2, true, "keepalive_requests 50;");
    let mirror = start(&lab, &[]);
    run(&lab, "h2load", &["-n", "10000", "-c", "16", "-m", "10", V1]);
    assert_eq!(logged(&v1, 10_000).len(), 10_000);
    let copies = logged(&v2, 10_000).len();
    assert_eq!(copies, 10_000, "{}", mirror.ask());
    let ledger = mirror.stop();
    ledger.assert_all_answered(10_000);
    let copies = logged(&v2, 10_000);
    assert_eq!(copies.len(), 10_000, "none twice");
    assert!(copies.iter().all(|line| line == "GET /load HTTP/2.0"));
}

#[test]
fn from_nghttpd_to_a_recorder() {
    let lab = Lab::new().unwrap();
    let _v1 = nghttpd(&lab, Host::V1);
    let v2 = Http2Recorder::start(&lab.v2, Host::V2.address(Family::V4, 80), 100).unwrap();
    let mirror = start(&lab, &[]);
    let folder = Scratch::create("h2load").unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, vec![b'x'; 20_000]).unwrap();
    let body = file.to_str().unwrap();
    run(
        &lab,
        "h2load",
        &["-n", "1000", "-c", "4", "-m", "8", "-d", body, V1],
    );
    let copies = v2.wait_for(1_000, PATIENCE).unwrap();
    assert_eq!(copies.len(), 1_000, "{}", mirror.ask());
    assert!(copies.iter().all(|copy| copy.body_len == 20_000));
    let ledger = mirror.stop();
    assert_eq!(v2.requests().unwrap().len(), 1_000, "none twice");
    ledger.assert_all_answered(1_000);
}

#[test]
fn a_v2_without_http2_is_named() {
    let lab = Lab::new().unwrap();
    let _v1 = nginx(&lab, Host::V1, true, "");
    let v2 = nginx(&lab, Host::V2, false, "");
    let mirror = start(&lab, &[]);
    run(&lab, "h2load", &["-n", "20", "-c", "1", V1]);
    mirror.wait_for("HTTP/2");
    let (ledger, said) = mirror.stop_and_read();
    assert_eq!(ledger.count("requests/framed"), 20);
    assert_eq!(ledger.count("replies/answered"), 0);
    let named = ledger.count("replies/failed/no_http2");
    assert!(named > 0, "{ledger:?}\n{said}");
    assert!(
        v2.access_log()
            .unwrap()
            .iter()
            .all(|entry| entry.mirrored_by == "-")
    );
}

/// v2 is killed and started again in the midst of it: what is not answered is counted, and it goes on.
#[test]
fn a_v2_that_restarts() {
    let lab = Lab::new().unwrap();
    let _v1 = nghttpd(&lab, Host::V1);
    let v2 = nghttpd(&lab, Host::V2);
    let mirror = start(&lab, &[]);
    run(&lab, "h2load", &["-n", "500", "-c", "4", "-m", "4", V1]);
    drop(v2);
    run(&lab, "h2load", &["-n", "100", "-c", "4", "-m", "4", V1]);
    let v2 = Http2Recorder::start(&lab.v2, Host::V2.address(Family::V4, 80), 100).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while v2.requests().unwrap().is_empty() && Instant::now() < deadline {
        run(&lab, "h2load", &["-n", "10", "-c", "1", V1]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!v2.requests().unwrap().is_empty(), "{}", mirror.ask());
    // Its books balance, which is what it promises here.
    let ledger = mirror.stop();
    assert!(ledger.count("requests/framed") >= 610);
}
