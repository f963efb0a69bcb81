//! What v1 refuses never reaches v2, and what it takes beside does.

use std::process::{Command, Stdio};

use lab::{Family, Host, Http2Recorder, Lab, Process, RawClient, packages, serve};

use super::{
    scene::ROOM,
    wire::{END_HEADERS, END_STREAM, block, frame, good, opening, request},
};
use crate::{
    mirror::Mirror,
    scene::{PATIENCE, target},
};

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/bad");
const AUTHORITY: (&str, &str) = (":authority", "v1.test");

struct Stage {
    mirror: Mirror,
    _v1: Process,
    v2: Http2Recorder,
    lab: Lab,
}

impl Stage {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let mut command = Command::new(packages::require("nghttpd").unwrap());
        command.args(["--no-tls", "80"]).stderr(Stdio::null());
        let v1 = serve(&lab.v1, &mut command, Host::V1.address(Family::V4, 80)).unwrap();
        let v2 = Http2Recorder::start(&lab.v2, Host::V2.address(Family::V4, 80), 100).unwrap();
        let mirror = Mirror::start(&lab, &target(Family::V4), &ROOM);
        Self {
            mirror,
            _v1: v1,
            v2,
            lab,
        }
    }

    fn connect(&self) -> RawClient {
        RawClient::connect(&self.lab.client, Host::V1.address(Family::V4, 80)).unwrap()
    }

    /// Exactly these paths came to v2.
    fn assert_paths(self, mut paths: Vec<String>) -> crate::mirror::Ledger {
        let came = self.v2.wait_for(paths.len(), PATIENCE).unwrap().len();
        assert!(came >= paths.len(), "{}", self.mirror.ask());
        let ledger = self.mirror.stop();
        let copies = self.v2.requests().unwrap();
        let copies = copies
            .iter()
            .map(|copy| copy.value(":path").unwrap_or_default());
        let mut copied: Vec<_> = copies.map(str::to_owned).collect();
        copied.sort();
        paths.sort();
        assert_eq!(copied, paths, "{ledger:?}");
        ledger
    }
}

/// RFC 9113 section 8: each is an error of its stream, and the next stream is served.
#[test]
fn malformed_requests_cost_their_stream() {
    let malformed: [&[(&str, &str)]; 12] = [
        &[METHOD, SCHEME, PATH, AUTHORITY, ("X-Upper", "1")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("connection", "close")],
        &[
            METHOD,
            SCHEME,
            PATH,
            AUTHORITY,
            ("transfer-encoding", "chunked"),
        ],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("te", "gzip")],
        &[METHOD, SCHEME, PATH, AUTHORITY, (":unknown", "1")],
        &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")],
        &[METHOD, SCHEME, AUTHORITY],
        &[METHOD, PATH, AUTHORITY],
        &[SCHEME, PATH, AUTHORITY],
        &[METHOD, METHOD, SCHEME, PATH, AUTHORITY],
        &[METHOD, SCHEME, ("x-a", "1"), PATH, AUTHORITY],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("content-length", "5")],
    ];
    let stage = Stage::new();
    let mut clients = Vec::new();
    let mut good_ones = Vec::new();
    for (n, fields) in malformed.iter().enumerate() {
        let (before, behind) = (format!("/before/{n}"), format!("/behind/{n}"));
        let mut client = stage.connect();
        let bytes = [
            opening(),
            good(1, &before),
            request(3, fields),
            good(5, &behind),
        ];
        client.write(&bytes.concat()).unwrap();
        clients.push(client);
        good_ones.extend([before, behind]);
    }
    let count = malformed.len() as u64;
    let ledger = stage.assert_paths(good_ones);
    assert_eq!(ledger.count("requests/dropped/malformed"), count);
}

/// RFC 9113 sections 4 to 6: each is an error of its connection, which v1 ends.
#[test]
fn nothing_behind_an_error_of_the_connection_is_mirrored() {
    let bad = block(&[METHOD, SCHEME, PATH, AUTHORITY]);
    let errors: Vec<(&str, Vec<u8>)> = vec![
        ("DATA on stream 0", frame(0, END_STREAM, 0, b"x")),
        (
            "HEADERS on stream 0",
            frame(1, END_HEADERS | END_STREAM, 0, &bad),
        ),
        (
            "HEADERS on an even stream",
            frame(1, END_HEADERS | END_STREAM, 4, &bad),
        ),
        (
            "a lower stream than before",
            request(1, &[METHOD, SCHEME, PATH, AUTHORITY]),
        ),
        (
            "CONTINUATION without HEADERS",
            frame(9, END_HEADERS, 5, &bad),
        ),
        (
            "a frame inside a header block",
            [frame(1, END_STREAM, 5, &bad), frame(6, 0, 0, &[0; 8])].concat(),
        ),
        (
            "an index past the table",
            frame(1, END_HEADERS | END_STREAM, 5, &[0xff, 0xff, 0x03]),
        ),
        (
            "a header block that is cut",
            frame(1, END_HEADERS | END_STREAM, 5, &bad[..bad.len() - 3]),
        ),
        ("SETTINGS of 5 bytes", frame(4, 0, 0, &[0; 5])),
        ("PING of 7 bytes", frame(6, 0, 0, &[0; 7])),
        ("WINDOW_UPDATE of 0", frame(8, 0, 0, &[0; 4])),
        ("padding longer than its frame", frame(0, 8, 3, &[9, 0, 0])),
        (
            "PUSH_PROMISE of a client",
            frame(5, END_HEADERS, 3, &[0, 0, 0, 2]),
        ),
    ];
    let stage = Stage::new();
    let mut clients = Vec::new();
    let mut good_ones = Vec::new();
    for (n, (_, error)) in errors.iter().enumerate() {
        let before = format!("/before/{n}");
        let mut client = stage.connect();
        client
            .write(&[opening(), good(3, &before)].concat())
            .unwrap();
        client
            .write(&[&error[..], &good(7, "/behind")].concat())
            .unwrap();
        clients.push(client);
        good_ones.push(before);
    }
    stage.assert_paths(good_ones);
}

/// CONNECT is a tunnel: counted, and what runs through it is not HTTP.
#[test]
fn tunnels_are_not_mirrored() {
    let stage = Stage::new();
    let mut client = stage.connect();
    let connect = block(&[(":method", "CONNECT"), (":authority", "v1.test:80")]);
    let bytes = [
        opening(),
        frame(1, END_HEADERS, 1, &connect),
        frame(0, 0, 1, &good(1, "/through")),
        good(3, "/beside"),
    ];
    client.write(&bytes.concat()).unwrap();
    let ledger = stage.assert_paths(vec!["/beside".to_owned()]);
    assert_eq!(ledger.count("requests/dropped/connect"), 1);
}
