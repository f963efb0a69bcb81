//! A candidate is compared with v1's own replies, out of a capture of both directions.

use mirror_common::record::flag;
use serde_json::{Value, json};

use super::{differing, on_pay};
use crate::{
    capture::{Capture, get},
    loopback::version,
    program::{Ended, replay},
    versions::{Answer, document},
};

/// How v1 answers request so many, and how that is captured: in pieces of this size, with a hole or not.
struct Spoken {
    reply: Vec<u8>,
    piece: usize,
    hole: bool,
}

impl Spoken {
    fn whole(answer: Answer) -> Self {
        Self {
            reply: answer.bytes(),
            piece: 1_448,
            hole: false,
        }
    }
}

/// Replays so many requests to each of two routes, which v1 answers so, to a candidate that answers otherwise.
fn compare(
    target: impl Fn(&str, usize) -> String,
    v1: impl Fn(&str, usize) -> Spoken,
    candidate: impl Fn(&str) -> Answer + Send + Sync + 'static,
    flags: &[&str],
) -> Ended {
    const REQUESTS: usize = 120;
    let mut capture = Capture::new();
    let mut clients: Vec<_> = (1..=8).map(|port| capture.connect(port)).collect();
    for client in &mut clients {
        capture.answer(client, flag::SYN, "");
    }
    for number in 0..REQUESTS {
        for route in ["users", "pay"] {
            let client = &mut clients[(2 * number + usize::from(route == "pay")) % 8];
            let spoken = v1(route, number);
            capture.say(client, get(&target(route, number)));
            for (place, piece) in spoken.reply.chunks(spoken.piece).enumerate() {
                if spoken.hole && place == 1 {
                    capture.miss_answer(client, u32::try_from(piece.len()).unwrap());
                } else {
                    capture.answer(client, 0, piece);
                }
            }
        }
    }
    let candidate = format!("{},role=candidate", version(candidate));
    let fixed = [
        "--speed",
        "max",
        "--compare",
        "v1",
        "--compare-rate",
        "100%",
    ];
    let all = [&fixed[..], &["--target", &candidate], flags].concat();
    let ended = replay(&capture.bytes(), &all).balanced();
    assert_eq!(ended.ledger["verdict"]["compared"], 240);
    ended
}

fn numbered(route: &str, number: usize) -> String {
    format!("/{route}/{number}")
}

fn contents(ended: &Ended) -> &Value {
    &ended.ledger["verdict"]["contents"]
}

/// What v1 answers to the same requests shows which values are other by themselves.
#[test]
fn other_values_are_told_from_those_that_v1_draws_anew() {
    let drawn = |number: usize| {
        let mut document = document();
        document["at"] = json!(number);
        document
    };
    let v1 = move |_: &str, number| Spoken::whole(Answer::of(&drawn(number)));
    let (same, counter) = (
        |route: &str, _| format!("/{route}/7"),
        std::sync::atomic::AtomicUsize::new(1_000),
    );
    let other = move |target: &str| {
        let mut document = drawn(counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        if target.starts_with("/pay") {
            document["total"] = json!(3);
        }
        Answer::of(&document)
    };
    let ended = compare(same, v1, other, &[]);
    assert_eq!(
        differing(&ended),
        on_pay(&["json $.total"]),
        "{:#}",
        ended.ledger["verdict"]
    );
    let said = "GET /pay: json $.total differs: in 100.00 % of replies; 0.00 % by itself";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    // Requests that never come again tell nothing: then nobody knows.
    let v1 = move |_: &str, number| Spoken::whole(Answer::of(&drawn(number)));
    let ended = compare(numbered, v1, |_| Answer::good(), &[]);
    assert!(
        !differing(&ended)
            .iter()
            .any(|(_, field)| field == "json $.total")
    );
}

#[test]
fn replies_in_pieces_and_in_chunks_are_whole() {
    let chunked = || {
        let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Total: 2\r\n\
                          Transfer-Encoding: chunked\r\n\r\n"
            .to_vec();
        for piece in document().to_string().as_bytes().chunks(10) {
            bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
            bytes.extend([piece, b"\r\n"].concat());
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    };
    let v1 = move |_: &str, number: usize| Spoken {
        reply: match number % 2 {
            0 => chunked(),
            _ => Answer::good().bytes(),
        },
        piece: 100 + number,
        hole: false,
    };
    let ended = compare(numbered, v1, |_| Answer::good(), &[]);
    assert_eq!(differing(&ended), []);
    let fields = ended.ledger["verdict"]["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 0, "{fields:#?}");
    assert_eq!(contents(&ended)["compared"], 240);
}

/// Of bodies that were not captured whole nothing is said but that; heads are compared.
#[test]
fn what_was_not_captured_is_counted_and_not_guessed() {
    let long = || {
        let mut document = document();
        document["note"] = json!("x".repeat(300));
        Answer::of(&document)
    };
    let v1 = |route: &str, _| Spoken {
        piece: 100,
        hole: route == "pay",
        ..Spoken::whole(long())
    };
    let other = |_: &str| {
        let mut answer = Answer::of(&json!({"total": 9}));
        answer.fields[1].1 = "3".to_owned();
        answer
    };
    let ended = compare(numbered, v1, other, &[]);
    assert_eq!(
        contents(&ended)["compared"],
        240,
        "{:#}",
        ended.ledger["verdict"]
    );
    assert_eq!(contents(&ended)["not_compared"]["not_captured"], 120);
    let fields = ended.ledger["verdict"]["fields"].as_array().unwrap().iter();
    let on_pay = fields.filter(|it| it["group"] == "GET /pay");
    let named: Vec<_> = on_pay.map(|it| it["field"].as_str().unwrap()).collect();
    assert_eq!(named, ["header x-total"]);
    // Of heads alone, nothing is missing.
    let v1 = |_: &str, _| Spoken {
        piece: 100,
        hole: true,
        ..Spoken::whole(long())
    };
    let ended = compare(numbered, v1, other, &["--compare-body", "0"]);
    assert_eq!(contents(&ended)["not_compared"]["not_captured"], 0);
}
