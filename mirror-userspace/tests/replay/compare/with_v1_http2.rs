//! The same over HTTP/2: calls of gRPC and pages, out of a capture of both directions.

use mirror_common::record::flag;
use mirror_core::testing::opening;
use serde_json::Value;

use super::differing;
use crate::{
    capture::Capture,
    loopback::version_http2,
    program::{Ended, replay},
    versions::{
        Answer,
        http2::{Encoder, ask, settings},
    },
};

/// How the capture is: what v1 sends is cut to pieces of this size, of which so many bytes are there.
#[derive(Clone, Copy)]
struct Cut {
    piece: usize,
    captured: usize,
}

const REQUESTS: usize = 120;

/// Replays so many requests to each of two routes, which v1 answers so, to a candidate that answers otherwise.
fn compare(
    v1: impl Fn(&str, usize) -> Answer,
    candidate: impl Fn(&str) -> Answer + Send + Sync + 'static,
    cut: Cut,
) -> Ended {
    let mut capture = Capture::new();
    let mut clients: Vec<_> = (1..=4)
        .map(|port| (capture.connect(port), Encoder::new(true), 1))
        .collect();
    for (client, ..) in &mut clients {
        capture.answer(client, flag::SYN, "");
        capture.say(client, opening());
        capture.answer(client, 0, settings());
    }
    for number in 0..REQUESTS {
        for route in ["/shop.Cart/Get", "/shop.Cart/Pay"] {
            let (client, encoder, stream) = &mut clients[number % 4];
            capture.say(client, ask(*stream, "POST", route));
            for piece in v1(route, number).frames(*stream, encoder).chunks(cut.piece) {
                let (captured, rest) = piece.split_at(piece.len().min(cut.captured));
                capture.answer(client, 0, captured);
                capture.miss_answer(client, u32::try_from(rest.len()).unwrap());
            }
            *stream += 2;
        }
    }
    for (client, ..) in &clients {
        capture.finish(client);
    }
    let candidate = format!("{},role=candidate", version_http2(candidate));
    let flags = [
        "--speed",
        "max",
        "--compare",
        "v1",
        "--compare-rate",
        "100%",
        "--group-path",
        "/shop.Cart/Get",
        "--group-path",
        "/shop.Cart/Pay",
        "--target",
        &candidate,
    ];
    replay(&capture.bytes(), &flags).balanced()
}

fn contents(ended: &Ended) -> &Value {
    &ended.ledger["verdict"]["contents"]
}

fn not_compared(ended: &Ended, why: &str) -> u64 {
    contents(ended)["not_compared"][why].as_u64().unwrap()
}

fn on_pay(names: &[&str]) -> Vec<(String, String)> {
    let on_pay = |name: &&str| ("POST /shop.Cart/Pay".to_owned(), (*name).to_owned());
    names.iter().map(on_pay).collect()
}

/// Answers `Pay` as this makes of a good answer.
fn planted(
    good: impl Fn() -> Answer + Send + Sync + 'static,
    change: fn(&mut Answer),
) -> impl Fn(&str) -> Answer + Send + Sync + 'static {
    move |path| {
        let mut answer = good();
        if path.ends_with("Pay") {
            change(&mut answer);
        }
        answer
    }
}

/// The first bytes of each segment: heads and trailers that are there are compared, bodies are not.
#[test]
fn of_what_is_cut_heads_and_statuses_are_compared() {
    let long = || {
        let mut answer = Answer::call();
        answer.body = [&b"\0\0\0\x0f\xa0"[..], &[b'x'; 4_000]].concat();
        answer
    };
    let other = |path: &str| {
        let mut answer = Answer::call();
        if path.ends_with("Pay") {
            answer.remove("X-Total");
            answer.trailers[0].1 = "3".to_owned();
        }
        answer
    };
    // In the last segment, the trailers are among the first bytes.
    let cut = Cut {
        piece: 1_448,
        captured: 1_200,
    };
    let failing = |_: &str, _| {
        let mut answer = long();
        answer.trailers[0].1 = "3".to_owned();
        answer
    };
    let ended = compare(failing, other, cut);
    let verdict = &ended.ledger["verdict"];
    assert_eq!(verdict["compared"], 2 * REQUESTS, "{verdict:#}");
    // Of `Get` each call is a client error at v1 alone.
    let named = differing(&ended);
    let get = ("POST /shop.Cart/Get".to_owned(), "client errors".to_owned());
    assert_eq!(
        named,
        [&[get][..], &on_pay(&["header x-total"])].concat(),
        "{verdict:#}"
    );
    assert_eq!(
        not_compared(&ended, "not_captured"),
        REQUESTS as u64,
        "{verdict:#}"
    );
}

/// Header blocks that are cut cost those that refer to them, and nothing is named that does not differ.
#[test]
fn what_can_not_be_decoded_is_counted() {
    let v1 = |_: &str, number: usize| {
        let mut answer = Answer::call();
        // One in ten has a head that is cut.
        if number % 10 == 9 {
            let long = "x".repeat(100);
            answer
                .fields
                .extend([("x-long", long.clone()), ("x-longer", long)]);
        }
        answer
    };
    let cut = Cut {
        piece: 1_448,
        captured: 150,
    };
    let ended = compare(
        v1,
        planted(Answer::call, |answer| answer.remove("X-Total")),
        cut,
    );
    let verdict = &ended.ledger["verdict"];
    assert_eq!(
        differing(&ended),
        on_pay(&["header x-total"]),
        "{verdict:#}"
    );
    let compared = contents(&ended)["compared"].as_u64().unwrap();
    let not = contents(&ended)["not_compared"].as_object().unwrap();
    let not: u64 = not.values().map(|it| it.as_u64().unwrap()).sum();
    assert_eq!(compared + not, 2 * REQUESTS as u64, "{verdict:#}");
    assert!(compared > REQUESTS as u64 && not > 0, "{verdict:#}");
    assert!(not_compared(&ended, "not_decoded") > 0, "{verdict:#}");
}
