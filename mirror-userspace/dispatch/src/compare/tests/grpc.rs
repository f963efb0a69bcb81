//! Replies in HTTP/2: their trailers, and the messages and statuses of gRPC.

use mirror_core::{
    budget::Budget,
    http::h2::{FieldList, hpack::Decoder},
};

use super::*;

const CALL: (&str, &str) = ("content-type", "application/grpc+proto");
const GZIP: (&str, &str) = ("grpc-encoding", "gzip");
const WELL: (&str, &str) = ("grpc-status", "0");

/// A reply: its fields, its body, its trailers.
struct Said<'a>(&'a [(&'a str, &'a str)], Vec<u8>, &'a [(&'a str, &'a str)]);

fn list(fields: &[(&str, &str)]) -> FieldList {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut list = FieldList::new(1 << 16);
    let mut decoder = Decoder::new(&Budget::new(1 << 16));
    decoder.decode(&block, &mut list).unwrap();
    list
}

fn keep(contents: &Contents<u32>, said: &Said<'_>) -> Box<Kept> {
    let mut kept = contents.keep(1).unwrap();
    let head = [&[(":status", "200")], said.0].concat();
    kept.handle_fields(200, &list(&head));
    said.1.chunks(3).for_each(|bytes| kept.handle_body(bytes));
    if !said.2.is_empty() {
        kept.handle_trailers(&list(said.2));
    }
    kept.complete();
    kept
}

fn both(ours: &Said<'_>, theirs: &Said<'_>) -> (Option<Judged>, NotCompared) {
    let rules = ContentRules { keep: 1, ..rules() };
    let mut contents = Contents::new(rules, false);
    contents.begin(1, "POST /a", |_| asked(b"POST /a.B/C"));
    let (ours, theirs) = (keep(&contents, ours), keep(&contents, theirs));
    contents.handle_reply(1, Part::Baseline, ours);
    let judged = contents.handle_reply(1, Part::Candidate, theirs);
    let not_compared = contents.take_not_compared();
    assert_eq!(contents.budget.used(), 0);
    (judged, not_compared)
}

fn differ(ours: &Said<'_>, theirs: &Said<'_>) -> Named {
    let (judged, not_compared) = both(ours, theirs);
    assert_eq!(not_compared.total(), 0, "{not_compared:?}");
    named(&judged.unwrap().candidate)
}

fn message(compressed: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[compressed][..], &length, bytes].concat()
}

fn messages(all: &[&str]) -> Vec<u8> {
    let all = all.iter().flat_map(|text| message(0, text.as_bytes()));
    all.collect()
}

#[test]
fn trailers_are_fields_too() {
    let said = |trailers| Said(&[("x-a", "1")], b"body".to_vec(), trailers);
    let ours = said(&[("x-sum", "7"), ("x-request-id", "1")]);
    assert_eq!(
        differ(&ours, &said(&[("x-sum", "7"), ("x-request-id", "2")])),
        []
    );
    assert_eq!(
        differ(&ours, &said(&[("x-sum", "8")])),
        one("trailer x-sum", Change::Changed)
    );
    assert_eq!(
        differ(&ours, &said(&[])),
        one("trailer x-sum", Change::Missing)
    );
}

#[test]
fn messages_are_compared_by_number_length_and_bytes() {
    let said = |all: &[&str]| Said(&[CALL], messages(all), &[WELL]);
    let ours = said(&["one", "two", ""]);
    for (theirs, wanted) in [
        (&["one", "two", ""][..], vec![]),
        (&["one", "twO", ""], one("grpc message", Change::Changed)),
        (
            &["one", "four", ""],
            one("grpc message length", Change::Changed),
        ),
        (&["one", "two"], one("grpc messages", Change::Changed)),
        (
            &["One", "two", "", "more"],
            [
                one("grpc message", Change::Changed),
                one("grpc messages", Change::Changed),
            ]
            .concat(),
        ),
    ] {
        assert_eq!(differ(&ours, &said(theirs)), wanted, "{theirs:?}");
    }
    let (judged, _) = both(&ours, &said(&["one", "twO", ""]));
    let values = judged.unwrap().kept.unwrap();
    assert_eq!(values.request, "POST /a.B/C");
    let value = values.values[0].candidate.as_deref();
    assert_eq!(value, Some("message 2, 3 bytes: others from byte 2 on"));
}

