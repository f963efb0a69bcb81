//! Contents of replies: whatever two versions answer, comparing it stays in bounds, and says the same of both sides and
//! of any cut.
//!
//! Three bytes of choices, then for each reply the length of its body (2 bytes, big-endian) and the body.

use mirror_core::verdict::{Change, Changes};
use mirror_dispatch::{ContentRules, WholeReply, compare_replies};

use crate::input::Input;

/// Types and encodings of bodies, a line for each field.
const HEADS: [&str; 12] = [
    "",
    "content-type: application/json\r\n",
    "content-type: application/json\r\ncontent-encoding: gzip\r\n",
    "content-type: application/problem+json\r\ncontent-encoding: br\r\n",
    "content-type: application/json\r\ncontent-encoding: zstd\r\n",
    "content-type: application/json\r\ncontent-encoding: deflate, gzip\r\n",
    "content-encoding: gzip\r\n",
    "content-encoding: br\r\n",
    "content-encoding: zstd\r\n",
    "content-type: application/grpc\r\n",
    "content-type: application/grpc+json\r\ngrpc-encoding: gzip\r\ngrpc-status: 5\r\n",
    "content-type: application/grpc\r\ngrpc-encoding: deflate\r\n",
];

fn rules(choice: u8) -> ContentRules {
    let paths = |text: &str| vec![text.parse().expect("a path")];
    ContentRules {
        rate: "100%".parse().expect("a rate"),
        body: if choice & 1 == 0 { 64 << 10 } else { 100 },
        ignored_json: if choice & 2 == 0 {
            vec![]
        } else {
            paths("$.*.a")
        },
        unordered: if choice & 4 == 0 {
            vec![]
        } else {
            paths("$.b")
        },
        tolerance: if choice & 8 == 0 { 0.0 } else { 0.1 },
        keep: usize::from(choice >> 4 & 1),
        ..ContentRules::default()
    }
}

fn names(changes: &Changes) -> Vec<(&str, Change)> {
    changes.iter().collect()
}

/// What the other side sees of it.
fn other(change: Change) -> Change {
    match change {
        Change::Missing => Change::Added,
        Change::Added => Change::Missing,
        Change::Changed => Change::Changed,
    }
}

/// Compares two replies.
///
/// # Panics
///
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (Some(choice), Some(which), Some(piece)) = (input.byte(), input.byte(), input.byte())
    else {
        return;
    };
    let rules = rules(choice);
    let mut body = || {
        let len = input.u16().unwrap_or_default();
        input.take(usize::from(len))
    };
    let (first, second) = (body(), body());
    // What is left is more lines of one head.
    let head = |which: u8| HEADS[usize::from(which) % HEADS.len()].as_bytes();
    let ours = WholeReply {
        status: 200,
        head: head(which & 15),
        body: first,
    };
    let lines = [head(which >> 4), input.0].concat();
    let theirs = WholeReply {
        status: 200,
        head: &lines,
        body: second,
    };
    let piece = usize::from(piece).max(1);
    let same = compare_replies(&rules, theirs, theirs, piece);
    assert!(
        same.is_ok_and(|changes| changes.is_empty()),
        "a reply differs from itself"
    );
    let (forth, back) = (
        compare_replies(&rules, ours, theirs, usize::MAX),
        compare_replies(&rules, theirs, ours, piece),
    );
    match (&forth, &back) {
        (Ok(forth), Ok(back)) => {
            let full = forth.is_full() || back.is_full();
            let back: Vec<_> = back.iter().map(|(name, how)| (name, other(how))).collect();
            assert!(full || names(forth) == back, "{forth:?} {back:?}");
        }
        (Err(_), Err(_)) => {}
        _ => panic!("{forth:?} {back:?}"),
    }
    let in_pieces = compare_replies(&rules, ours, theirs, piece);
    assert_eq!(forth.ok(), in_pieces.ok(), "the cut matters");
}
