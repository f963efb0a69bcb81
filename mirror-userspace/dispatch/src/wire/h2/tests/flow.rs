//! Flow control (RFC 9113 sections 5.2 and 6.9).

use std::time::Duration;

use mirror_core::{http::h2::frame::Kind, pipeline::Rest};

use super::{
    super::{Fault, Heard, Lost},
    rig::{Frame, Rig, settings, window},
};

const HEAD: &[u8] = b"head";

/// Bytes of body in these frames, by stream.
fn bodies(frames: &[Frame], stream: u32) -> usize {
    let data = frames
        .iter()
        .filter(|it| it.kind == Kind::Data && it.stream == stream);
    data.map(|frame| frame.payload.len()).sum()
}

#[test]
fn a_stream_without_a_window_holds_up_nobody() {
    let mut rig = Rig::greeted(&[(4, 10)]);
    let body = [1; 25];
    let (long, short) = (rig.give(HEAD, &body), rig.give(HEAD, &body[..10]));
    let frames = rig.frames();
    assert_eq!((bodies(&frames, long), bodies(&frames, short)), (10, 10));
    assert!(rig.written().is_empty());
    rig.hear(&window(long, 14)).unwrap();
    let frames = rig.frames();
    assert_eq!((bodies(&frames, long), frames[0].flags), (14, 0));
    rig.hear(&window(long, 1)).unwrap();
    let frames = rig.frames();
    assert_eq!((bodies(&frames, long), frames[0].flags), (1, 1));
}

#[test]
fn the_connections_window_is_for_all_and_shared_by_frames() {
    let mut rig = Rig::greeted(&[(4, 1 << 20)]);
    let body = vec![7; 60_000];
    let (a, b) = (rig.give(HEAD, &body), rig.give(HEAD, &body));
    let frames = rig.frames();
    let sent = (bodies(&frames, a), bodies(&frames, b));
    assert_eq!(
        (sent.0 + sent.1, sent.0.abs_diff(sent.1) <= 16_384),
        (65_535, true)
    );
    let none = rig.give(HEAD, b"");
    assert_eq!(rig.frames().len(), 1, "{none} needs no window");
    rig.hear(&window(0, 10)).unwrap();
    assert_eq!(
        rig.frames()
            .iter()
            .map(|it| it.payload.len())
            .sum::<usize>(),
        10
    );
    rig.hear(&window(0, 1 << 20)).unwrap();
    let rest = rig.frames();
    let ended = rest.iter().filter(|frame| frame.flags == 1).count();
    assert_eq!((sent.0 + bodies(&rest, a) + 10 >= 60_000, ended), (true, 2));
}

#[test]
fn trailers_and_ends_need_no_window() {
    let mut rig = Rig::greeted(&[(4, 4)]);
    rig.push(HEAD, b"body", Some(b"t"), Rest::Complete);
    assert_eq!(rig.frames().len(), 3);
    let stream = rig.push(HEAD, b"body", None, Rest::Streamed);
    assert_eq!(bodies(&rig.frames(), stream), 4);
    rig.finish(1, stream, None);
    let frames = rig.frames();
    assert_eq!(
        (frames[0].kind, frames[0].flags, frames[0].payload.len()),
        (Kind::Data, 1, 0)
    );
}

#[test]
fn a_change_of_the_first_window_is_for_open_streams_too() {
    let mut rig = Rig::greeted(&[(4, 10)]);
    let stream = rig.give(HEAD, &[0; 40]);
    assert_eq!(bodies(&rig.frames(), stream), 10);
    // Section 6.9.2: less than what is used.
    rig.hear(&settings(&[(4, 5)])).unwrap();
    rig.hear(&window(stream, 5)).unwrap();
    assert_eq!(bodies(&rig.frames(), stream), 0);
    rig.hear(&settings(&[(4, 12)])).unwrap();
    assert_eq!(bodies(&rig.frames(), stream), 7);
    rig.hear(&settings(&[(4, 0)])).unwrap();
    let later = rig.give(HEAD, b"x");
    let frames = rig.frames();
    assert_eq!((bodies(&frames, later), bodies(&frames, stream)), (0, 0));
    rig.hear(&settings(&[(4, 100)])).unwrap();
    let frames = rig.frames();
    assert_eq!((bodies(&frames, later), bodies(&frames, stream)), (1, 23));
}

#[test]
fn windows_that_overflow_are_refused() {
    let most = (1 << 31) - 1;
    let mut rig = Rig::greeted(&[]);
    let stream = rig.give(HEAD, &[0; 20]);
    rig.frames();
    rig.hear(&window(stream, most)).unwrap();
    assert_eq!(rig.take_heard(), [Heard::Lost(stream, Lost::Malformed)]);
    assert_eq!(rig.frames()[0].payload, [0, 0, 0, 3]);
    let stream = rig.give(HEAD, &[0; 100_000]);
    rig.frames();
    rig.hear(&window(stream, 0)).unwrap();
    assert_eq!(rig.take_heard(), [Heard::Lost(stream, Lost::Malformed)]);
    assert_eq!(rig.hear(&window(0, 0)), Err(Fault::Broken));

    let mut rig = Rig::greeted(&[]);
    assert_eq!(rig.hear(&window(0, most)), Err(Fault::Broken));
    let mut rig = Rig::greeted(&[(4, 1)]);
    let stream = rig.give(HEAD, b"abc");
    rig.frames();
    rig.hear(&window(stream, most - 1)).unwrap();
    let frames = rig.frames();
    assert_eq!(bodies(&frames, stream), 2);
    let mut rig = Rig::greeted(&[(4, 0)]);
    let stream = rig.give(HEAD, b"abc");
    rig.frames();
    rig.hear(&settings(&[(4, 1)])).unwrap();
    rig.hear(&window(stream, most - 1)).unwrap();
    assert_eq!(rig.hear(&settings(&[(4, 5_000)])), Err(Fault::Broken));
}

#[test]
fn a_target_that_gives_no_window_is_late() {
    let mut rig = Rig::greeted(&[(4, 0)]);
    let stream = rig.give(HEAD, b"abc");
    rig.frames();
    rig.pass(Duration::from_secs(4));
    rig.hear(&window(stream, 1)).unwrap();
    rig.frames();
    rig.pass(Duration::from_secs(4));
    assert_eq!(rig.session.late(rig.now), None, "it goes on");
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.session.late(rig.now), Some(stream));
}

#[test]
fn a_source_may_take_its_time_and_the_target_may_not() {
    let mut rig = Rig::greeted(&[(4, 2)]);
    let stream = rig.push(HEAD, b"", None, Rest::Streamed);
    rig.frames();
    assert_eq!(rig.session.due(), None);
    rig.pass(Duration::from_secs(3_600));
    rig.chunk(0, stream, b"abc");
    assert_eq!(rig.session.due(), Some(rig.now + Duration::from_secs(5)));
    rig.frames();
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.session.late(rig.now), Some(stream));
}
