//! Header blocks that are meant to cost more than they are worth.

use super::{
    super::{Limits, Loss, Refusal, SAVED},
    feed::{Cost, Feed, Said, cost},
    wire::{
        CONTINUATION, END_HEADERS, END_STREAM, HEADERS, WHOLE, block, connection, frame, get,
        inserted,
    },
};

/// Bytes that are held for a table of its first size: entries of 4 KiB and their places.
const TABLE: usize = 4 * 4096;

fn next(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &get(&[]))
}

#[test]
fn continuations_without_end_end_the_connection() {
    for payload in [0, 1, 16_384] {
        let mut frames = vec![frame(HEADERS, END_STREAM, 1, &get(&[]))];
        let piece = frame(CONTINUATION, 0, 1, &vec![0; payload]);
        frames.extend(std::iter::repeat_n(
            piece,
            10_000.min((1 << 24) / (payload + 9)),
        ));
        frames.push(frame(CONTINUATION, END_HEADERS, 1, &[]));
        frames.push(next(3));
        let stream = connection(&frames);
        let Cost { said, work, peak } = cost(&stream, 1400);
        let lost = |stream| Said::Lost(stream, Loss::Connection(Refusal::Block));
        let expected = [lost(1), Said::ConnectionLost(Refusal::Block), lost(3)];
        assert_eq!(said, expected, "{payload}");
        assert!(work <= 4 * 128 * 1024 + 10 * 10_000, "{work}");
        assert!(peak <= 128 * 1024, "{peak}");
    }
}

#[test]
fn a_large_block_in_small_pieces_is_linear_work() {
    let limit = Limits::default().block;
    let mut fields = get(&[]);
    while fields.len() < limit - 100 {
        fields.extend(block(&[("x", &"y".repeat(80))]));
    }
    let mut frames = vec![frame(HEADERS, END_STREAM, 1, &[])];
    frames.extend(
        fields
            .chunks(4096)
            .map(|piece| frame(CONTINUATION, 0, 1, piece)),
    );
    frames.push(frame(CONTINUATION, END_HEADERS, 1, &[]));
    frames.push(next(3));
    let stream = connection(&frames);
    for step in [1, 100, stream.len()] {
        let Cost { said, work, peak } = cost(&stream, step);
        assert_eq!(said[0], Said::Lost(1, Loss::TooLarge));
        assert!(matches!(said[1..], [Said::Head(3, _), Said::End(3)]));
        // Collected, moved as often by doubling, decoded, listed up to the limit.
        assert!(work <= 5 * stream.len(), "{work} for {}", stream.len());
        assert!(peak <= limit, "{peak}");
    }
}

#[test]
fn a_block_past_its_limit_is_refused_however_it_is_cut() {
    let block = vec![0; Limits::default().block + 1];
    let stream = connection(&[frame(HEADERS, WHOLE, 1, &block), next(3)]);
    for step in [1400, stream.len()] {
        let lost = |stream| Said::Lost(stream, Loss::Connection(Refusal::Block));
        let expected = [lost(1), Said::ConnectionLost(Refusal::Block), lost(3)];
        assert_eq!(cost(&stream, step).said, expected);
    }
}

#[test]
fn a_list_past_its_limit_costs_its_stream() {
    // Fields of 1024 bytes, 32 of them not counted in bytes.
    let value = "v".repeat(1024 - 33);
    let fields = |number: usize| {
        let head = get(&[]);
        // The four pseudo-headers count 32 each, and 42.
        let rest = "r".repeat(1024 - 4 * 32 - 33 - 38);
        let mut fields = vec![("x", &value[..]); number - 1];
        fields.push(("y", &rest));
        [head, block(&fields)].concat()
    };
    let stream = connection(&[
        frame(HEADERS, WHOLE, 1, &fields(64)),
        frame(HEADERS, WHOLE, 3, &fields(65)),
        next(5),
    ]);
    let said = super::feed::said(&stream);
    assert!(matches!(said[..2], [Said::Head(1, _), Said::End(1)]));
    assert_eq!(said[2], Said::Lost(3, Loss::TooLarge));
    assert!(matches!(said[3..], [Said::Head(5, _), Said::End(5)]));
}

/// An entry of 4 KiB, then requests that name it: each is 4 KiB more for 15 bytes of the client's.
#[test]
fn what_indices_stand_for_is_limited_by_what_the_client_sends() {
    let large = [get(&[]), inserted("x", &"y".repeat(4000))].concat();
    let mut frames = vec![frame(HEADERS, WHOLE, 1, &large)];
    // Eight times the entry: 32 KiB of 23 bytes.
    let bomb = [get(&[]), vec![0xbe; 8]].concat();
    let requests = 20_000;
    frames.extend((1..requests).map(|n| frame(HEADERS, WHOLE, 2 * n + 1, &bomb)));
    let stream = connection(&frames);
    let Cost { said, work, peak } = cost(&stream, 1400);
    let gain = Limits::default().gain;
    assert!(work <= SAVED + (gain + 4) * stream.len(), "{work}");
    assert!(work >= SAVED, "{work}");
    assert!(peak <= TABLE, "{peak}");
    let told = said.iter().filter(|one| matches!(one, Said::Head(..)));
    let told = told.count();
    let too_large = |one: &&Said| matches!(one, Said::Lost(_, Loss::TooLarge));
    let lost = said.iter().filter(too_large).count();
    assert_eq!(told + lost, usize::try_from(requests).unwrap());
    // Of the 32 KiB that it wants, a request earns 256 bytes for each of its 23: a sixth.
    assert!(told > lost / 8 && told < lost / 4, "{told} {lost}");
}

/// The same indices, as many as a client with a token of 2 KiB and small messages uses them: none is lost.
#[test]
fn a_token_that_each_call_repeats_is_told() {
    let token = [get(&[]), inserted("authorization", &"t".repeat(2048))].concat();
    let mut frames = vec![frame(HEADERS, WHOLE, 1, &token)];
    let call = [get(&[]), vec![0xbe]].concat();
    frames.extend((1..10_000).map(|n| frame(HEADERS, WHOLE, 2 * n + 1, &call)));
    let said = cost(&connection(&frames), 1400).said;
    assert_eq!(said.len(), 20_000);
    assert!(!said.iter().any(|one| matches!(one, Said::Lost(..))));
}

#[test]
fn a_budget_that_is_used_up_is_named() {
    // No room for the block that comes in two pieces.
    let mut feed = Feed::with(Limits::default(), 4);
    let split = [
        frame(HEADERS, END_STREAM, 1, &get(&[])),
        frame(CONTINUATION, END_HEADERS, 1, &[]),
        next(3),
    ];
    feed.data(&connection(&split), true);
    let lost = |stream| Said::Lost(stream, Loss::Connection(Refusal::Memory));
    let expected = [lost(1), Said::ConnectionLost(Refusal::Memory), lost(3)];
    assert_eq!(feed.take(), expected);
    feed.close();
    // No room for an open stream: the others go on.
    let mut feed = Feed::with(Limits::default(), 8);
    let open = [
        frame(HEADERS, END_HEADERS, 1, &get(&[])),
        frame(0, 0, 1, b"body"),
        next(3),
    ];
    feed.data(&connection(&open), true);
    let said = feed.take();
    assert_eq!(said[0], Said::Lost(1, Loss::Memory));
    assert!(matches!(said[1..], [Said::Head(3, _), Said::End(3)]));
}
