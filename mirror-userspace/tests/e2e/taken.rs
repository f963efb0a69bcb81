//! nginx as v1: what it serves comes to v2, and what it closed before it read does not.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use lab::{Behaviour, Family, Host, Lab, Nginx, NginxConfig, RawClient, RecordingServer};

use crate::{
    mirror::Mirror,
    scene::{PATIENCE, target},
    traffic::get,
};

#[test]
fn nothing_that_follows_a_reply_with_which_nginx_closes_is_mirrored() {
    let lab = Lab::new().unwrap();
    let address = Host::V1.address(Family::V4, 80);
    let config = NginxConfig {
        listen: vec![address],
        access_log: true,
        reply: "hello".to_owned(),
        extra: "location /closes { keepalive_timeout 0; return 200 x; }".to_owned(),
        ..NginxConfig::default()
    };
    let v1 = Nginx::start(&lab.v1, &config).unwrap();
    let at_v2 = Host::V2.address(Family::V4, 80);
    let v2 = RecordingServer::start(&lab.v2, at_v2, Behaviour::Answer).unwrap();
    let mirror = Mirror::start(&lab, &target(Family::V4), &[]);
    let long = format!(
        "GET /long?{} HTTP/1.1\r\nHost: v1\r\n\r\n",
        "a".repeat(9_000)
    );
    for (first, status) in [
        ("GET /plain HTTP/1.1\r\nHost: v1\r\n\r\n", 200),
        (
            "GET /kept HTTP/1.0\r\nHost: v1\r\nConnection: keep-alive\r\n\r\n",
            200,
        ),
        ("GET /closes HTTP/1.1\r\nHost: v1\r\n\r\n", 200),
        (
            "GET /asked HTTP/1.1\r\nHost: v1\r\nConnection: close\r\n\r\n",
            200,
        ),
        ("GET /old HTTP/1.0\r\nHost: v1\r\n\r\n", 200),
        ("GET /%zz HTTP/1.1\r\nHost: v1\r\n\r\n", 400),
        ("GET /no-host HTTP/1.1\r\n\r\n", 400),
        (&*long, 414),
    ] {
        let mut client = RawClient::connect(&lab.client, address).unwrap();
        client.write(first.as_bytes()).unwrap();
        assert_eq!(client.read_reply("GET").unwrap().status, status, "{first}");
        let name = first.split([' ', '?']).nth(1).unwrap();
        // Where nginx has closed, either may fail, or it throws away what it is sent.
        if client.write(&get(&format!("/behind{name}"))).is_ok() {
            let _reply = client.read_reply("GET");
        }
    }
    let mut last = RawClient::connect(&lab.client, address).unwrap();
    last.write(&get("/last")).unwrap();
    last.read_reply("GET").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !v2.requests().iter().any(|one| one.target() == "/last") {
        assert!(Instant::now() < deadline, "{}", mirror.ask());
        thread::sleep(Duration::from_millis(20));
    }
    let ledger = mirror.stop();
    let entries = v1.access_log().unwrap();
    let lines = entries.iter().map(|entry| &*entry.request_line);
    let targets = lines.filter_map(|line| line.split(' ').nth(1));
    let served: BTreeSet<String> = targets
        .filter(|it| it.starts_with("/behind"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        served,
        BTreeSet::from(["/behind/plain", "/behind/kept"].map(str::to_owned))
    );
    let copies = v2.requests();
    let copied = copies.iter().map(|copy| copy.target().to_owned());
    let copied: BTreeSet<String> = copied.filter(|it| it.starts_with("/behind")).collect();
    assert_eq!(copied, served, "{ledger:?}");
}
