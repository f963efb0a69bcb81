//! `--target`: what arrives, in which order, and when.

use std::time::{Duration, Instant};

use crate::{
    capture::{Capture, get, post},
    program::replay,
    server::Server,
};

const MARK: &str = "x-mirrored-by: podmirror\r\n";

/// Requests with their connection and place in the target, on connections that interleave.
fn interleaved(connections: u16, requests: usize) -> (Vec<u8>, Vec<String>) {
    let mut capture = Capture::new();
    let mut clients: Vec<_> = (1..=connections).map(|n| capture.connect(n)).collect();
    let mut sent = Vec::new();
    for n in 0..requests {
        for (number, client) in clients.iter_mut().enumerate() {
            let request = if n % 3 == 0 {
                post(&format!("/{number}/{n}"), &"x".repeat(n * 97))
            } else {
                get(&format!("/{number}/{n}"))
            };
            capture.say(client, &request);
            sent.push(request);
        }
    }
    (capture.bytes(), sent)
}

/// The requests of one connection, in order.
fn of_connection(requests: &[String], number: u16) -> Vec<&String> {
    let prefix = format!(" /{number}/");
    let is_of = |request: &&String| request.lines().next().unwrap().contains(&prefix);
    requests.iter().filter(is_of).collect()
}

#[test]
fn every_request_arrives_byte_by_byte_and_in_order_however_short_the_queue() {
    let (file, sent) = interleaved(20, 30);
    let server = Server::start();
    let flags = [
        "--target",
        &server.url(),
        "--speed",
        "max",
        "--queue",
        "5",
        "--print",
    ];
    let ended = replay(&file, &flags).balanced();
    assert_eq!(ended.lines.len(), sent.len(), "printed as well");
    assert_eq!(ended.count("/requests/sent"), 600);
    assert_eq!(ended.count("/replies/answered/2xx"), 600);

    let received: Vec<String> = server
        .received()
        .iter()
        .map(|request| {
            assert_eq!(request.matches(MARK).count(), 1);
            request.replacen(MARK, "", 1)
        })
        .collect();
    assert_eq!(received.len(), sent.len());
    for number in 0..20 {
        assert_eq!(
            of_connection(&received, number),
            of_connection(&sent, number)
        );
    }
}

#[test]
fn a_large_body_is_sent_whole_through_a_small_window() {
    let mut capture = Capture::new();
    let mut client = capture.connect(1);
    let request = post("/large", &"y".repeat(3 << 20));
    capture.say(&mut client, &request);
    let server = Server::start();
    let flags = ["--target", &server.url(), "--speed", "max"];
    let small = [
        "--max-body",
        "64K",
        "--stream-window",
        "64K",
        "--max-memory",
        "4M",
    ];
    replay(&capture.bytes(), &[&flags[..], &small].concat()).balanced();
    assert_eq!(server.received()[0].replacen(MARK, "", 1), request);
}

#[test]
fn requests_are_sent_as_far_apart_as_they_were_captured() {
    let mut capture = Capture::new();
    let mut client = capture.connect(1);
    capture.say(&mut client, get("/first"));
    capture.wait(1_000);
    capture.say(&mut client, get("/second"));
    let file = capture.bytes();
    let server = Server::start();
    // Only that it takes no less: how much longer depends on the machine.
    for (speed, at_least) in [("4", 250), ("1", 1_000)] {
        let start = Instant::now();
        let flags = ["--target", &server.url(), "--speed", speed];
        replay(&file, &flags).balanced();
        assert!(
            start.elapsed() >= Duration::from_millis(at_least),
            "{speed}"
        );
    }
    assert_eq!(server.received().len(), 4);
}

#[test]
fn guards_filters_and_rewrites_work_as_live() {
    let mut capture = Capture::new();
    let mut client = capture.connect(1);
    capture.say(&mut client, get("/deny"));
    capture.say(
        &mut client,
        "GET /probe HTTP/1.1\r\nHost: a\r\nUser-Agent: kube-probe/1\r\n\r\n",
    );
    capture.say(&mut client, get("/send"));
    let server = Server::start();
    let flags = ["--target", &server.url(), "--print", "--deny-path", "/deny"];
    let rewrites = ["--set-host", "v2.test", "--rewrite-path", "/send=/sent"];
    let ended = replay(&capture.bytes(), &[&flags[..], &rewrites].concat()).balanced();
    assert_eq!(ended.targets(), ["/send"], "as the client sent it");
    assert_eq!(ended.count("/requests/filtered/kube-probe"), 1);
    assert_eq!(
        server.received(),
        [format!(
            "GET /sent HTTP/1.1\r\nHost: v2.test\r\naccept:  */*\r\n{MARK}\r\n"
        )]
    );
}

#[test]
fn a_target_that_is_not_there_costs_only_counters() {
    let (file, sent) = interleaved(2, 5);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ended = replay(&file, &["--target", &gone, "--speed", "max"]).balanced();
    assert_eq!(ended.count("/requests/framed"), sent.len() as u64);
    assert_eq!(ended.count("/replies/answered/2xx"), 0);
}
