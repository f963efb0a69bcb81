//! Replies that are to be compared are kept, and others are not.

use mirror_core::{budget::Budget, verdict::Change};

use super::{
    super::Heard,
    rig::{Rig, frame, headers},
};
use crate::compare::{Asked, ContentRules, Contents, Judged, Kept, Part};

const OK: (&str, &str) = (":status", "200");
const CALL: (&str, &str) = ("content-type", "application/grpc");
const WELL: (&str, &str) = ("grpc-status", "0");

fn kept() -> Box<Kept> {
    Box::new(Kept::new(1 << 10, Budget::new(1 << 16).empty()))
}

/// What a target says on a stream, kept.
fn hear(pieces: &[&[u8]]) -> Box<Kept> {
    let mut rig = Rig::greeted(&[]);
    let stream = rig.give(b"head", b"");
    rig.frames();
    let turn = rig.session.turn_mut(stream).unwrap();
    turn.keep_in(Some(kept()));
    let mut kept = None;
    for piece in pieces {
        let mut bytes = *piece;
        while let Some(heard) = rig.session.hear(rig.now, &mut bytes).unwrap() {
            if heard == Heard::Over(stream) {
                let mut turn = rig.session.remove(stream).unwrap();
                kept = turn.take_kept();
                rig.copies.end(turn.job);
            }
        }
    }
    let mut kept = kept.unwrap();
    kept.complete();
    kept
}

fn judged(ours: Box<Kept>, theirs: Box<Kept>) -> Option<Judged> {
    let rules = ContentRules {
        rate: mirror_core::value::Rate::ALL,
        ..ContentRules::default()
    };
    let mut contents = Contents::new(rules, false);
    contents.begin(1, "POST /a", |_| Asked {
        line: b"POST /a"[..].into(),
        same: None,
    });
    contents.handle_reply(1, Part::Baseline, ours);
    contents.handle_reply(1, Part::Candidate, theirs)
}

fn said(x: &str, body: &[u8], trailers: &[(&str, &str)]) -> Vec<u8> {
    [
        headers(1, false, &[(":status", "103"), ("x-a", "early")]),
        headers(1, false, &[OK, CALL, ("x-a", x)]),
        frame(0, 0, 1, b""),
        frame(0, 8, 1, &[&[4][..], &body[..6], b"\0\0\0\0"].concat()),
        frame(0, 0x20, 1, &body[6..]),
        headers(1, true, trailers),
    ]
    .concat()
}

#[test]
fn a_reply_is_kept_the_same_however_it_is_split() {
    let body = b"\0\0\0\0\x04some\0\0\0\0\x02to";
    let bytes = said("1", body, &[WELL]);
    for split in 0..=bytes.len() {
        let (first, second) = bytes.split_at(split);
        let judged = judged(hear(&[&bytes]), hear(&[first, second])).unwrap();
        assert!(judged.candidate.is_empty(), "split at {split}: {judged:?}");
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert!(
        judged(hear(&[&bytes]), hear(&single))
            .unwrap()
            .candidate
            .is_empty()
    );
    let other = said(
        "2",
        b"\0\0\0\0\x04soMe\0\0\0\0\x02to",
        &[WELL, ("x-b", "3")],
    );
    let judged = judged(hear(&[&bytes]), hear(&[&other])).unwrap();
    let found: Vec<_> = judged.candidate.iter().collect();
    let wanted = [
        ("grpc message", Change::Changed),
        ("header x-a", Change::Changed),
        ("trailer x-b", Change::Added),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn padding_that_is_none_spoils_what_is_kept_and_costs_nothing_else() {
    let bytes = [
        headers(1, false, &[OK]),
        frame(0, 8, 1, &[9, 1, 2]),
        headers(1, true, &[("a", "b")]),
    ]
    .concat();
    assert!(judged(hear(&[&bytes]), hear(&[&bytes])).is_none());
}

#[test]
fn what_is_not_compared_is_not_kept() {
    let mut rig = Rig::greeted(&[]);
    let (a, b) = (rig.give(b"head", b""), rig.give(b"head", b""));
    rig.frames();
    rig.session.turn_mut(b).unwrap().keep_in(Some(kept()));
    for stream in [a, b] {
        rig.hear(&headers(stream, false, &[OK])).unwrap();
        rig.hear(&frame(0, 0, stream, b"some")).unwrap();
    }
    assert!(rig.session.is_keeping());
    assert!(rig.session.turn_mut(a).unwrap().take_kept().is_none());
    assert!(rig.session.turn_mut(b).unwrap().take_kept().is_some());
    assert!(!rig.session.is_keeping());
}