#[test]
fn compressed_messages_are_compared_without_their_encoding() {
    let plain = Said(&[CALL, GZIP], messages(&["abc", "abc"]), &[WELL]);
    let two = |level| [message(0, b"abc"), message(1, &gzip(b"abc", level))].concat();
    for level in [0, 9] {
        let packed = Said(&[CALL, GZIP], two(level), &[WELL]);
        assert_eq!(differ(&plain, &packed), []);
    }
    let broken = Said(&[CALL, GZIP], message(1, b"no gzip"), &[WELL]);
    assert_eq!(
        differ(&plain, &broken),
        one("body encoding", Change::Changed)
    );
    for unknown in [&[CALL][..], &[CALL, ("grpc-encoding", "snappy")]] {
        let (_, not_compared) = both(
            &Said(unknown, two(1), &[WELL]),
            &Said(unknown, two(9), &[WELL]),
        );
        assert_eq!(
            (not_compared.unknown_encoding, not_compared.total()),
            (1, 1)
        );
    }
    // Bombs, and more of them than are looked at.
    let bomb = Said(
        &[CALL, GZIP],
        message(1, &gzip(&vec![0; 50 << 20], 9)),
        &[WELL],
    );
    let (_, not_compared) = both(&plain, &bomb);
    assert_eq!((not_compared.too_long, not_compared.total()), (1, 1));
    let many = Said(
        &[CALL, GZIP],
        message(1, &gzip(b"", 1)).repeat(257),
        &[WELL],
    );
    let (_, not_compared) = both(&plain, &many);
    assert_eq!((not_compared.too_deep, not_compared.total()), (1, 1));
}

#[test]
fn what_is_no_message_is_said() {
    let ours = Said(&[CALL], messages(&["one"]), &[WELL]);
    for broken in [
        &b"\0\0\0\0"[..],
        b"\0\0\0\0\x04one",
        b"\x02\0\0\0\0",
        b"\0\xff\xff\xff\xff",
    ] {
        let theirs = Said(&[CALL], broken.to_vec(), &[WELL]);
        let wanted = one("body encoding", Change::Changed);
        assert_eq!(differ(&ours, &theirs), wanted, "{broken:?}");
    }
}

/// It has its status in its body, in a frame that is no message.
#[test]
fn grpc_web_is_another_protocol() {
    let web = [("content-type", "application/grpc-web+proto")];
    let end = message(0x80, b"grpc-status: 0");
    let ours = Said(&web, end.clone(), &[]);
    let theirs = Said(&web, [end, b"more".to_vec()].concat(), &[]);
    assert_eq!(differ(&ours, &ours), []);
    assert_eq!(differ(&ours, &theirs), one("body", Change::Changed));
    let contents = {
        let mut contents = Contents::new(rules(), false);
        contents.begin(1, "POST /a", |_| asked(b"POST /a.B/C"));
        contents
    };
    assert_eq!(Reply::new(&keep(&contents, &ours)).status, 200);
    let loud = ("content-type", "Application/GRPC; a=b");
    let call = Said(&[loud], Vec::new(), &[("grpc-status", "13")]);
    assert_eq!(Reply::new(&keep(&contents, &call)).status, 500);
}

#[test]
fn statuses_of_a_kind_are_named_and_those_of_others_counted_elsewhere() {
    let said = |status| Said(&[CALL], Vec::new(), status);
    let not_found = said(&[("grpc-status", "5"), ("grpc-message", "a")]);
    assert_eq!(
        differ(&not_found, &said(&[("grpc-status", "3")])),
        one("grpc-status", Change::Changed)
    );
    assert_eq!(
        differ(
            &not_found,
            &said(&[("grpc-status", "5"), ("grpc-message", "b")])
        ),
        one("trailer grpc-message", Change::Changed)
    );
    // A reply without messages may say the same in its head.
    let alone = Said(
        &[CALL, ("grpc-status", "5"), ("grpc-message", "a")],
        Vec::new(),
        &[],
    );
    assert_eq!(differ(&not_found, &alone), []);
    for other in [&[WELL][..], &[("grpc-status", "13")], &[("x", "y")]] {
        let (judged, not_compared) = both(&not_found, &said(other));
        assert!(judged.is_none() && not_compared.total() == 0, "{other:?}");
    }
}

#[test]
fn fields_that_are_none_are_not_compared() {
    let good = Said(&[("x-a", "1")], b"body".to_vec(), &[]);
    for bad in [
        &[("x-a", "1\r\nx-b: 2")][..],
        &[("x:a", "1")],
        &[("x a", "1")],
        &[("x-a", "\0")],
    ] {
        for theirs in [
            Said(bad, b"body".to_vec(), &[]),
            Said(&[("x-a", "1")], b"body".to_vec(), bad),
        ] {
            let (judged, not_compared) = both(&good, &theirs);
            assert!(judged.is_none(), "{bad:?}");
            assert_eq!((not_compared.malformed, not_compared.total()), (1, 1));
        }
    }
}
