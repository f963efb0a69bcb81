//! Offers to leave HTTP/1, where only the client's side is seen: what follows decides.

use mirror_core::http::{Protocol, Upgrade};

use crate::feed::{Connection, complete, every_way, lost, protocols, short};

const H2C: &str = "GET /offer HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
    HTTP2-Settings: AAEAAEAAAAIAAAAA\r\n\r\n";
const WEBSOCKET: &str =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_request_line_behind_an_offer_of_http2_shows_that_v1_declined() {
    let said = every_way(format!("{H2C}{H2C}{NEXT}").as_bytes());
    assert_eq!(short(&said), ["GET /offer", "GET /offer", "GET /next"]);
    assert_eq!(
        (lost(&said), protocols(&said)),
        (vec![], vec![Protocol::Http1])
    );
    assert_eq!(complete(&said)[0].0.upgrade, Some(Upgrade::H2c));
    let post = H2C
        .replace("GET", "POST")
        .replace("Host: a", "Content-Length: 2");
    let said = every_way(format!("{post}ab\r\nBREW /pot HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    assert_eq!(short(&said), ["POST /offer ab", "BREW /pot"]);
}

#[test]
fn the_preface_of_http2_or_anything_else_shows_that_v1_accepted() {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (next, protocol) in [
        (preface, Protocol::Http2),
        ("\0\0\u{4}", Protocol::Upgraded),
        ("x x x", Protocol::Upgraded),
        ("PRI * HT", Protocol::Upgraded),
        ("\r\nPRI * HTTP/2.0\r\n", Protocol::Upgraded),
    ] {
        let said = every_way(format!("{H2C}{next}").as_bytes());
        assert_eq!(short(&said), ["GET /offer"], "{next:?}");
        assert_eq!(protocols(&said), [Protocol::Http1, protocol], "{next:?}");
        assert_eq!(lost(&said), []);
    }
    let said = every_way(H2C.as_bytes());
    assert_eq!(protocols(&said), [Protocol::Http1], "nothing followed");
}

#[test]
fn a_request_line_in_step_behind_an_offer_of_websocket_shows_that_v1_declined() {
    let mut declined = Connection::from_start();
    declined
        .segment(WEBSOCKET, 1)
        .segment(WEBSOCKET, 90)
        .segment(NEXT, 200);
    let said = declined.close();
    assert_eq!(short(&said), ["GET /ws", "GET /ws", "GET /next"]);
    assert_eq!(protocols(&said), [Protocol::Http1]);
    // Pipelined, in a frame, or in a later one: the first bytes decide.
    for segments in [
        &[(NEXT, 1)][..],
        &[("\u{1}x", 90), (NEXT, 200)],
        &[("x", 90), (NEXT, 200)],
    ] {
        let mut accepted = Connection::from_start();
        accepted.segment(WEBSOCKET, 1);
        for (bytes, ack) in segments {
            accepted.segment(bytes, *ack);
        }
        let said = accepted.close();
        assert_eq!(short(&said), ["GET /ws"], "{segments:?}");
        assert_eq!(protocols(&said), [Protocol::Http1, Protocol::Upgraded]);
    }
}

#[test]
fn behind_other_offers_anything_may_follow() {
    let docker = WEBSOCKET.replace("websocket", "tcp");
    for offer in [&docker, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut connection = Connection::from_start();
        connection.segment(offer, 1).segment(NEXT, 90);
        let said = connection.close();
        assert_eq!(complete(&said).len(), 1);
        assert_eq!(protocols(&said), [Protocol::Http1, Protocol::Upgraded]);
    }
}
