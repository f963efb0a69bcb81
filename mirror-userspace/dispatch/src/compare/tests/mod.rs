//! Differences are found and named, and nothing else is; whatever v2 answers stays in bounds.

mod bounds;
mod grpc;
mod repeats;

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use mirror_core::{value::Rate, verdict::Change};

use super::*;

type Named = Vec<(String, Change)>;

fn rules() -> ContentRules {
    ContentRules {
        rate: Rate::ALL,
        ..ContentRules::default()
    }
}

fn asked(line: &[u8]) -> Asked<'_> {
    Asked {
        line: line.into(),
        same: None,
    }
}

/// A reply, as it is kept when it comes in pieces.
fn kept(contents: &Contents<u32>, key: u32, text: &[u8]) -> Box<Kept> {
    let end = text.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let status = std::str::from_utf8(&text[9..12]).unwrap();
    let mut kept = contents.keep(key).unwrap();
    kept.handle_head(status.parse().unwrap(), &text[..end]);
    text[end..].chunks(100).for_each(|it| kept.handle_body(it));
    kept.complete();
    kept
}

/// What two replies come to.
fn judged(rules: ContentRules, ours: &[u8], theirs: &[u8]) -> (Option<Judged>, NotCompared) {
    let mut contents = Contents::new(rules, false);
    contents.begin(1, "GET /", |_| asked(b"GET /x?y HTTP/1.1\r\n\r\n"));
    let ours = kept(&contents, 1, ours);
    assert!(contents.handle_reply(1, Part::Baseline, ours).is_none());
    let theirs = kept(&contents, 1, theirs);
    let judged = contents.handle_reply(1, Part::Candidate, theirs);
    assert_eq!(contents.budget.used(), 0);
    (judged, contents.take_not_compared())
}

fn named(changes: &Changes) -> Named {
    changes
        .iter()
        .map(|(name, how)| (name.to_owned(), how))
        .collect()
}

fn differing(rules: ContentRules, ours: &[u8], theirs: &[u8]) -> Named {
    let (judged, not_compared) = judged(rules, ours, theirs);
    assert_eq!(not_compared.total(), 0, "{not_compared:?}");
    named(&judged.unwrap().candidate)
}

fn reply(fields: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes();
    text.extend_from_slice(body);
    text
}

fn json(body: &str) -> Vec<u8> {
    reply("content-type: application/json\r\n", body.as_bytes())
}

