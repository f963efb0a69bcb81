//! The same over HTTP/2: calls of gRPC and pages, out of a capture of both directions.

use mirror_common::record::flag;
use mirror_core::testing::{data, frame, headers, opening};
use serde_json::{Value, json};

use super::differing;
use crate::{
    capture::Capture,
    program::{Ended, replay},
    versions::document,
    versions_http2::{Answer, version},
};

/// v1's encoder, which inserts each field that it has not inserted before.
#[derive(Default)]
struct Encoder(Vec<(String, String)>);

impl Encoder {
    fn headers(&mut self, stream: u32, fields: &[(&str, &str)], ends: bool) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            let owned = ((*name).to_owned(), (*value).to_owned());
            match self.0.iter().rev().position(|it| *it == owned) {
                _ if owned.0 == ":status" => block.push(0x88),
                Some(place) if place < 30 => block.push(u8::try_from(0x80 + 62 + place).unwrap()),
                _ => {
                    block.push(0x40);
                    for text in [name, value] {
                        block.push(u8::try_from(text.len()).unwrap());
                        block.extend(text.bytes());
                    }
                    self.0.push(owned);
                }
            }
        }
        frame(1, 4 | u8::from(ends), stream, &block)
    }
}

/// How the capture is: what v1 sends is cut to pieces of this size, of which so many bytes are there.
#[derive(Clone, Copy)]
struct Cut {
    piece: usize,
    captured: usize,
}

const WHOLE: Cut = Cut {
    piece: 1_448,
    captured: 1_448,
};
const REQUESTS: usize = 120;

/// Replays so many requests to each of two routes, which v1 answers so, to a candidate that answers otherwise.
fn compare(
    v1: impl Fn(&str, usize) -> Answer,
    candidate: impl Fn(&str) -> Answer + Send + Sync + 'static,
    cut: Cut,
) -> Ended {
    let mut capture = Capture::new();
    let mut clients: Vec<_> = (1..=4)
        .map(|port| (capture.connect(port), Encoder::default(), 1))
        .collect();
    for (client, ..) in &mut clients {
        capture.answer(client, flag::SYN, "");
        capture.say(client, opening());
        capture.answer(client, 0, frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]));
    }
    for number in 0..REQUESTS {
        for route in ["/shop.Cart/Get", "/shop.Cart/Pay"] {
            let (client, encoder, stream) = &mut clients[number % 4];
            let fields = [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", route),
                (":authority", "shop"),
                ("content-type", "application/grpc"),
            ];
            let message = b"\0\0\0\0\x01x";
            let asked = [
                headers(*stream, &fields, false),
                data(*stream, message, true),
            ];
            capture.say(client, asked.concat());
            let block = |fields: &[(&str, &str)], ends| encoder.headers(*stream, fields, ends);
            for piece in v1(route, number).frames(*stream, block).chunks(cut.piece) {
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
    let candidate = format!("{},role=candidate", version(candidate));
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

#[test]
fn each_difference_from_v1_is_named_with_its_group_and_nothing_else_is() {
    type Plant = fn(&mut Answer);
    let of_calls: [(&[&str], Plant); 8] = [
        (&[], |_| {}),
        (&["header x-total"], |answer| {
            answer.head.pop();
        }),
        (&["grpc message"], |answer| answer.body[5] = b'x'),
        (&["grpc message length"], |answer| {
            answer.body = b"\0\0\0\0\x02ab".to_vec();
        }),
        (&["grpc messages"], |answer| answer.body.extend([0; 5])),
        (&["trailer x-new"], |answer| {
            answer.trailers.push(("x-new", "1".to_owned()));
        }),
        (&["client errors"], |answer| {
            answer.trailers[0].1 = "5".to_owned()
        }),
        (&["failures"], |answer| {
            answer.trailers[0].1 = "13".to_owned()
        }),
    ];
    let of_pages: [(&[&str], Plant); 6] = [
        (&["json $.total"], |answer| {
            let mut document = document();
            document["total"] = json!(3);
            answer.body = document.to_string().into_bytes();
        }),
        (&["json $.items[].cost", "json $.items[].price"], |answer| {
            let text = document().to_string().replace("price", "cost");
            answer.body = text.into_bytes();
        }),
        (&["json $.items[] order"], |answer| {
            let mut document = document();
            document["items"].as_array_mut().unwrap().reverse();
            answer.body = document.to_string().into_bytes();
        }),
        (&["body encoding", "header content-encoding"], |answer| {
            answer.head.push(("content-encoding", "gzip".to_owned()));
        }),
        (&["status"], |answer| answer.head[0].1 = "201".to_owned()),
        (&["failures"], |answer| answer.head[0].1 = "503".to_owned()),
    ];
    let page = || Answer::page(&document());
    let calls = of_calls.map(|it| (Answer::call as fn() -> Answer, it));
    let pages = of_pages.map(|it| (page as fn() -> Answer, it));
    for (good, (names, plant)) in calls.into_iter().chain(pages) {
        let ended = compare(|_, _| good(), planted(good, plant), WHOLE);
        let verdict = &ended.ledger["verdict"];
        assert_eq!(differing(&ended), on_pay(names), "{verdict:#}");
        assert_eq!(verdict["compared"], 2 * REQUESTS, "{verdict:#}");
        assert_eq!(not_compared(&ended, "not_captured"), 0, "{verdict:#}");
        assert_eq!(not_compared(&ended, "not_decoded"), 0, "{verdict:#}");
    }
}

/// One call in four fails, on one route.
#[test]
fn failures_now_and_then_are_named() {
    let drawn = std::sync::atomic::AtomicUsize::new(0);
    let candidate = move |path: &str| {
        let mut answer = Answer::call();
        let count = path
            .ends_with("Pay")
            .then(|| drawn.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        if count.is_some_and(|count| count % 4 == 0) {
            answer.trailers[0].1 = "14".to_owned();
        }
        answer
    };
    let ended = compare(|_, _| Answer::call(), candidate, WHOLE);
    assert_eq!(differing(&ended), on_pay(&["failures"]));
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
            answer.head.pop();
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
                .head
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
        planted(Answer::call, |answer| drop(answer.head.pop())),
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
