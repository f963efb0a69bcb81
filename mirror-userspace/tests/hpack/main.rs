//! The stories of http2jp/hpack-test-case: what four encoders made of recorded requests.
//!
//! The corpus is not part of the repository: `PODMIRROR_CORPUS` names its folder. Without it this test says that it
//! was skipped.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a corpus that cannot be read fails the test"
)]

use std::{env, fs, path::PathBuf};

use mirror_core::{
    budget::Budget,
    http::{
        Input,
        h2::{Event, FieldList, Limits, Loss, PREFACE, Reader, Shared, hpack::Decoder},
    },
    random::Random,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const ENCODERS: [&str; 4] = [
    "nghttp2",
    "nghttp2-16384-4096",
    "nghttp2-change-table-size",
    "node-http2-hpack",
];

/// SHA-256 of the lines "index name: value" of RFC 7541 appendix A, made from the table of another implementation
/// (hpack 4.2.0 for Python).
const APPENDIX_A: &str = "61b0bff70cf8211a207425393c13bbe63956fdcf3651ea2e2aee7a0e793ea270";

#[test]
fn the_static_table_is_appendix_a() {
    let mut decoder = Decoder::new(&Budget::new(1 << 20));
    let mut list = FieldList::new(1 << 20);
    let mut hash = Sha256::new();
    for index in 1..=61 {
        decoder.decode(&[0x80 | index], &mut list).unwrap();
        for field in list.iter() {
            hash.update(format!("{index} "));
            hash.update(field.name);
            hash.update(": ");
            hash.update(field.value);
            hash.update("\n");
        }
    }
    let hash: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hash, APPENDIX_A);
    assert!(
        decoder.decode(&[0x80 | 62], &mut list).is_err(),
        "no entry 62"
    );
}

/// Name and value of each field.
type List = Vec<(String, String)>;

/// What one encoder made of recorded requests.
struct Story {
    name: String,
    /// The header blocks, in order.
    blocks: Vec<Vec<u8>>,
    lists: Vec<List>,
}

/// All stories of the corpus; `None`, said loudly, without one.
fn stories() -> Option<Vec<Story>> {
    let Some(corpus) = env::var_os("PODMIRROR_CORPUS") else {
        eprintln!("SKIPPED: PODMIRROR_CORPUS does not name a corpus (docs/CORPUS.md)");
        return None;
    };
    let corpus = PathBuf::from(corpus).join("hpack");
    if !corpus.exists() {
        eprintln!("SKIPPED: the corpus has no stories (docs/CORPUS.md)");
        return None;
    }
    let mut stories = Vec::new();
    for encoder in ENCODERS {
        let folder = corpus.join(encoder);
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let story: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            stories.push(Story::read(&story, path.display().to_string()));
        }
    }
    assert!(stories.len() >= 4 * 31, "only {} stories", stories.len());
    Some(stories)
}

impl Story {
    fn read(story: &Value, name: String) -> Self {
        let cases = story["cases"].as_array().unwrap();
        let list = |case: &Value| {
            let headers = case["headers"].as_array().unwrap().iter();
            headers
                .flat_map(|header| header.as_object().unwrap())
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect()
        };
        Self {
            name,
            blocks: cases
                .iter()
                .map(|case| bytes(case["wire"].as_str().unwrap()))
                .collect(),
            lists: cases.iter().map(list).collect(),
        }
    }

    /// Its blocks as the requests of a connection.
    fn connection(&self) -> Vec<u8> {
        let mut wire = PREFACE.to_vec();
        wire.extend(frame(4, 0, 0, &[]));
        for (block, stream) in self.blocks.iter().zip((1..).step_by(2)) {
            wire.extend(frame(1, 5, stream, block));
        }
        wire
    }

    /// The lists that are a whole request by RFC 9113: some were recorded in replies, some with `connection`, which came
    /// to be forbidden, and some with a body, which is left out here.
    fn requests(&self) -> Vec<Option<List>> {
        let is_request = |list: &&List| {
            let forbidden = |(name, value): &(String, String)| match &name[..] {
                ":status" | "connection" => true,
                "content-length" => value != "0",
                _ => false,
            };
            !list.iter().any(forbidden)
        };
        let lists = self.lists.iter();
        lists
            .map(|list| Some(list).filter(is_request).cloned())
            .collect()
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn texts(list: &FieldList) -> List {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    list.iter()
        .map(|field| (text(field.name), text(field.value)))
        .collect()
}

/// The lists of the requests that a reader finds, fed in these pieces; `None` for each malformed one.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Option<List>> {
    let mut shared = Shared::new(Limits::default(), Budget::new(1 << 20));
    let mut reader = Reader::new(&shared.budget);
    let mut lists = Vec::new();
    for bytes in pieces {
        let input = Input {
            bytes,
            starts_segment: true,
            ack: None,
        };
        reader.handle_data(input, &mut shared, &mut |event| match event {
            Event::Head(head) => lists.push(Some(texts(head.fields))),
            Event::End { .. } => {}
            Event::Lost { why, .. } => {
                assert_eq!(why, Loss::Malformed);
                lists.push(None);
            }
            other => panic!("{other:?}"),
        });
    }
    lists
}

#[test]
fn every_story_decodes_to_its_headers() {
    let mut blocks = 0;
    for story in stories().unwrap_or_default() {
        let mut decoder = Decoder::new(&Budget::new(1 << 20));
        let mut list = FieldList::new(1 << 20);
        for (number, (block, expected)) in story.blocks.iter().zip(&story.lists).enumerate() {
            decoder.decode(block, &mut list).unwrap();
            assert_eq!(texts(&list), *expected, "{}, block {number}", story.name);
            blocks += 1;
        }
    }
    println!("{blocks} header blocks");
}

#[test]
fn every_story_is_a_connection_of_its_requests() {
    let (mut requests, mut malformed) = (0, 0);
    for (number, story) in stories().unwrap_or_default().iter().enumerate() {
        let (wire, expected) = (story.connection(), story.requests());
        let whole = read([&wire[..]].into_iter());
        assert!(whole == expected, "{}", story.name);
        for step in [1, 1400] {
            let lists = read(wire.chunks(step));
            assert!(lists == expected, "{} every {step}", story.name);
        }
        let mut random = Random::new(number as u64);
        for _ in 0..4 {
            let (one, two) = wire.split_at(random.below(wire.len()));
            let lists = read([one, two].into_iter());
            assert!(lists == expected, "{} at {}", story.name, one.len());
        }
        requests += expected.iter().flatten().count();
        malformed += expected.iter().filter(|list| list.is_none()).count();
    }
    println!("{requests} requests, {malformed} malformed");
}

/// The shortest story of each encoder, cut in two at every byte.
#[test]
fn short_stories_may_be_cut_anywhere() {
    let all = stories().unwrap_or_default();
    for encoder in ENCODERS {
        let of_encoder = all
            .iter()
            .filter(|story| story.name.contains(&format!("/{encoder}/")));
        let shortest = of_encoder.min_by_key(|story| story.connection().len());
        let Some(story) = shortest else {
            continue;
        };
        let (wire, expected) = (story.connection(), story.requests());
        for cut in 0..=wire.len() {
            let (one, two) = wire.split_at(cut);
            let lists = read([one, two].into_iter());
            assert!(lists == expected, "{} at {cut}", story.name);
        }
        println!("{}: {} cuts", story.name, wire.len() + 1);
    }
}
