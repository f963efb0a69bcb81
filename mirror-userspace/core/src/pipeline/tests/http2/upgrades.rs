//! HTTP/2 behind a request of HTTP/1 that asked for it (RFC 7540 section 3.2), and behind a PROXY header.

use super::*;

pub(super) const OFFER: &str = "GET /offer HTTP/1.1\r\nHost: v1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
    HTTP2-Settings: AAEAAEAAAAIAAAAA\r\n\r\n";
const OFFERED: &str = "GET /offer HTTP/1.1\r\nHost: v1\r\n\r\n";

#[test]
fn the_request_that_asked_is_mirrored_once_and_streams_follow() {
    for before in [0, 2] {
        let requests = GET.repeat(before) + OFFER;
        let stream = [
            requests.as_bytes(),
            &opening(),
            &headers(3, CALL, false),
            &data(3, "abc", true),
        ]
        .concat();
        for step in [1, 7, stream.len()] {
            let mut bench = Bench::new(Limits::default(), to_targets(1));
            let mut client = bench.connect(1);
            for piece in stream.chunks(step) {
                bench.say(&mut client, piece);
            }
            let ledger = books(&bench.pipeline);
            assert!(ledger.balances(), "{ledger}");
            let (received, counters) = bench.end();
            assert_eq!(received.len(), before + 2);
            assert_eq!(received[before].bytes, mirrored(OFFERED));
            let number = u32::try_from(before).unwrap();
            assert_eq!(received[before].number, number + 1);
            // Numbers are used once on a connection.
            assert_eq!(
                copied(&received[before + 1]),
                whole(number + 3, CALL, "abc")
            );
            assert_eq!(
                (counters.connections.http2, counters.http2_requests),
                (1, 1)
            );
            assert_eq!(counters.not_followed, NotFollowedBy::default());
        }
    }
}

#[test]
fn an_offer_that_is_declined_leaves_http1() {
    let mut bench = Bench::new(Limits::default(), to_targets(1));
    let mut client = bench.connect(1);
    bench.say(&mut client, OFFER);
    bench.say(&mut client, GET);
    let (received, counters) = bench.end();
    assert_eq!(received.len(), 2);
    assert_eq!(counters.connections.http1, 1);
}

#[test]
fn nothing_may_come_before_the_preface() {
    for (stream, class) in [
        ("\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not_http"),
        (&format!("{OFFER}\r\nPRI * HTTP/2.0\r\n\r\n"), "upgraded"),
    ] {
        let mut bench = Bench::new(Limits::default(), to_targets(1));
        let mut client = bench.connect(1);
        bench.say(&mut client, stream);
        let (_, counters) = bench.end();
        let connections = counters.connections;
        let found = (
            connections.not_http,
            connections.upgraded,
            connections.http2,
        );
        let expected = if class == "upgraded" {
            (0, 1, 0)
        } else {
            (1, 0, 0)
        };
        assert_eq!(found, expected, "{stream:?}");
    }
}

#[test]
fn a_proxy_header_names_the_client() {
    let policy = PolicyConfig {
        rewrite: crate::policy::RewriteConfig {
            forwarded_for: crate::policy::ForwardedFor::Append,
            ..Default::default()
        },
        ..to_targets(1)
    };
    let mut bench = Bench::new(Limits::default(), policy);
    let mut client = bench.connect(1);
    let header = b"PROXY TCP4 203.0.113.7 10.0.0.1 51324 80\r\n";
    let stream = [&header[..], &opening(), &headers(1, GET_A, true)].concat();
    bench.say_by_bytes(&mut client, stream);
    let (received, _) = bench.end();
    let fields = copied(&received[0]).fields;
    let named = ("x-forwarded-for".to_owned(), "203.0.113.7".to_owned());
    assert!(fields.contains(&named), "{fields:?}");
}
