//! What is written of copies.

use mirror_core::{http::h2::frame::Kind, pipeline::Rest};

use super::rig::{Frame, Rig, block, settings};

const HEAD: &[u8] = b"head";

fn sketch(frames: &[Frame]) -> Vec<(Kind, u8, u32, usize)> {
    let of = |frame: &Frame| (frame.kind, frame.flags, frame.stream, frame.payload.len());
    frames.iter().map(of).collect()
}

#[test]
fn nothing_is_sent_before_the_target_has_shown_that_it_speaks_http2() {
    let mut rig = Rig::new();
    rig.give(HEAD, b"");
    assert!(rig.written().is_empty() && rig.begun.is_empty());
    rig.hear(&settings(&[])).unwrap();
    let frames = rig.frames();
    assert_eq!(
        sketch(&frames),
        [(Kind::Settings, 1, 0, 0), (Kind::Headers, 5, 1, 4)]
    );
    assert_eq!(rig.begun, [0]);
}

#[test]
fn header_blocks_bodies_and_trailers_are_framed_as_they_came() {
    let mut rig = Rig::greeted(&[]);
    let trailers = block(&[("a", "b")]);
    rig.give(HEAD, b"");
    rig.give(HEAD, b"body");
    rig.push(HEAD, b"body", Some(&trailers), Rest::Complete);
    rig.push(HEAD, b"", Some(&trailers), Rest::Complete);
    let frames = rig.frames();
    assert_eq!(
        sketch(&frames),
        [
            (Kind::Headers, 5, 1, 4),
            (Kind::Headers, 4, 3, 4),
            (Kind::Headers, 4, 5, 4),
            (Kind::Headers, 4, 7, 4),
            (Kind::Data, 1, 3, 4),
            (Kind::Data, 0, 5, 4),
            (Kind::Headers, 5, 7, trailers.len()),
            (Kind::Headers, 5, 5, trailers.len()),
        ]
    );
    assert_eq!(
        (&frames[0].payload[..], &frames[4].payload[..]),
        (HEAD, &b"body"[..])
    );
    assert_eq!(frames[7].payload, trailers);
    assert_eq!(rig.budget.used(), 0, "what is written is not kept");
}

#[test]
fn a_long_header_block_goes_on_in_continuations() {
    let mut rig = Rig::greeted(&[]);
    let head: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    rig.give(&head, b"");
    rig.give(&head[..16_384], b"x");
    let frames = rig.frames();
    assert_eq!(
        sketch(&frames),
        [
            (Kind::Headers, 1, 1, 16_384),
            (Kind::Continuation, 0, 1, 16_384),
            (Kind::Continuation, 4, 1, 40_000 - 2 * 16_384),
            (Kind::Headers, 4, 3, 16_384),
            (Kind::Data, 1, 3, 1),
        ]
    );
    let block: Vec<_> = frames[..3]
        .iter()
        .flat_map(|it| it.payload.clone())
        .collect();
    assert!(block == head);
}

#[test]
fn a_streamed_copy_is_sent_as_it_comes() {
    let mut rig = Rig::greeted(&[]);
    let stream = rig.push(HEAD, b"", None, Rest::Streamed);
    assert_eq!(sketch(&rig.frames()), [(Kind::Headers, 4, 1, 4)]);
    assert!(rig.copies.are_written(), "all that there is");
    rig.chunk(0, stream, b"abc");
    assert!(!rig.copies.are_written());
    assert_eq!(sketch(&rig.frames()), [(Kind::Data, 0, 1, 3)]);
    assert!(rig.written().is_empty());
    rig.chunk(0, stream, b"de");
    rig.chunk(0, stream, b"f");
    rig.finish(0, stream, None);
    assert_eq!(sketch(&rig.frames()), [(Kind::Data, 1, 1, 3)]);
    let stream = rig.push(HEAD, b"", None, Rest::Streamed);
    rig.frames();
    rig.finish(1, stream, None);
    assert_eq!(sketch(&rig.frames()), [(Kind::Data, 1, 3, 0)]);
    let stream = rig.push(HEAD, b"x", None, Rest::Streamed);
    rig.finish(2, stream, Some(b"trailers"));
    let frames = rig.frames();
    assert_eq!(
        sketch(&frames)[1..],
        [(Kind::Data, 0, 5, 1), (Kind::Headers, 5, 5, 8)]
    );
    assert_eq!(rig.budget.used(), 0);
}

#[test]
fn as_many_streams_are_open_as_the_target_allows() {
    let mut rig = Rig::greeted(&[(3, 2)]);
    assert!(rig.session.has_room());
    for _ in 0..3 {
        rig.give(HEAD, b"");
    }
    assert!(!rig.session.has_room());
    assert_eq!(rig.frames().len(), 2);
    rig.hear(&super::rig::headers(3, true, &[(":status", "200")]))
        .unwrap();
    assert_eq!(sketch(&rig.frames()), [(Kind::Headers, 5, 5, 4)]);
    assert!(!rig.session.has_room());
    rig.hear(&settings(&[(3, 1_000_000)])).unwrap();
    let room = std::iter::from_fn(|| rig.session.has_room().then(|| rig.give(HEAD, b"")));
    assert_eq!(room.count(), 254, "we have a limit of our own");
}

#[test]
fn what_is_cancelled_is_reset_if_it_was_opened() {
    let mut rig = Rig::greeted(&[(3, 1)]);
    let (open, waits) = (rig.give(HEAD, b""), rig.give(HEAD, b""));
    rig.frames();
    for stream in [waits, open] {
        let turn = rig.session.cancel(stream).unwrap();
        rig.copies.end(turn.job);
    }
    let frames = rig.frames();
    assert_eq!(sketch(&frames), [(Kind::Reset, 0, 1, 4)]);
    assert_eq!(frames[0].payload, [0, 0, 0, 8]);
    assert!(rig.session.is_empty() && rig.copies.are_written());
    assert_eq!(rig.give(HEAD, b""), 5);
    assert_eq!(sketch(&rig.frames()), [(Kind::Headers, 5, 5, 4)]);
}
