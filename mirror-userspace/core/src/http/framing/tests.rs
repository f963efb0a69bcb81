//! One table for each item of RFC 9112 section 6.3.

use super::*;
use Lost::{Ambiguous, Malformed};

fn decide_of(method: &str, version: Version, fields: &[(&str, &str)]) -> Result<Decision, Lost> {
    let fields = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    decide(method.as_bytes(), version, fields).map_err(|refusal| refusal.why)
}

fn framing(fields: &[(&str, &str)]) -> Result<Framing, Lost> {
    decide_of("POST", Version::Http11, fields).map(|decision| decision.framing)
}

#[test]
fn item_2_connect_is_followed_by_a_tunnel_and_has_no_content() {
    let connect = |fields: &[_]| decide_of("CONNECT", Version::Http10, fields);
    let tunnel = |framing| {
        Ok(Decision {
            framing,
            after: After::Offer(Upgrade::Connect),
            persistent: false,
        })
    };
    assert_eq!(connect(&[]), tunnel(Framing::None));
    assert_eq!(
        connect(&[("Content-Length", "0")]),
        tunnel(Framing::Length(0))
    );
    assert_eq!(connect(&[("Content-Length", "1")]), Err(Ambiguous));
    let chunked = [("Transfer-Encoding", "chunked")];
    assert_eq!(
        decide_of("CONNECT", Version::Http11, &chunked),
        Err(Ambiguous)
    );
}

#[test]
fn item_3_both_a_coding_and_a_length_is_ambiguous() {
    for (coding, length) in [
        ("chunked", "5"),
        ("identity", "0"),
        ("", "5"),
        ("chunked", ""),
    ] {
        let both = [("Content-Length", length), ("Transfer-Encoding", coding)];
        assert_eq!(framing(&both), Err(Ambiguous), "{both:?}");
        let [length, coding] = both;
        assert_eq!(framing(&[coding, length]), Err(Ambiguous));
        assert_eq!(framing(&[length, length, coding, coding]), Err(Ambiguous));
    }
}

#[test]
fn item_4_chunked_must_be_the_last_coding() {
    for value in [
        "chunked",
        "Chunked",
        "CHUNKED",
        "gzip, chunked",
        "deflate,chunked",
        "x-gzip ,\tchunked",
    ] {
        let fields = [("transfer-ENCODING", value)];
        assert_eq!(framing(&fields), Ok(Framing::Chunked), "{value:?}");
    }
    for value in [
        "",
        "gzip",
        "identity",
        "identity, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked, identity",
        ",chunked",
        "chunked,",
        "chunked;q=1",
        "\"chunked\"",
        "'chunked'",
        "xchunked",
        "chunkedx",
        "chunked chunked",
        "chunked\u{b}",
        "\u{a0}chunked",
        "cow, chunked",
    ] {
        let fields = [("Transfer-Encoding", value)];
        assert_eq!(framing(&fields), Err(Ambiguous), "{value:?}");
    }
    let chunked = ("Transfer-Encoding", "chunked");
    assert_eq!(framing(&[chunked, chunked]), Err(Ambiguous));
    let gzip = ("Transfer-Encoding", "gzip");
    assert_eq!(framing(&[gzip, chunked]), Err(Ambiguous), "one line only");
    assert_eq!(
        decide_of("POST", Version::Http10, &[chunked]),
        Err(Ambiguous),
        "section 6.1"
    );
    assert_eq!(framing(&[("Transfer_Encoding", "chunked")]), Err(Ambiguous));
}

#[test]
fn item_5_an_invalid_length_is_ambiguous() {
    for value in [
        "",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "5,5",
        "5, 5",
        "5;",
        "5.0",
        "five",
        "1_0",
        "\u{0665}",
        "9223372036854775808",
        "18446744073709551616",
        "100000000000000000000000000",
    ] {
        let fields = [("Content-Length", value)];
        assert_eq!(framing(&fields), Err(Ambiguous), "{value:?}");
    }
    let five = ("Content-Length", "5");
    assert_eq!(framing(&[five, ("content-length", "6")]), Err(Ambiguous));
    assert_eq!(framing(&[five, five]), Err(Ambiguous), "equal ones too");
    assert_eq!(framing(&[five, ("Content-Length", "")]), Err(Ambiguous));
    assert_eq!(framing(&[("Content_Length", "5")]), Err(Ambiguous));
}

#[test]
fn item_6_a_valid_length_counts_octets() {
    for (value, length) in [
        ("0", 0),
        ("5", 5),
        ("007", 7),
        ("0000000000000000000000000000010", 10),
        ("9223372036854775807", i64::MAX.cast_unsigned()),
    ] {
        let fields = [("content-LENGTH", value)];
        assert_eq!(framing(&fields), Ok(Framing::Length(length)), "{value:?}");
    }
}

#[test]
fn item_7_without_either_there_is_no_body() {
    let others = [("Host", "a"), ("Content-Type", "x"), ("TE", "chunked")];
    assert_eq!(framing(&others), Ok(Framing::None));
    assert_eq!(
        framing(&[]),
        Ok(Framing::None),
        "a missing Host is v1's to refuse"
    );
}

