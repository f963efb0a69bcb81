//! What v1's replies decide, where they are seen.

use mirror_core::http::{Lost, Protocol};

use crate::feed::{Connection, lost, protocols, short};

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

fn offer(what: &str) -> String {
    format!("GET /offer HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {what}\r\n\r\n")
}

/// No acknowledgement moves here: the replies alone decide.
fn said_of(first: &str, replies: &[(u16, bool)], rest: &[&str]) -> Connection {
    let mut connection = Connection::from_start();
    connection.segment(first, 1);
    for (status, closes) in replies {
        connection.reply(*status, *closes);
    }
    for segment in rest {
        connection.segment(segment, 1);
    }
    connection
}

#[test]
fn an_offer_that_v1_declined_is_an_ordinary_request() {
    let connect = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
    for (first, status) in [
        (&*offer("h2c"), 200),
        (&offer("websocket"), 426),
        (&offer("tcp"), 200),
        (connect, 405),
    ] {
        let said = said_of(first, &[(status, false)], &[NEXT]).close();
        assert_eq!(short(&said).len(), 2, "{first:?}");
        assert_eq!(protocols(&said).last(), Some(&Protocol::Http1));
        // It closes, too: nothing behind it is taken.
        let said = said_of(first, &[(status, true)], &[NEXT]).close();
        assert_eq!(short(&said).len(), 1, "{first:?}");
        assert_eq!(lost(&said).len(), 1);
    }
}

#[test]
fn what_follows_an_accepted_offer_is_no_request() {
    let connect = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
    for (first, replies) in [
        (&*offer("h2c"), &[(101, false)][..]),
        (&offer("websocket"), &[(103, false), (101, false)]),
        (&offer("tcp"), &[(101, false)]),
        (connect, &[(200, false)]),
    ] {
        let mut connection = said_of(first, replies, &[NEXT]);
        connection.segment(NEXT, 900).segment(NEXT, 999);
        let said = connection.close();
        assert_eq!(short(&said).len(), 1, "{first:?}");
        assert_eq!(protocols(&said).last(), Some(&Protocol::Upgraded));
        assert_eq!(lost(&said), []);
    }
}

#[test]
fn behind_an_accepted_offer_of_http2_its_preface_is_waited_for() {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let accepted = |pieces: &[&str]| {
        let said = said_of(&offer("h2c"), &[(101, false)], pieces).close();
        assert_eq!((short(&said).len(), lost(&said).len()), (1, 0));
        protocols(&said)
    };
    let (upgraded, http2) = (Protocol::Upgraded, Protocol::Http2);
    for cut in 1..preface.len() {
        let pieces = [&preface[..cut], &preface[cut..]];
        assert_eq!(accepted(&pieces), [Protocol::Http1, upgraded, http2]);
    }
    for other in [
        "\r\nPRI * HTTP/2.0\r\n\r\n",
        "PRI * HTTP/1.1\r\n\r\n",
        "PRI",
        NEXT,
    ] {
        let said = accepted(&[other, NEXT]);
        assert_eq!(said, [Protocol::Http1, upgraded], "{other:?}");
    }
}

#[test]
fn behind_a_reply_that_closes_nothing_is_taken() {
    for status in [200, 400, 414] {
        let said = said_of(NEXT, &[(status, true)], &[NEXT, NEXT]).close();
        assert_eq!((short(&said).len(), lost(&said).len()), (1, 1), "{status}");
    }
    // The next one has begun already.
    let mut connection = Connection::from_start();
    connection
        .segment(format!("{NEXT}GET /half"), 1)
        .reply(400, true);
    connection.segment(" HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    let said = connection.close();
    assert_eq!(
        (short(&said).len(), lost(&said)),
        (1, vec![Lost::RefusedByV1])
    );
    // An early reply to a request whose body is under way: it is the last that is taken.
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na";
    let said = said_of(post, &[(413, true)], &[&format!("b{NEXT}")]).close();
    assert_eq!((short(&said).len(), lost(&said).len()), (1, 1));
}

#[test]
fn an_odd_request_that_v1_answered_was_taken() {
    let bare = "GET /bare HTTP/1.1\r\n\r\n";
    let said = said_of(bare, &[(200, false)], &[NEXT]).close();
    assert_eq!((short(&said).len(), lost(&said)), (2, vec![]));
    let odd = NEXT.replace("Host", "X : b\r\nHost");
    let said = said_of(&odd, &[(200, false)], &[NEXT]).close();
    assert_eq!(
        (short(&said), lost(&said)),
        (vec!["GET /next".into()], vec![Lost::Malformed])
    );
    let said = said_of(bare, &[(400, true)], &[NEXT]).close();
    assert_eq!((short(&said).len(), lost(&said).len()), (1, 1));
}

const EXPECT: &str =
    "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 31\r\n\r\n";
const BODY: &str = "some thirty-one bytes of a body";

#[test]
fn a_body_that_v1_asked_for_follows() {
    for replies in [&[(100, false)][..], &[(100, false), (200, false)], &[]] {
        // Whatever it looks like.
        for body in [BODY, NEXT] {
            let said = said_of(EXPECT, replies, &[body, NEXT]).close();
            let put = format!("PUT / {}", crate::feed::text(body.as_bytes()));
            assert_eq!(short(&said), [put, "GET /next".into()], "{replies:?}");
            assert_eq!(lost(&said), []);
        }
    }
}

#[test]
fn a_body_that_v1_refused_may_follow_or_not() {
    let said = said_of(EXPECT, &[(417, false)], &[BODY, NEXT]).close();
    assert_eq!(
        (short(&said).len(), lost(&said)),
        (2, vec![]),
        "it followed all the same"
    );
    let mut connection = Connection::from_start();
    connection
        .segment(EXPECT, 1)
        .reply(417, false)
        .segment(NEXT, 90);
    connection.reply(200, false).segment(NEXT, 180);
    let said = connection.close();
    assert_eq!(short(&said), ["GET /next", "GET /next"]);
    assert_eq!(lost(&said), [Lost::RefusedByV1]);
    // A body of parts that look like requests: v1 says nothing to them.
    let mut connection = Connection::from_start();
    connection.segment(EXPECT, 1).reply(417, false);
    connection
        .segment(NEXT, 90)
        .segment(NEXT, 90)
        .segment(NEXT, 180);
    assert_eq!(short(&connection.close()).len(), 1);
}

/// v1 may have answered before it read what it takes for the body.
#[test]
fn no_reply_ends_doubt_about_a_body_that_cannot_be_followed() {
    let broken = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx";
    let mut connection = Connection::from_start();
    connection
        .segment(broken, 1)
        .reply(200, false)
        .segment(NEXT, 90);
    let said = connection.reply(200, false).segment(NEXT, 180).close();
    assert_eq!((short(&said).len(), lost(&said).len()), (0, 1));
}

#[test]
fn a_reply_proves_what_seemed_to_be_a_request() {
    let mut midway = Connection::midway();
    midway.segment(NEXT, 1);
    assert_eq!(midway.said(), []);
    midway.reply(200, false);
    assert_eq!(short(&midway.said()).len(), 1);
}
