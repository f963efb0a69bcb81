//! Conversations that are drawn, with holes in them.

use super::{Ear, Encoder, GRPC, data, settings};
use crate::random::Random;

/// What v1 really said, of a stream.
#[derive(Default)]
struct Truth {
    head: String,
    body: String,
    trailers: String,
    answer: String,
}

/// Whatever is missing: what is told is true; without holes it is all of it.
#[test]
fn nothing_is_told_that_v1_did_not_answer() {
    let mut told_whole = 0;
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let mut encoder = Encoder::default();
        let mut stream = settings();
        let mut truth: Vec<Truth> = Vec::new();
        for number in 0..40_u32 {
            let (id, call) = (2 * number + 1, random.one_in(2));
            let kind = if call { GRPC.1 } else { "text/plain" };
            let draw = random.below(4).to_string();
            let fields = [("content-type", kind), ("x-a", &draw), ("server", "v1")];
            let body = number.to_string().repeat(random.below(1_500) + 1);
            let mut told = Truth {
                head: format!("head 200 content-type: {kind};x-a: {draw};server: v1;"),
                body: format!("body {body}"),
                answer: "answer 200".to_owned(),
                ..Truth::default()
            };
            stream.extend(encoder.head(id, 0, &fields));
            for piece in body.as_bytes().chunks(random.below(900) + 1) {
                stream.extend(data(id, false, piece));
            }
            if call {
                let status = random.below(3).to_string();
                stream.extend(encoder.trailers(id, &[("grpc-status", &status), ("x-t", &draw)]));
                told.trailers = format!("trailers grpc-status: {status};x-t: {draw};");
                told.answer = format!("answer 200 grpc {status}");
            } else {
                stream.extend(data(id, true, b""));
            }
            truth.push(told);
        }
        let holes = seed % 3 > 0;
        let mut ear = Ear::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let len = random.below(3_000) + 1;
            let (segment, behind) = rest.split_at(len.min(rest.len()));
            match random.below(8) {
                0 if holes => ear.hole(segment.len()),
                1 if holes => ear.cut(segment, 512),
                _ => ear.segment(segment),
            };
            rest = behind;
        }
        let (mut whole, said) = (0, ear.end());
        for (number, told) in truth.iter().enumerate() {
            let id = u32::try_from(2 * number + 1).unwrap();
            let of_it = said.iter().filter(|(stream, _)| *stream == id);
            let of_it: Vec<&str> = of_it.map(|(_, words)| &**words).collect();
            let has = |wanted: &str| of_it.contains(&wanted);
            for words in &of_it {
                let is_true = match words.split(' ').next().unwrap() {
                    "head" => *words == told.head,
                    "body" => told.body.starts_with(words),
                    "trailers" => *words == told.trailers,
                    "answer" => *words == told.answer,
                    "end" | "bodymissed" | "missed" | "unknown" => true,
                    _ => false,
                };
                assert!(is_true, "seed {seed}, {id}: {of_it:?}");
            }
            if has("end") && !has("bodymissed") {
                let trailers = told.trailers.is_empty() || has(&told.trailers);
                assert!(has(&told.body) && trailers, "seed {seed}, {id}: {of_it:?}");
                whole += 1;
            }
        }
        assert!(holes || whole == truth.len(), "seed {seed}: {whole}");
        told_whole += whole;
    }
    // Most of what is captured is told.
    assert!(told_whole > 9_500, "{told_whole}");
}
