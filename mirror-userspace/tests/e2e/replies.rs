//! v2 gets what v1 acknowledged, and the ledger says how v1 did.

use std::time::Duration;

use lab::{Behaviour, Family, Lab, RecordedRequest};

use crate::{
    mirror::{Mirror, podmirror},
    scene::{PATIENCE, Scene, target},
    traffic::{get, post},
};

fn targets(requests: &[RecordedRequest]) -> Vec<&str> {
    requests.iter().map(RecordedRequest::target).collect()
}

#[test]
fn each_request_arrives_once_v1_has_acknowledged_it_and_v1s_answers_are_counted() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    for n in 0..40 {
        client.write(&post(&format!("/{n}"), 100 * n)).unwrap();
        assert_eq!(client.read_reply("POST").unwrap().status, 200);
    }
    scene.v1.set_behaviour(Behaviour::Status(503));
    for n in 0..10 {
        client.write(&get(&format!("/bad/{n}"))).unwrap();
        assert_eq!(client.read_reply("GET").unwrap().status, 503);
    }
    scene.compare(50);
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("replies_of_v1/2xx"), 40);
    assert_eq!(ledger.count("replies_of_v1/5xx"), 10);
    assert_eq!(ledger.count("replies_of_v1/unseen"), 0);
    assert!(ledger.count("v1_latency_us/max") > 0);
    ledger.assert_all_answered(50);
}

/// A large upload streams as v1 acknowledges it.
#[test]
fn uploads_arrive_whole() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    for n in 0..3 {
        client.write(&post(&format!("/{n}"), 3_000_000)).unwrap();
        assert_eq!(client.read_reply("POST").unwrap().status, 200);
    }
    scene.compare(3);
    scene.mirror.stop().assert_all_answered(3);
}

/// What `curl --http2` and java.net.http's client offer with their first request, and most servers decline.
#[test]
fn an_offer_that_v1_declined_is_an_ordinary_request() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    let offer = "GET /offer HTTP/1.1\r\nHost: v1\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                 Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    client.write(offer.as_bytes()).unwrap();
    assert_eq!(client.read_reply("GET").unwrap().status, 200);
    client.write(&get("/next")).unwrap();
    assert_eq!(client.read_reply("GET").unwrap().status, 200);
    let arrived = scene.v2.wait_for(2, PATIENCE);
    assert_eq!(targets(&arrived), ["/offer", "/next"]);
    scene.mirror.stop();
}

/// The last request of a connection is confirmed by v1's own acknowledgment: it does not wait for the next.
#[test]
fn a_request_waits_for_nothing_but_v1s_acknowledgment() {
    let scene = Scene::new(&[]);
    scene
        .v1
        .set_behaviour(Behaviour::Delay(Duration::from_millis(300)));
    let mut client = scene.connect();
    client.write(&get("/alone")).unwrap();
    let arrived = scene.v2.wait_for(1, PATIENCE);
    assert_eq!(targets(&arrived), ["/alone"]);
    assert_eq!(client.read_reply("GET").unwrap().status, 200);
    scene.mirror.stop();
}

/// v1 as the baseline: what it answered, from its own replies.
#[test]
fn v1_itself_is_compared_with_v2() {
    for (behaviour, verdict, failures) in [
        (Behaviour::Status(503), "differs", 60),
        (Behaviour::Answer, "same", 0),
    ] {
        let to = target(Family::V4) + ",role=candidate";
        let compare = ["--compare", "v1", "--margin", "20%"];
        let lab = Lab::new().unwrap();
        let scene = Scene::with(lab, Family::V4, |lab| Mirror::start(lab, &to, &compare));
        scene.v2.set_behaviour(behaviour);
        let mut client = scene.connect();
        for n in 0..60 {
            client.write(&get(&format!("/users/{n}"))).unwrap();
            assert_eq!(client.read_reply("GET").unwrap().status, 200);
        }
        scene.compare(60);
        let ledger = scene.mirror.stop();
        assert_eq!(ledger.count("verdict/compared"), 60);
        assert_eq!(ledger.text("verdict/findings/0/verdict"), verdict);
        assert_eq!(ledger.count("replies/answered/5xx"), failures);
    }
}

#[test]
fn v1_is_compared_only_where_its_replies_are_captured() {
    for (flags, why) in [
        (
            &["--replies", "off", "--target", "http://v2,role=candidate"][..],
            "without --replies off",
        ),
        (&["--target", "http://v2"], "role=candidate"),
    ] {
        let command = [
            "run",
            "--interface",
            "lo",
            "--port",
            "80",
            "--compare",
            "v1",
        ];
        let ended = podmirror(command.into_iter().chain(flags.iter().copied()))
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(2));
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains(why), "{said}");
    }
}
