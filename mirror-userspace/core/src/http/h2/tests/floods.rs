//! Frames and streams in numbers that are meant to cost more than they are worth.

use super::{
    super::{Limits, Loss, Refusal},
    feed::{Cost, Said, cost},
    wire::{
        DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RESET, SETTINGS, WHOLE, WINDOW,
        block, connection, frame, get, post,
    },
};

const HIGHEST: u32 = (1 << 31) - 1;

fn next(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &get(&[]))
}

/// What the frames cost that say nothing of requests: no memory, and no more work than they have bytes.
#[test]
fn floods_of_control_frames_cost_no_memory() {
    let floods = [
        frame(SETTINGS, 0, 0, &[]),
        frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0].repeat(2000)),
        frame(SETTINGS, 1, 0, &[]),
        frame(PING, 0, 0, &[0; 8]),
        frame(PRIORITY, 0, 77, &[0; 5]),
        // Windows far past 2^31: they are v1's to count.
        frame(WINDOW, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        frame(200, 0, 1, &[0; 100]),
        frame(DATA, 0, 1, &[]),
    ];
    for flood in floods {
        let mut frames = vec![frame(HEADERS, END_HEADERS, 1, &post(&[]))];
        let number = (1 << 20) / flood.len();
        frames.extend(std::iter::repeat_n(flood, number));
        frames.push(frame(DATA, END_STREAM, 1, b"x"));
        let stream = connection(&frames);
        let Cost { said, work, peak } = cost(&stream, 1400);
        assert_eq!(said.len(), 3);
        assert_eq!(said[2], Said::End(1));
        assert!(work <= 2 * stream.len() && peak <= 64, "{work} {peak}");
    }
}

#[test]
fn rapid_reset_keeps_nothing() {
    let mut frames = Vec::new();
    let number = 50_000;
    for n in 0..number {
        let stream = 2 * n + 1;
        frames.push(frame(HEADERS, END_HEADERS, stream, &post(&[])));
        frames.push(frame(RESET, 0, stream, &[0, 0, 0, 8]));
    }
    let stream = connection(&frames);
    let Cost { said, work, peak } = cost(&stream, 1400);
    assert_eq!(said.len(), 2 * usize::try_from(number).unwrap());
    let given_up = |one: &&Said| matches!(one, Said::Reset(_, 8));
    assert_eq!(said.iter().filter(given_up).count(), said.len() / 2);
    assert!(work <= 5 * stream.len(), "{work} for {}", stream.len());
    // One stream, and a header block that a segment cuts.
    assert!(peak <= 64 + 16, "{peak}");
}

#[test]
fn half_open_streams_are_limited() {
    let limit = Limits::default().streams;
    let number = u32::try_from(limit).unwrap() + 1000;
    let mut frames = Vec::new();
    let id = |n| 2 * n + 1;
    frames.extend((0..number).map(|n| frame(HEADERS, END_HEADERS, id(n), &post(&[]))));
    // Of those without room, what the client still has to say is no fault of it.
    frames.extend((0..number).map(|n| frame(DATA, 0, id(n), b"x")));
    let trailers = block(&[("t", "1")]);
    frames.extend((0..number).map(|n| frame(HEADERS, WHOLE, id(n), &trailers)));
    frames.push(frame(HEADERS, END_HEADERS, id(number), &post(&[])));
    let stream = connection(&frames);
    let Cost { said, work, peak } = cost(&stream, 1400);
    let count = |what: fn(&&Said) -> bool| said.iter().filter(what).count();
    assert_eq!(count(|one| matches!(one, Said::End(_))), limit);
    let refused = count(|one| matches!(one, Said::Lost(_, Loss::TooManyStreams)));
    assert_eq!(refused, 1000);
    assert_eq!(count(|one| matches!(one, Said::Head(..))), limit + 1);
    assert!(work <= 4 * stream.len(), "{work} for {}", stream.len());
    assert!(peak <= 64 * limit + 64, "{peak}");
}

#[test]
fn stream_numbers_end_at_the_highest() {
    let stream = connection(&[next(1), next(HIGHEST), next(HIGHEST - 2)]);
    let Cost { said, peak, .. } = cost(&stream, 1400);
    assert!(matches!(
        said[2..4],
        [Said::Head(HIGHEST, _), Said::End(HIGHEST)]
    ));
    assert_eq!(said[4..], [Said::ConnectionLost(Refusal::Ambiguous)]);
    assert_eq!(peak, 0);
}

#[test]
fn a_connection_that_is_lost_costs_nothing_more() {
    let mut frames = vec![next(1), frame(PING, 0, 1, &[0; 8])];
    frames.extend((1..50_000).map(|n| frame(HEADERS, END_HEADERS, 2 * n + 1, &post(&[]))));
    let Cost { said, work, peak } = cost(&connection(&frames), 1400);
    assert_eq!(said[2..], [Said::ConnectionLost(Refusal::Framing)]);
    assert!(work <= 1000 && peak <= 64, "{work} {peak}");
}