#[test]
fn more_than_one_host_is_malformed() {
    let host = ("Host", "a");
    assert_eq!(framing(&[host]), Ok(Framing::None));
    assert_eq!(framing(&[host, ("HOST", "b")]), Err(Malformed));
    assert_eq!(framing(&[host, host]), Err(Malformed));
}

#[test]
fn what_follows_is_decided_by_connection_options() {
    let after_in = |version, fields: &[_]| {
        let fields: Vec<_> = fields.iter().chain([&("Host", "a")]).copied().collect();
        decide_of("GET", version, &fields)
            .map(|decision| decision.after)
            .unwrap()
    };
    let after = |fields: &[_]| after_in(Version::Http11, fields);
    let websocket = ("Upgrade", "websocket");
    assert_eq!(after(&[]), After::Request);
    assert_eq!(after(&[websocket]), After::Request, "no option, no upgrade");
    assert_eq!(after(&[("Connection", "upgrade")]), After::Request);
    let options = ("Connection", "keep-alive, Upgrade");
    let offer = |fields: &[_]| match after(fields) {
        After::Offer(upgrade) => upgrade,
        other => panic!("{other:?}"),
    };
    assert_eq!(offer(&[options, websocket]), Upgrade::WebSocket);
    let split = [websocket, ("Connection", "a"), ("connection", "upgrade")];
    assert_eq!(offer(&split), Upgrade::WebSocket);
    assert_eq!(offer(&[options, ("Upgrade", "H2C")]), Upgrade::H2c);
    assert_eq!(offer(&[options, ("Upgrade", "h2c, x")]), Upgrade::Other);
    assert_eq!(offer(&[options, websocket, websocket]), Upgrade::Other);
    assert_eq!(after(&[("Connection", "close")]), After::Close);
    assert_eq!(after(&[("Connection", "x ,CLOSE\t")]), After::Close);
    assert_eq!(after(&[("Connection", "closed")]), After::Request);
    let both = [("Connection", "close, upgrade"), websocket];
    assert_eq!(offer(&both), Upgrade::WebSocket);
    let if_kept = After::IfTaken { counted: false };
    assert_eq!(after_in(Version::Http10, &[]), if_kept, "section 9.3");
    let kept = [("Connection", "keep-alive")];
    assert_eq!(after_in(Version::Http10, &kept), After::Request);
}

#[test]
fn what_every_server_must_refuse_is_followed_by_nothing_unproven() {
    let decision = decide_of("GET", Version::Http11, &[]).unwrap();
    assert_eq!(decision.after, After::IfTaken { counted: false }, "no Host");
    let certain = |fields: &[(&str, &str)]| {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        decide(b"POST", Version::Http11, fields).unwrap_err().extent
    };
    let after = After::IfTaken { counted: true };
    let host = ("Host", "a");
    let length = ("Content-Length", "5");
    assert_eq!(
        certain(&[host, host, length]),
        Extent::Certain(Framing::Length(5), after)
    );
    assert_eq!(
        certain(&[host, ("Content_Length", "5")]),
        Extent::Certain(Framing::None, after)
    );
}

#[test]
fn a_doubtful_body_ends_behind_all_its_readings() {
    let readings = |fields: &[(&str, &str)]| {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        match decide(b"POST", Version::Http11, fields).unwrap_err().extent {
            Extent::Doubtful(readings) => (readings.length, readings.chunked),
            certain => panic!("{certain:?}"),
        }
    };
    let chunked = ("Transfer-Encoding", "chunked");
    let length = |value| ("Content-Length", value);
    assert_eq!(readings(&[chunked, length("5")]), (5, true));
    assert_eq!(readings(&[chunked, chunked]), (0, true));
    assert_eq!(readings(&[("Transfer-Encoding", "x")]), (0, true));
    assert_eq!(
        readings(&[length("5"), length("7"), length("6")]),
        (7, false)
    );
    for (value, at_least) in [
        ("5, 6", 56),
        ("+31", 31),
        ("0x1f", 31),
        ("1_0", 10),
        ("31a", 31),
        ("9223372036854775808", u64::MAX),
    ] {
        assert!(readings(&[length(value)]).0 >= at_least, "{value:?}");
    }
}

#[test]
fn the_connection_persists_unless_a_side_says_otherwise() {
    let persists = |version, fields: &[_]| {
        decide_of("GET", version, fields).map(|decision| decision.persistent)
    };
    for (version, options, expected) in [
        (Version::Http11, "", true),
        (Version::Http11, "foo, Close", false),
        (Version::Http11, "keep-alive, close", false),
        (Version::Http10, "", false),
        (Version::Http10, "Keep-Alive", true),
        (Version::Http10, "keep-alive, close", false),
    ] {
        assert_eq!(
            persists(version, &[("Connection", options)]),
            Ok(expected),
            "{version:?} {options:?}"
        );
    }
}
