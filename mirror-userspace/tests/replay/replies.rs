//! Captures that have both directions.

use mirror_common::record::flag;

use crate::{
    capture::{Capture, get},
    program::{Ended, replay},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn print(capture: Capture, flags: &[&str]) -> Ended {
    replay(&capture.bytes(), &[&["--print"], flags].concat()).balanced()
}

#[test]
fn the_ledger_says_how_v1_answered_and_how_fast() {
    let mut capture = Capture::new();
    for port in 1..=3 {
        let mut client = capture.connect(port);
        capture.answer(&mut client, flag::SYN, "");
        for reply in [OK, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"] {
            capture.say(&mut client, get("/"));
            capture.wait(6);
            capture.answer(&mut client, 0, reply);
        }
        capture.finish(&client);
    }
    let file = capture.bytes();
    for flags in [&[][..], &["--port", "80"]] {
        let ended = replay(&file, flags).balanced();
        assert_eq!(ended.count("/replies_of_v1/2xx"), 3);
        assert_eq!(ended.count("/replies_of_v1/4xx"), 3);
        assert_eq!(ended.count("/replies_of_v1/unseen"), 0);
        assert_eq!(ended.count("/v1_latency_us/max"), 7_000);
        assert_eq!(ended.count("/segments/from_server"), 9);
    }
}

#[test]
fn upgrades_that_v1_declined_are_ordinary_requests() {
    let offer = "GET /offer HTTP/1.1\r\nHost: v1\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                 Upgrade: other\r\n\r\n";
    for (reply, targets) in [
        (OK, &["/offer", "/next"][..]),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n\r\n",
            &["/offer"],
        ),
    ] {
        let mut capture = Capture::new();
        let mut client = capture.connect(1);
        capture.answer(&mut client, flag::SYN, "");
        capture.say(&mut client, offer);
        capture.answer(&mut client, 0, reply);
        capture.say(&mut client, get("/next"));
        capture.finish(&client);
        assert_eq!(print(capture, &[]).targets(), targets);
    }
}

#[test]
fn with_confirm_ack_only_what_v1_acknowledged_is_taken() {
    let confirmed = |flags: &[&str]| {
        let mut capture = Capture::new();
        let mut client = capture.connect(1);
        capture.answer(&mut client, flag::SYN, "");
        capture.say(&mut client, get("/1"));
        capture.answer(&mut client, 0, "");
        capture.say(&mut client, get("/2"));
        capture.answer(&mut client, 0, OK);
        capture.say(&mut client, get("/3"));
        let mut one_way = capture.connect(2);
        capture.say(&mut one_way, get("/4"));
        print(capture, flags)
    };
    assert_eq!(confirmed(&[]).targets(), ["/1", "/2", "/3", "/4"]);
    assert_eq!(confirmed(&["--confirm", "none"]).targets().len(), 4);
    let ended = confirmed(&["--confirm", "ack"]);
    assert_eq!(ended.targets(), ["/1", "/2"]);
    let bytes = 2 * get("/3").len() as u64;
    assert_eq!(ended.count("/bytes_lost/unconfirmed"), bytes);
}

#[test]
fn what_v1_never_had_is_no_request_after_a_reset() {
    let told = |acknowledged: bool| {
        let mut capture = Capture::new();
        let mut client = capture.connect(1);
        capture.answer(&mut client, flag::SYN, "");
        capture.say(&mut client, get("/1"));
        capture.answer(&mut client, 0, OK);
        capture.miss(&mut client, 90);
        capture.say(&mut client, get("/2"));
        if acknowledged {
            capture.answer(&mut client, 0, OK);
            capture.answer(&mut client, 0, OK);
        }
        capture.reset(&client);
        print(capture, &[]).count("/bytes_lost/reset")
    };
    assert_eq!(told(false), get("/2").len() as u64);
    assert_eq!(told(true), 0);
}
