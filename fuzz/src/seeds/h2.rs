//! HTTP/2 as clients write it: header blocks of another implementation's encoder, and frames with them.

use std::{env, fs, path::PathBuf};

/// Lists of a client that repeats itself, as most do.
const REQUESTS: [&[(&str, &str)]; 4] = [
    &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/helloworld.Greeter/SayHello"),
        (":authority", "greeter:50051"),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-go/1.64.0"),
        ("te", "trailers"),
    ],
    &[
        (":method", "GET"),
        (":path", "/"),
        (":scheme", "http"),
        (":authority", "a"),
        ("cookie", "a=b"),
        ("cookie", "c=d"),
    ],
    &[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/helloworld.Greeter/SayHello"),
        (":authority", "greeter:50051"),
        ("content-length", "5"),
    ],
    &[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat"),
        (":authority", "a"),
    ],
];

/// Raw blocks of the RFC's appendix C: with and without Huffman coding, never indexed, and a table that is resized.
const RFC: [&[u8]; 4] = [
    b"\x82\x86\x84\x41\x0fwww.example.com",
    b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
    b"\x10\x08password\x06secret",
    b"\x3f\xe1\xff\x03\x40\x0acustom-key\x0dcustom-header\xbe\x7e\x03new",
];

pub(super) fn connections() -> Vec<Vec<u8>> {
    let mut encoder = loona_hpack::Encoder::new();
    let mut encoded = Vec::new();
    for request in REQUESTS.iter().chain(&REQUESTS) {
        let fields = request
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        encoded.push(encoder.encode(fields));
    }
    let mut frames = Vec::new();
    for (block, stream) in encoded.iter().zip((1..).step_by(2)) {
        frames.push(frame(1, 4, stream, block));
        frames.push(frame(0, 0, stream, b"\0\0\0"));
        frames.push(frame(6, 0, 0, &[0; 8]));
        frames.push(frame(0, 9, stream, b"\x02\0\0PP"));
    }
    let all = frames.concat();
    let (one, two) = RFC[0].split_at(7);
    let odd = [
        frame(
            1,
            0x29,
            1,
            &[&b"\x03\0\0\0\0\x10"[..], one, b"PAD"].concat(),
        ),
        frame(9, 0, 1, b""),
        frame(9, 4, 1, two),
        frame(1, 4, 3, b"\x83\x86\x84\x01\x01a"),
        frame(8, 0, 3, &[0, 0, 1, 0]),
        frame(0, 0, 3, b"body"),
        frame(1, 5, 3, b"\x40\x01t\x01v"),
        frame(1, 4, 5, b"\x83\x86\x84\x01\x01a"),
        frame(3, 0, 5, &[0, 0, 0, 8]),
        frame(4, 0, 0, &[0, 4, 0, 1, 0, 0]),
        frame(7, 0, 0, &[0; 8]),
        frame(200, 3, 9, b"unknown"),
    ]
    .concat();
    let mut seeds = vec![
        blocks(encoded.iter().map(Vec::as_slice)),
        blocks(RFC.into_iter()),
    ];
    for stream in [all, odd] {
        seeds.push([&[1, 7, 3], &stream[..]].concat());
        seeds.push([&[2, 1, 5], &stream[..]].concat());
        seeds.push(operations(&stream));
    }
    seeds
}

/// The stories of the corpus that `PODMIRROR_CORPUS` names, as header blocks; none without it.
pub fn stories() -> Vec<Vec<u8>> {
    let Some(corpus) = env::var_os("PODMIRROR_CORPUS") else {
        return Vec::new();
    };
    let mut stories = Vec::new();
    let folders = fs::read_dir(PathBuf::from(corpus).join("hpack"));
    let folders = folders.into_iter().flatten().flatten();
    for file in folders.filter_map(|folder| fs::read_dir(folder.path()).ok()) {
        for path in file.flatten().map(|file| file.path()) {
            let Ok(text) = fs::read(path) else { continue };
            let Ok(story) = serde_json::from_slice::<serde_json::Value>(&text) else {
                continue;
            };
            let cases = story["cases"].as_array().into_iter().flatten();
            let wires: Vec<_> = cases.map(|case| unhex(&case["wire"])).collect();
            stories.push(blocks(wires.iter().map(Vec::as_slice)));
        }
    }
    stories
}

fn unhex(wire: &serde_json::Value) -> Vec<u8> {
    let digits = wire.as_str().unwrap_or_default().as_bytes().chunks(2);
    digits
        .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn blocks<'a>(blocks: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut seed = vec![0];
    for block in blocks {
        seed.extend((block.len() as u16).to_be_bytes());
        seed.extend_from_slice(block);
    }
    seed
}

/// Segments of 40 bytes, and now and then a hole instead of the first bytes of one.
fn operations(stream: &[u8]) -> Vec<u8> {
    let mut seed = vec![3];
    for (number, segment) in stream.chunks(40).enumerate() {
        let missing = if number % 5 == 4 {
            3.min(segment.len())
        } else {
            0
        };
        seed.extend([0, missing as u8, 2, (segment.len() - missing) as u8]);
        seed.extend_from_slice(&segment[missing..]);
        seed.extend([1, 2 * number as u8 + 1]);
    }
    seed
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
