//! What v1 answers over HTTP/2 is told behind the copies of what it answers.

use super::{refused::Talk, *};
use crate::http::h2::Unseen;

const PAGE: Fields<'_> = &[(":status", "201"), ("x-a", "1")];
const REPLY: Fields<'_> = &[(":status", "200"), ("content-type", "application/grpc")];

fn talk() -> Talk {
    let mut talk = Talk::new();
    talk.bench.pipeline.tell_answers();
    talk.bench.pipeline.tell_replies();
    talk
}

fn head(status: u16, lines: &'static str) -> SaidByV1 {
    SaidByV1::Head {
        status,
        lines: lines.into(),
    }
}

fn answer(status: u16, grpc: Option<u32>) -> SaidByV1 {
    SaidByV1::Answer { status, grpc }
}

/// A page, whole.
fn page(stream: u32) -> Vec<u8> {
    [headers(stream, PAGE, false), data(stream, "some", true)].concat()
}

fn said_of_page(stream: u32) -> Vec<(u32, SaidByV1)> {
    let said = [
        head(201, "x-a: 1\r\n"),
        answer(201, None),
        SaidByV1::Body("some".into()),
        SaidByV1::End,
    ];
    said.map(|said| (stream, said)).to_vec()
}

#[test]
fn who_asks_is_told_what_v1_answers() {
    let mut talk = talk();
    talk.says(&[
        headers(1, GET_A, true),
        headers(3, CALL, false),
        data(3, "ab", true),
    ]);
    talk.v1(&page(1))
        .v1(&headers(3, REPLY, false))
        .v1(&data(3, "m", false));
    talk.v1(&headers(3, &[("grpc-status", "5")], true));
    let call = [
        head(200, "content-type: application/grpc\r\n"),
        SaidByV1::Body("m".into()),
        SaidByV1::Trailers("grpc-status: 5\r\n".into()),
        answer(200, Some(5)),
        SaidByV1::End,
    ];
    let wanted = [said_of_page(1), call.map(|said| (3, said)).to_vec()].concat();
    assert_eq!(talk.bench.said_by_v1, wanted);
    talk.end();
}

/// v1 answers before it has the whole request, whose copy is still to come.
#[test]
fn what_is_said_early_waits_for_the_copy() {
    let mut talk = talk();
    talk.says(&[headers(1, CALL, false)]).v1(&page(1));
    assert_eq!(talk.bench.said_by_v1, []);
    talk.says(&[data(1, "ab", true)]);
    assert_eq!(talk.bench.said_by_v1, said_of_page(1));
    let place = |wanted: fn(&Output) -> bool| talk.bench.held.iter().position(wanted);
    let copy = place(|it| matches!(it, Output::Copy(_))).unwrap();
    assert!(copy < place(|it| matches!(it, Output::OfV1 { .. })).unwrap());
    // One that is given up is not waited for, and what has been passed on in the meantime is told at once.
    talk.says(&[headers(3, CALL, false), headers(5, CALL, false)]);
    talk.v1(&page(3))
        .says(&[frame(RESET, 0, 3, CANCEL), data(5, "abcdef", false)]);
    talk.v1(&page(5));
    assert_eq!(talk.bench.said_by_v1[4..], said_of_page(5));
    // What v1 says in pieces without end waits in bounds.
    talk.says(&[headers(7, CALL, false)])
        .v1(&headers(7, REPLY, false));
    for _ in 0..1_000 {
        talk.v1(&data(7, "piece", false));
    }
    talk.says(&[data(7, "ab", true)]);
    assert!(talk.bench.said_by_v1.len() < 8 + 256);
    talk.end();
}

/// So that something always waits, while requests end or are given up one after the other.
#[test]
fn what_waits_no_longer_costs_nothing() {
    let mut talk = talk();
    let mut used = Vec::new();
    for round in 0..200 {
        let stream = 1 + 2 * round;
        talk.says(&[headers(stream, CALL, false)]);
        talk.v1(&page(stream));
        match (round, stream.saturating_sub(2)) {
            (0, _) => {}
            (_, before) if round % 3 == 0 => {
                talk.says(&[frame(RESET, 0, before, CANCEL)]);
            }
            (_, before) => {
                talk.says(&[data(before, "ab", true)]);
            }
        }
        talk.bench.held.clear();
        if round % 3 == 0 {
            used.push(talk.bench.pipeline.budget().used());
        }
    }
    assert_eq!(used[10..20], used[50..60], "{used:?}");
    talk.end();
}

#[test]
fn an_answer_that_does_not_end_is_told_as_that() {
    let mut talk = talk();
    talk.says(&[
        headers(1, GET_A, true),
        headers(3, CALL, false),
        data(3, "ab", true),
    ]);
    talk.v1(&headers(1, PAGE, false))
        .v1(&headers(3, REPLY, false));
    talk.v1(&frame(RESET, 0, 3, &[0, 0, 0, 2]));
    talk.bench.pipeline.shutdown();
    talk.bench.drain();
    let missed = SaidByV1::Missed(Unseen::Rest);
    let wanted = [
        (1, head(201, "x-a: 1\r\n")),
        (1, answer(201, None)),
        (3, head(200, "content-type: application/grpc\r\n")),
        (3, SaidByV1::Failed),
        (3, SaidByV1::Broken),
        (1, missed),
    ];
    assert_eq!(talk.bench.said_by_v1, wanted);
    talk.end();
}

/// Statuses alone, if no more is asked for; nothing, if nobody asks.
#[test]
fn no_more_is_told_than_was_asked_for() {
    for (asks, told) in [(false, vec![]), (true, vec![(1, answer(201, None))])] {
        let mut talk = Talk::new();
        if asks {
            talk.bench.pipeline.tell_answers();
        }
        talk.says(&[headers(1, GET_A, true)]).v1(&page(1));
        assert_eq!(talk.bench.said_by_v1, told);
        talk.end();
    }
}