fn gzip(body: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn one(name: &str, change: Change) -> Named {
    vec![(name.to_owned(), change)]
}

#[test]
fn fields_that_differ_are_named_and_those_that_always_do_are_not() {
    let ours = reply(
        "Date: 1\r\nX-Total: 7\r\nVary: a\r\nvary: b\r\nX-Request-Id: 1\r\n",
        b"",
    );
    for (theirs, wanted) in [
        (
            "date: 2\r\nx-total:7 \r\nVARY: a, b\r\nx-request-id: 9\r\n",
            vec![],
        ),
        ("vary: a, b\r\n", one("header x-total", Change::Missing)),
        (
            "x-total: 8\r\nvary: a, b\r\n",
            one("header x-total", Change::Changed),
        ),
        (
            "x-total: 7\r\nvary: a, b\r\nx-new: 1\r\n",
            one("header x-new", Change::Added),
        ),
        (
            "x-total: 7\r\nvary: b, a\r\n",
            one("header vary", Change::Changed),
        ),
    ] {
        assert_eq!(
            differing(rules(), &ours, &reply(theirs, b"")),
            wanted,
            "{theirs}"
        );
    }
    let ignoring = ContentRules {
        ignored_headers: vec!["X-Total".parse().unwrap()],
        ..rules()
    };
    assert_eq!(
        differing(ignoring, &ours, &reply("vary: a, b\r\n", b"")),
        []
    );
}

#[test]
fn json_is_compared_path_by_path() {
    let ours =
        r#"{"id":7,"user":{"name":"a"},"items":[{"price":1.5},{"price":2}],"tags":["x","y"]}"#;
    for (theirs, wanted) in [
        // Order of members and white space.
        (
            r#"{ "tags":["x","y"],"user":{"name":"a"},"items":[{"price":1.5},{"price":2.0}],"id":7}"#,
            vec![],
        ),
        (
            r#"{"id":8,"user":{"name":"a"},"items":[{"price":1.5},{"price":2}],"tags":["x","y"]}"#,
            one("json $.id", Change::Changed),
        ),
        (
            r#"{"id":7,"user":{"nick":"a"},"items":[{"price":1.5},{"price":2}],"tags":["x","y"]}"#,
            vec![
                ("json $.user.name".into(), Change::Missing),
                ("json $.user.nick".into(), Change::Added),
            ],
        ),
        (
            r#"{"id":7,"user":{"name":"a"},"items":[{"price":1.5},{"price":3}],"tags":["x","y"]}"#,
            one("json $.items[].price", Change::Changed),
        ),
        (
            r#"{"id":7,"user":{"name":"a"},"items":[{"price":2},{"price":1.5}],"tags":["x","y"]}"#,
            one("json $.items[] order", Change::Changed),
        ),
        (
            r#"{"id":7,"user":{"name":"a"},"items":[{"price":1.5}],"tags":["x","y"]}"#,
            one("json $.items[]", Change::Missing),
        ),
        (
            r#"{"id":7,"user":{"name":"a"},"items":[{"price":1.5},{"price":2}],"tags":["y","x"]}"#,
            one("json $.tags[] order", Change::Changed),
        ),
        (
            r#"{"id":"7","user":{"name":"a"},"items":[{"price":1.5},{"price":2}],"tags":["x","y"]}"#,
            one("json $.id", Change::Changed),
        ),
        ("no json", one("body", Change::Changed)),
        ("", one("body", Change::Missing)),
    ] {
        assert_eq!(
            differing(rules(), &json(ours), &json(theirs)),
            wanted,
            "{theirs}"
        );
    }
}

#[test]
fn what_does_not_matter_in_json_can_be_said() {
    let ours = json(r#"{"at":1,"tags":["x","y","z"],"load":0.100,"a b":{"t":1}}"#);
    let theirs = json(r#"{"at":2,"tags":["z","x","y"],"load":0.1009,"a b":{"t":2}}"#);
    assert_eq!(differing(rules(), &ours, &theirs).len(), 4);
    let lenient = ContentRules {
        ignored_json: vec!["$.at".parse().unwrap(), "$.*.t".parse().unwrap()],
        unordered: vec!["$.tags".parse().unwrap()],
        tolerance: 0.01,
        ..rules()
    };
    assert_eq!(differing(lenient.clone(), &ours, &theirs), []);
    let theirs = json(r#"{"tags":["z","x","w"],"load":0.102,"a b":{}}"#);
    let wanted = vec![
        ("json $.load".to_owned(), Change::Changed),
        ("json $.tags[]".to_owned(), Change::Changed),
    ];
    assert_eq!(differing(lenient, &ours, &theirs), wanted);
    let strange = differing(rules(), &json(r#"{"a.b\n":1}"#), &json("{}"));
    assert_eq!(strange, one(r#"json $["a.b\n"]"#, Change::Missing));
}

#[test]
fn encodings_are_taken_off() {
    let text = br#"{"id":7,"text":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
    let encoded = |encoding: &str, body: &[u8]| {
        reply(
            &format!("content-type: application/json\r\ncontent-encoding: {encoding}\r\n"),
            body,
        )
    };
    let ours = encoded("gzip", &gzip(text, 1));
    assert_eq!(
        differing(rules(), &ours, &encoded("gzip", &gzip(text, 9))),
        []
    );
    // Not what it says.
    let theirs = encoded("gzip", text);
    assert_eq!(
        differing(rules(), &ours, &theirs),
        one("body encoding", Change::Changed)
    );
    let mut cut = gzip(text, 1);
    cut.truncate(20);
    assert_eq!(
        differing(rules(), &ours, &encoded("gzip", &cut)),
        one("body encoding", Change::Changed)
    );
    // Of brotli (RFC 7932 section 9.2), an uncompressed block; of zstd, a raw one.
    let brotli = [&[0x8b, 0x01, 0x80][..], b"{\"a\"", &[0x03]].concat();
    let zstd = [
        &[0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x04, 0x21, 0, 0][..],
        b"[12]",
    ]
    .concat();
    for (encoding, body, plain) in [("br", brotli, "{\"a\""), ("zstd", zstd, "[12]")] {
        let decoded = body::Body::read(
            &kept(&begun(), 1, &reply("", &body)),
            &head::Head::new(format!("content-encoding: {encoding}\r\n").as_bytes()),
            &rules(),
        );
        let body::Body::Bytes(decoded) = decoded else {
            panic!("{encoding}: {decoded:?}");
        };
        assert_eq!(decoded, plain.as_bytes(), "{encoding}");
    }
    let (_, not_compared) = judged(rules(), &encoded("lzw", b"a"), &encoded("lzw", b"b"));
    assert_eq!(
        (not_compared.unknown_encoding, not_compared.total()),
        (1, 1)
    );
}

fn begun() -> Contents<u32> {
    let mut contents = Contents::new(rules(), false);
    contents.begin(1, "GET /", |_| asked(b""));
    contents
}

/// Bodies are compared as far as they are kept, and then by size and hash.
#[test]
fn long_bodies_are_compared_by_size_and_hash() {
    let short = ContentRules {
        body: 1_000,
        ..rules()
    };
    let (ours, mut theirs) = (reply("", &[b'a'; 5_000]), reply("", &[b'a'; 5_000]));
    assert_eq!(differing(short.clone(), &ours, &theirs), []);
    *theirs.last_mut().unwrap() = b'b';
    assert_eq!(
        differing(short.clone(), &ours, &theirs),
        one("body", Change::Changed)
    );
    let theirs = reply("", &[b'a'; 5_001]);
    assert_eq!(
        differing(short.clone(), &ours, &theirs),
        one("body", Change::Changed)
    );
    // Members of JSON may be in another order.
    let long = |first: &str| json(&format!("{{{first}:\"{}\"}}", "x".repeat(2_000)));
    let (_, not_compared) = judged(short, &long("\"a\""), &long("\"b\""));
    assert_eq!((not_compared.too_long, not_compared.total()), (1, 1));
    let heads = ContentRules { body: 0, ..rules() };
    assert_eq!(differing(heads, &reply("", b"a"), &reply("", b"b")), []);
}

#[test]
fn a_second_baseline_tells_what_differs_by_itself() {
    let mut contents = Contents::new(ContentRules { keep: 5, ..rules() }, true);
    contents.begin(1, "GET /", |_| asked(b"GET /x HTTP/1.1\r\n\r\n"));
    let texts = [r#"{"t":1,"n":1}"#, r#"{"t":2,"n":1}"#, r#"{"t":3,"n":2}"#].map(json);
    let [ours, again, theirs] = texts.map(|text| kept(&contents, 1, &text));
    assert!(contents.handle_reply(1, Part::Candidate, theirs).is_none());
    assert!(contents.handle_reply(1, Part::Baseline, ours).is_none());
    let judged = contents.handle_reply(1, Part::Second, again).unwrap();
    assert_eq!(
        named(&judged.second.unwrap()),
        one("json $.t", Change::Changed)
    );
    assert_eq!(judged.candidate.iter().count(), 2);
    let kept = judged.kept.unwrap();
    assert_eq!((kept.request.as_str(), kept.values.len()), ("GET /x", 1));
    let values = &kept.values[0];
    let shown = (
        values.field.as_str(),
        values.baseline.as_deref(),
        values.candidate.as_deref(),
    );
    assert_eq!(shown, ("json $.n", Some("1"), Some("2")));
}

#[test]
fn values_are_redacted_by_name() {
    let rules = ContentRules {
        keep: 1,
        redacted: vec!["x-key".parse().unwrap(), "secret".parse().unwrap()],
        ..rules()
    };
    let text = |value: &str| {
        let fields = format!("X-Key: {value}\r\ncontent-type: application/json\r\n");
        reply(
            &fields,
            format!(r#"{{"secret":{{"of":"{value}"}}}}"#).as_bytes(),
        )
    };
    let (judged, _) = judged(rules, &text("hunter1"), &text("hunter2"));
    let shown = format!("{:?}", judged.unwrap().kept.unwrap());
    assert!(
        shown.contains("redacted") && !shown.contains("hunter"),
        "{shown}"
    );
}

#[test]
fn another_status_is_told_alone_and_a_failure_not_at_all() {
    let status = |status: u16| format!("HTTP/1.1 {status} X\r\na: {status}\r\n\r\nbody {status}");
    let judge = |theirs| judged(rules(), status(200).as_bytes(), status(theirs).as_bytes());
    let (redirect, _) = judge(302);
    assert_eq!(
        named(&redirect.unwrap().candidate),
        one("status", Change::Changed)
    );
    for theirs in [404, 500] {
        let (judged, not_compared) = judge(theirs);
        assert_eq!((judged, not_compared.total()), (None, 0), "{theirs}");
    }
}

#[test]
fn a_failure_of_one_alone_is_kept_with_both_statuses() {
    let status = |status: u16| format!("HTTP/1.1 {status} X\r\n\r\n");
    let unlike = |keep, theirs| {
        let mut contents = Contents::new(ContentRules { keep, ..rules() }, false);
        contents.begin(1, "GET /", |_| asked(b"GET /x?y HTTP/1.1\r\n\r\n"));
        for (part, status) in [(Part::Baseline, status(200)), (Part::Candidate, theirs)] {
            let kept = kept(&contents, 1, status.as_bytes());
            assert!(contents.handle_reply(1, part, kept).is_none());
        }
        let unlike = contents.take_unlike();
        assert!(contents.take_unlike().is_none());
        unlike
    };
    let kept = unlike(1, status(503)).unwrap();
    assert_eq!(
        (kept.group.as_str(), kept.request.as_str()),
        ("GET /", "GET /x?y")
    );
    let values = &kept.values[0];
    let shown = (values.baseline.as_deref(), values.candidate.as_deref());
    assert_eq!(
        (values.field.as_str(), shown),
        ("status", (Some("200"), Some("503")))
    );
    assert!(unlike(0, status(503)).is_none());
}
