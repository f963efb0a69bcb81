//! Each connection in one class.

use super::*;
use crate::policy::{ForwardedFor, RewriteConfig};

#[test]
fn connections_are_classed_by_what_they_carry() {
    let classes = |counters: &PipelineCounters| {
        let ConnectionCounters {
            opened,
            open,
            midstream,
            proxied: _,
            http1,
            http2,
            http2_midstream: 0,
            http2_lost: 0,
            http2_out_of_step: 0,
            tls,
            not_http,
            upgraded,
            undecided,
        } = counters.connections
        else {
            panic!("{counters:?}");
        };
        assert_eq!((opened, open, midstream), (1, 0, 0));
        [http1, http2, tls, not_http, upgraded, undecided]
    };
    for (stream, expected) in [
        (GET, [1, 0, 0, 0, 0, 0]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [0, 1, 0, 0, 0, 0]),
        ("\x16\x03\x01\x02\x00\x01", [0, 0, 1, 0, 0, 0]),
        ("SSH-2.0-OpenSSH_9.2\r\n", [0, 0, 0, 1, 0, 0]),
        (
            "GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n\x00\x01 GET /",
            [0, 0, 0, 0, 1, 0],
        ),
        ("", [0, 0, 0, 0, 0, 1]),
        ("GE", [0, 0, 0, 0, 0, 1]),
    ] {
        for by_bytes in [false, true] {
            let mut bench = Bench::new(Limits::default(), to_targets(1));
            let mut client = bench.connect(1);
            if by_bytes {
                bench.say_by_bytes(&mut client, stream);
            } else {
                bench.say(&mut client, stream);
            }
            bench.finish(&client);
            assert_eq!(bench.pipeline.connections(), 0);
            assert_eq!(classes(&bench.end().1), expected, "{stream:?}");
        }
    }
}

#[test]
fn what_follows_an_upgrade_is_not_read_as_requests() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    let upgrade = "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    bench.say(&mut client, GET.to_owned() + upgrade + GET);
    bench.say(&mut client, GET);
    let (received, counters) = bench.end();
    assert_eq!((received.len(), counters.requests), (1, 2));
    assert_eq!(counters.connections.upgraded, 1);
}

#[test]
fn a_connection_that_was_open_before_is_picked_up_at_a_request_that_is_answered() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.midstream(1);
    bench.say(&mut client, GET);
    assert_eq!(bench.received.len(), 0, "it may be a part of a body");
    bench.hear(&mut client);
    bench.say(&mut client, GET);
    assert_eq!(bench.received.len(), 2);
    let mut other = bench.midstream(2);
    bench.say(&mut other, GET);
    bench.hear(&mut other);
    bench.finish(&other);
    assert_eq!(bench.received.len(), 3, "the end acknowledges v1's answer");
    let mut third = bench.midstream(3);
    bench.say(&mut third, GET);
    bench.acknowledge(&third);
    assert_eq!(bench.received.len(), 3, "nothing new");
    bench.hear(&mut third);
    bench.acknowledge(&third);
    assert_eq!(bench.received.len(), 4, "v1 has answered");
    let (_, counters) = bench.end();
    assert_eq!(
        (counters.connections.midstream, counters.connections.http1),
        (3, 3)
    );
}

#[test]
fn a_proxy_header_is_taken_off_and_its_client_is_the_one_that_is_named() {
    let policy = PolicyConfig {
        rewrite: RewriteConfig {
            forwarded_for: ForwardedFor::Append,
            ..RewriteConfig::default()
        },
        ..to_targets(1)
    };
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([203, 0, 113, 7, 10, 0, 0, 1, 0xc8, 0x7c, 0, 80]);
    let headers = [
        b"PROXY TCP4 203.0.113.7 10.0.0.1 51324 80\r\n".to_vec(),
        v2,
        b"PROXY UNKNOWN\r\n".to_vec(),
    ];
    for (header, named) in headers
        .iter()
        .zip(["203.0.113.7", "203.0.113.7", "10.0.0.1"])
    {
        for by_bytes in [false, true] {
            let mut bench = Bench::new(Limits::default(), policy.clone());
            let mut client = bench.connect(1);
            let stream = [header, GET.as_bytes(), GET.as_bytes()].concat();
            if by_bytes {
                bench.say_by_bytes(&mut client, &stream);
            } else {
                bench.say(&mut client, &stream);
            }
            let (received, counters) = bench.end();
            assert_eq!(received.len(), 2);
            assert_eq!(
                (counters.connections.proxied, counters.connections.http1),
                (1, 1)
            );
            for copy in received {
                let copy = String::from_utf8(copy.bytes).unwrap();
                let line = format!("\r\nx-forwarded-for: {named}\r\n");
                assert!(
                    copy.starts_with("GET /") && copy.to_lowercase().contains(&line),
                    "{copy}"
                );
            }
        }
    }
}

/// A batch upload consists of requests; each of them comes in a segment of its own.
#[test]
fn parts_of_an_upload_that_was_under_way_are_no_requests() {
    for attached_before in 0..5 {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.midstream(1);
        for part in 0..10 {
            if part == attached_before + 3 {
                // Longer than a connection is remembered.
                bench.wait(std::time::Duration::from_secs(180));
            }
            if part >= attached_before {
                bench.say(&mut client, "DELETE /part HTTP/1.1\r\nHost: a\r\n\r\n");
            }
        }
        bench.hear(&mut client);
        bench.say(&mut client, GET);
        let (received, _) = bench.end();
        assert_eq!(received.len(), 1, "attached before part {attached_before}");
        assert!(received[0].bytes.starts_with(b"GET"));
    }
}

