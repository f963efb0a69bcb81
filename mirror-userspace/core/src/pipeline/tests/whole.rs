//! Requests that are complete: one copy each, byte for byte.

use super::*;
use crate::policy::{FilterConfig, Handling};

#[test]
fn a_request_without_a_body_is_one_piece() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, GET);
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 1);
    let copy = &received[0];
    assert_eq!((copy.ended, copy.parts), (Ended::Whole, 1));
    assert_eq!(copy.bytes, mirrored(GET));
    assert_eq!((counters.requests, counters.connections.http1), (1, 1));
}

#[test]
fn bodies_come_as_they_were_sent_however_they_are_cut() {
    let chunked = "POST /c HTTP/1.1\r\nHost: v1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let length = post(2_000);
    let text: String = (b'a'..=b'z').cycle().take(2_000).map(char::from).collect();
    let chunks = "7d0;note=\"x\"\r\n".to_owned() + &text + "\r\n0\r\nSum: 1\r\n\r\n";
    for (head, body) in [(&length[..], &text), (chunked, &chunks)] {
        let request = head.to_owned() + body;
        for step in [request.len(), head.len(), 700, 7, 1] {
            let mut bench = Bench::new(Limits::default(), to_targets(1));
            let mut client = bench.connect(1);
            for piece in request.as_bytes().chunks(step) {
                assert!(bench.received.is_empty(), "not before it is whole");
                bench.say(&mut client, piece);
            }
            let (received, _) = bench.end();
            assert_eq!(received.len(), 1);
            assert_eq!(
                received[0].bytes,
                [&mirrored(head), body.as_bytes()].concat()
            );
            assert!(received[0].parts < 16, "{} pieces", received[0].parts);
        }
    }
}

#[test]
fn pipelined_requests_are_copies_in_order() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let (mut one, mut other) = (bench.connect(1), bench.connect(2));
    let request = post(3) + "abc";
    let all = [GET, &request, GET].concat();
    bench.say(&mut one, &all[..40]);
    bench.say(&mut other, GET);
    bench.say(&mut one, &all[40..]);
    let (received, _) = bench.end();
    let of = |connection| {
        let copies = received
            .iter()
            .filter(move |copy| copy.connection == connection);
        copies.map(|copy| copy.bytes.clone()).collect::<Vec<_>>()
    };
    let body = [&mirrored(&post(3))[..], b"abc"].concat();
    assert_eq!(of(ConnectionId(1)), [mirrored(GET), body, mirrored(GET)]);
    assert_eq!(of(ConnectionId(2)), [mirrored(GET)]);
}

#[test]
fn every_target_gets_a_copy_with_its_own_host() {
    let mut policy = to_targets(3);
    policy.targets[1].host = Some("v2".parse().unwrap());
    let mut bench = Bench::new(Limits::default(), policy);
    let mut client = bench.connect(1);
    bench.say(&mut client, post(3) + "abc");
    let (mut received, _) = bench.end();
    received.sort_by_key(|copy| copy.target);
    let as_sent = [&mirrored(&post(3))[..], b"abc"].concat();
    let renamed = String::from_utf8(as_sent.clone()).unwrap();
    let renamed = renamed.replace("Host: v1", "Host: v2").into_bytes();
    let bytes: Vec<_> = received.iter().map(|copy| &copy.bytes).collect();
    assert_eq!(bytes, [&as_sent, &renamed, &as_sent]);
    assert_ne!(received[0].id, received[1].id);
}

#[test]
fn the_method_tells_how_the_reply_is_to_be_read() {
    let policy = PolicyConfig {
        filter: FilterConfig {
            upgrades: Handling::Mirror,
            ..FilterConfig::default()
        },
        ..to_targets(1)
    };
    let mut bench = Bench::new(Limits::default(), policy);
    let mut client = bench.connect(1);
    for head in [
        GET,
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ] {
        bench.say(&mut client, head);
    }
    let mut tunnel = bench.connect(2);
    bench.say(&mut tunnel, "CONNECT h:443 HTTP/1.1\r\n\r\n");
    let (received, _) = bench.end();
    let expected = [Expect::Body, Expect::NoBody, Expect::Tunnel, Expect::Tunnel];
    assert_eq!(
        received.iter().map(|copy| copy.expect).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn a_copy_says_whether_it_may_arrive_twice() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    let methods = "GET HEAD OPTIONS TRACE PUT DELETE POST PATCH LOCK PROPFIND get";
    for method in methods.split(' ') {
        bench.say(
            &mut client,
            format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"),
        );
    }
    let effects = bench.held.iter().map(|output| match output {
        Output::Copy(copy) => copy.effect,
        other => panic!("{other:?}"),
    });
    let expected = (0..methods.split(' ').count()).map(|number| match number {
        0..4 => Effect::Safe,
        4..6 => Effect::Idempotent,
        _ => Effect::Repeats,
    });
    assert!(effects.eq(expected), "Case counts, too.");
    bench.end();
}

#[test]
fn copies_of_one_request_share_its_key() {
    let mut bench = Bench::new(Limits::default(), to_targets(2));
    let mut client = bench.connect(1);
    bench.say(&mut client, GET.to_owned() + GET);
    let keys = bench.held.iter().map(|output| match output {
        Output::Copy(copy) => (
            copy.request.connection.0,
            copy.request.number,
            copy.target.0,
        ),
        other => panic!("{other:?}"),
    });
    let keys: Vec<_> = keys.collect();
    assert_eq!(keys, [(1, 1, 0), (1, 1, 1), (1, 2, 0), (1, 2, 1)]);
    bench.end();
}
