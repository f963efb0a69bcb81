//! What bytes that are missing cost.

use super::{
    super::{Loss, Refusal},
    feed::{Feed, Said},
    wire::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, WHOLE, connection, frame, get,
        post,
    },
};

/// Two open requests, then these bytes without `missing` of them.
fn without(bytes: &[u8], missing: std::ops::Range<usize>) -> Vec<Said> {
    let open = |stream| frame(HEADERS, END_HEADERS, stream, &post(&[]));
    let mut feed = Feed::new();
    feed.data(&connection(&[open(1), open(3)]), true);
    feed.take();
    feed.data(&bytes[..missing.start], true);
    feed.gap(missing.len() as u64);
    feed.data(&bytes[missing.end..], true);
    let said = feed.take();
    feed.close();
    said
}

fn next(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &get(&[]))
}

#[test]
fn a_hole_in_the_payload_of_data_costs_its_stream() {
    let data = frame(DATA, END_STREAM, 1, b"0123456789");
    let bytes = [data, next(5), frame(DATA, END_STREAM, 3, b"x")].concat();
    for start in 9..19 {
        for end in start + 1..=19 {
            let mut said = without(&bytes, start..end);
            if start > 9 {
                let body = Said::Body(1, bytes[9..start].to_vec());
                assert_eq!(said.remove(0), body);
            }
            assert_eq!(said[0], Said::Lost(1, Loss::Gap), "{start}..{end}");
            assert!(matches!(said[1], Said::Head(5, _)));
            let rest = [Said::End(5), Said::Body(3, b"x".to_vec()), Said::End(3)];
            assert_eq!(said[2..], rest);
        }
    }
}

#[test]
fn a_hole_in_padding_costs_nothing() {
    let bytes = frame(DATA, END_STREAM | 8, 1, b"\x04bodyPPPP");
    let told = [Said::Body(1, b"body".to_vec()), Said::End(1)];
    assert_eq!(without(&bytes, 14..17), told);
    assert_eq!(without(&bytes, 14..18), told);
    let lost = [Said::Body(1, b"bod".to_vec()), Said::Lost(1, Loss::Gap)];
    assert_eq!(without(&bytes, 13..16), lost);
    // Without its length nobody knows what is padding.
    assert_eq!(without(&bytes, 9..10), [Said::Lost(1, Loss::Gap)]);
}

/// What is lost with the connection, in order: its open requests, and those that are counted afterwards.
fn connection_lost(said: &[Said]) -> (Vec<u32>, Vec<u32>, bool) {
    let number = |event: &Said| match event {
        Said::Lost(stream, Loss::Connection(Refusal::Gap)) => Some(*stream),
        Said::OutOfStep | Said::Body(..) => None,
        other => panic!("{other:?}"),
    };
    let end = Said::ConnectionLost(Refusal::Gap);
    let at = said.iter().position(|event| *event == end).unwrap();
    let open = said[..at].iter().filter_map(number).collect();
    let counted = said[at + 1..].iter().filter_map(number).collect();
    (open, counted, said.contains(&Said::OutOfStep))
}

#[test]
fn any_other_hole_costs_the_connection() {
    let bytes = [
        frame(DATA, 0, 1, b"0123456789"),
        frame(DATA, 0, 1, b"0123456789"),
        next(5),
        next(7),
    ]
    .concat();
    // Up to the header of the second frame, and a hole of its own.
    for missing in [0..1, 0..9, 3..20, 18..20, 19..20, 19..28, 10..28, 38..39] {
        let (open, counted, out_of_step) = connection_lost(&without(&bytes, missing.clone()));
        assert_eq!(open, [1, 3], "{missing:?}");
        // The frames are found again only where a segment begins with one, and another one follows.
        assert!(counted.is_empty() || counted == [5, 7], "{missing:?}");
        assert!(out_of_step, "{missing:?}");
    }
    assert_eq!(connection_lost(&without(&bytes, 19..38)).1, [5, 7]);
}

#[test]
fn a_hole_inside_another_frame_is_counted_over() {
    let bytes = [
        frame(PING, 0, 0, &[0; 8]),
        next(5),
        frame(HEADERS, END_STREAM, 7, b"beginning"),
        frame(CONTINUATION, END_HEADERS, 7, b"end"),
        next(9),
    ]
    .concat();
    // In the ping; in the block of stream 5.
    for missing in [10..12, 9..17, 27..30] {
        let (open, counted, out_of_step) = connection_lost(&without(&bytes, missing.clone()));
        let begun = missing.start > 17;
        let all = [open, counted].concat();
        assert_eq!(all, [1, 3, 5, 7, 9], "{missing:?} {begun}");
        assert!(!out_of_step, "{missing:?}");
    }
}

#[test]
fn a_hole_of_nothing_is_none() {
    let bytes = next(5);
    let said = without(&bytes, 3..3);
    assert!(matches!(said[..], [Said::Head(5, _), Said::End(5)]));
}