/// A connection of a pool may stand still for longer than it is followed.
#[test]
fn a_connection_that_rests_between_requests_goes_on_where_it_stopped() {
    let long = std::time::Duration::from_secs(3600);
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    for number in 1..=4 {
        // Nothing new is acknowledged: the place in the stream tells.
        bench.wait(long);
        bench.say(&mut client, GET);
        assert_eq!(bench.received.len(), number);
    }
    // Bytes were missed, or a request is under way: then it is picked up as any other.
    bench.wait(long);
    bench.lose(&mut client, 1);
    bench.say(&mut client, GET);
    assert_eq!(bench.received.len(), 4);
    let mut other = bench.connect(2);
    bench.say(&mut other, post(100));
    bench.wait(long);
    bench.say(&mut other, GET);
    bench.wait(long);
    bench.say(&mut other, GET);
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 4);
    assert_eq!(counters.lost_unseen.total(), 1, "unproven, and counted");
}

/// A batch upload whose client pauses for longer than a connection is remembered: each part looks like a request,
/// and v1 answers before the last of them.
#[test]
fn a_body_is_open_however_long_its_client_pauses() {
    let long = std::time::Duration::from_secs(3600);
    let part = "DELETE /part HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = "POST /b HTTP/1.1\r\nHost: v1\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n";
    for missed in [false, true] {
        for head in [post(3 * part.len()), chunked.to_owned()] {
            let is_chunked = head == chunked;
            let mut bench = Bench::new(Limits::default(), to_targets(1));
            let mut client = bench.connect(1);
            bench.say(&mut client, &head);
            bench.say(&mut client, part);
            bench.wait(long);
            if missed && !is_chunked {
                bench.lose(&mut client, part.len());
            } else {
                bench.say(&mut client, part);
            }
            bench.wait(long);
            bench.say(&mut client, part);
            bench.hear(&mut client);
            bench.acknowledge(&client);
            bench.say(&mut client, GET);
            bench.hear(&mut client);
            bench.say(&mut client, GET);
            let (received, counters) = bench.end();
            let all_get = received.iter().all(|copy| copy.bytes.starts_with(b"GET"));
            assert!(all_get, "{received:?}");
            assert_eq!(received.len(), 2, "{missed} {is_chunked}");
            assert_eq!(shown(&counters.targets[0].dropped), "idle 1");
        }
    }
}

/// So does one that gave way to others.
#[test]
fn a_connection_that_was_evicted_between_requests_goes_on_where_it_stopped() {
    let mut limits = Limits::default();
    limits.flow.connections = 1;
    let mut bench = Bench::new(limits, to_targets(1));
    let mut clients = [bench.connect(1), bench.connect(2)];
    for round in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            bench.say(client, GET);
            assert_eq!(bench.received.len(), 2 * round + number + 1);
        }
    }
    bench.reset(&clients[0]);
    bench.say(&mut clients[0], GET);
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 7, "v1 need not have believed the reset");
    assert_eq!(counters.lost_unseen.total(), 0);
}

/// The end of a connection, or of the mirror, is no word of v1: an upload is broken off where its client likes.
#[test]
fn what_v1_never_answered_is_no_request_however_it_ends() {
    for end in ["FIN", "shutdown", "another SYN"] {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.midstream(1);
        bench.say(&mut client, "DELETE /part HTTP/1.1\r\nHost: a\r\n\r\n");
        match end {
            "FIN" => bench.finish(&client),
            "another SYN" => {
                bench.lose(&mut client, 1 << 30);
                bench.segment(&client, flag::SYN, b"");
            }
            _ => {}
        }
        let (received, counters) = bench.end();
        assert_eq!(received.len(), 0, "{end}");
        assert_eq!(counters.lost_unseen.total(), 1, "{end}: counted");
    }
}

#[test]
fn the_counters_of_several_shards_add_up() {
    let mut sum = PipelineCounters::new(3, 1);
    for number in 1..=3 {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.connect(number);
        bench.say(&mut client, GET.to_owned() + &post(9) + "cut");
        sum += &bench.end().1;
    }
    assert_eq!((sum.requests, sum.targets[0].handed_over), (6, 3));
    assert_eq!(shown(&sum.targets[0].dropped), "shutdown 3");
    assert_eq!(sum.connections.http1, 3);
}

#[test]
fn a_proxy_header_is_sent_on_before_each_copy_where_it_is_asked_for() {
    let header = "PROXY TCP4 203.0.113.7 10.0.0.1 51324 80\r\n";
    for (asked, proxied) in [(true, true), (true, false), (false, true)] {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        if asked {
            bench.pipeline.send_proxy_headers();
        }
        let mut client = bench.connect(1);
        let before = if proxied { header } else { "" };
        bench.say(&mut client, [before, GET, GET].concat());
        let sent = asked && proxied;
        for output in &bench.held {
            let Output::Copy(copy) = output else { continue };
            assert_eq!(copy.persistence == Persistence::Alone, sent);
            let bytes = copy.pieces.concat();
            let begins = if sent { header } else { "GET " };
            assert!(bytes.starts_with(begins.as_bytes()));
            let requests = String::from_utf8(bytes).unwrap().matches("GET ").count();
            assert_eq!(requests, 1);
        }
        assert_eq!(bench.received.len(), 2);
        bench.end();
    }
}
