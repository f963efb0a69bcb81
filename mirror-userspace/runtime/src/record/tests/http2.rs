use mirror_core::testing::{block, data, frame, headers, opening};

use super::*;
use crate::playback::Grpc;

fn call(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "shop:50051"),
        ("content-type", "application/grpc+proto"),
        ("te", "trailers"),
        ("!x-key", "s3cret"),
    ]
}

/// A message with its prefix.
fn message(len: u16) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0];
    bytes.extend(len.to_be_bytes());
    bytes.resize(bytes.len() + usize::from(len), b'm');
    bytes
}

/// What tells requests apart: stream, target, length and messages.
fn told(lines: &[RequestLine]) -> Vec<(u32, &str, u64, u64)> {
    let messages = |line: &RequestLine| line.grpc.as_ref().map_or(0, |grpc| grpc.messages);
    lines
        .iter()
        .map(|line| {
            let stream = line.stream_id.unwrap_or_default();
            (stream, &line.target[..], line.body_len, messages(line))
        })
        .collect()
}

#[test]
fn a_recording_replays_to_the_same_requests() {
    let mut studio = Studio::new(Rotation::default(), &[]);
    let mut client = studio.connect(1);
    let long = "v".repeat(40_000);
    let mut fields = call("/shop.Cart/Long");
    fields.push(("x-long", &long));
    let body = [message(40_000), message(0)].concat();
    let (first, rest) = body.split_at(9_000);
    studio.say(&mut client, opening());
    studio.say(&mut client, headers(1, &call("/shop.Cart/Add"), false));
    // Streams interleave; a block of 40 KB takes three frames.
    let block = block(&fields);
    studio.say(&mut client, frame(1, 0, 3, &block[..16_000]));
    studio.say(&mut client, frame(9, 0, 3, &block[16_000..32_000]));
    studio.say(&mut client, frame(9, 4, 3, &block[32_000..]));
    studio.say(&mut client, data(1, first, false));
    studio.say(&mut client, data(3, message(7), true));
    for piece in rest.chunks(10_000) {
        studio.say(&mut client, data(1, piece, false));
    }
    studio.say(&mut client, headers(5, &call("/shop.Cart/Empty"), true));
    // Trailers of a request end it.
    studio.say(&mut client, headers(1, &[("x-sum", "1")], true));
    studio.segment(&client, flag::FIN | flag::ACK, b"");

    let lines = printed(&studio.finish()[0]);
    let expected = [
        (3, "/shop.Cart/Long", 12, 1),
        (5, "/shop.Cart/Empty", 0, 0),
        (1, "/shop.Cart/Add", 40_010, 2),
    ];
    assert_eq!(told(&lines), expected);
    assert!(
        lines
            .iter()
            .all(|line| line.version == "2" && line.stream == 0)
    );
    assert_eq!(lines[0].headers, 8);
    assert_eq!(lines[0].host.as_deref(), Some("shop:50051"));
    let grpc = Grpc {
        service: "shop.Cart".to_owned(),
        method: "Add".to_owned(),
        messages: 2,
    };
    assert_eq!(lines[2].grpc, Some(grpc));
}

#[test]
fn redacted_values_of_heads_and_trailers_are_nowhere_in_the_file() {
    let mut studio = Studio::new(Rotation::default(), &["x-key"]);
    let mut client = studio.connect(1);
    studio.say(&mut client, opening());
    studio.say(&mut client, headers(1, &call("/shop.Cart/Add"), false));
    studio.say(&mut client, data(1, message(3), false));
    studio.say(
        &mut client,
        headers(1, &[("x-key", "s3cret"), ("x-sum", "1")], true),
    );
    let files = studio.finish();
    let count = |bytes: &[u8]| {
        files[0]
            .windows(bytes.len())
            .filter(|part| *part == bytes)
            .count()
    };
    assert_eq!(count(b"s3cret"), 0);
    assert_eq!(count(b"redacted"), 2);
    // It stays a field that is never indexed (RFC 7541 section 6.2.3).
    assert_eq!(count(b"\x10\x05x-key\x08redacted"), 1);
    assert_eq!(count(b"x-sum"), 1);
    assert_eq!(printed(&files[0]).len(), 1);
}

#[test]
fn a_request_that_is_given_up_costs_itself() {
    let mut studio = Studio::new(Rotation::default(), &[]);
    let mut client = studio.connect(1);
    studio.say(&mut client, opening());
    studio.say(&mut client, headers(1, &call("/torn"), false));
    studio.say(&mut client, data(1, [0; 100], false));
    studio.say(&mut client, headers(3, &call("/whole"), false));
    studio.say(&mut client, frame(3, 0, 1, &8_u32.to_be_bytes()));
    studio.say(&mut client, data(3, message(3), true));
    assert_eq!(told(&printed(&studio.finish()[0])), [(3, "/whole", 8, 1)]);
}

#[test]
fn an_upgrade_that_v1_took_is_recorded_as_one() {
    let mut studio = Studio::new(Rotation::default(), &[]);
    let mut client = studio.connect(1);
    studio.say(
        &mut client,
        "GET /offer HTTP/1.1\r\nHost: v1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    studio.say(&mut client, opening());
    studio.say(&mut client, headers(3, &call("/behind"), true));
    let lines = printed(&studio.finish()[0]);
    let found: Vec<_> = lines
        .iter()
        .map(|line| (line.version, &line.target[..], line.stream))
        .collect();
    assert_eq!(found, [("1.1", "/offer", 0), ("2", "/behind", 0)]);
}

#[test]
fn each_file_of_a_rotation_has_whole_requests_of_its_own() {
    let rotation = Rotation {
        size: Some(3_000),
        age: None,
    };
    let mut studio = Studio::new(rotation, &[]);
    let mut client = studio.connect(1);
    studio.say(&mut client, opening());
    studio.say(&mut client, headers(1, &call("/spans"), false));
    studio.say(&mut client, data(1, [0; 4_000], false));
    studio.say(&mut client, headers(3, &call("/next"), true));
    studio.say(&mut client, data(1, [0; 1_000], true));
    studio.say(&mut client, headers(5, &call("/next/too"), true));
    let files = studio.finish();
    assert_eq!(files.len(), 2);
    assert_eq!(targets(&files[0]), ["/spans"]);
    assert_eq!(targets(&files[1]), ["/next", "/next/too"]);
}
