//! The stories of http2jp/hpack-test-case: what four encoders made of recorded requests.
//!
//! The corpus is not part of the repository: `PODMIRROR_CORPUS` names its folder. Without it this test says that it
//! was skipped.
#![expect(
    clippy::unwrap_used,
    reason = "a corpus that cannot be read fails the test"
)]

use std::{env, fs, path::PathBuf};

use mirror_core::{
    budget::Budget,
    http::h2::{FieldList, hpack::Decoder},
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

#[test]
fn every_story_decodes_to_its_headers() {
    let Some(corpus) = env::var_os("PODMIRROR_CORPUS") else {
        eprintln!("SKIPPED: PODMIRROR_CORPUS does not name a corpus (docs/CORPUS.md)");
        return;
    };
    let (mut stories, mut blocks) = (0, 0);
    for encoder in ENCODERS {
        let folder = PathBuf::from(&corpus).join("hpack").join(encoder);
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let story: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            blocks += follow(&story, &path.display().to_string());
            stories += 1;
        }
    }
    println!("{stories} stories, {blocks} header blocks");
    assert!(stories >= 4 * 31, "only {stories} stories");
}

/// Decodes a story's blocks, one connection's, in order; says how many there were.
fn follow(story: &Value, name: &str) -> usize {
    let budget = Budget::new(1 << 20);
    let mut decoder = Decoder::new(&budget);
    let mut list = FieldList::new(1 << 20);
    let cases = story["cases"].as_array().unwrap();
    for case in cases {
        let wire = bytes(case["wire"].as_str().unwrap());
        decoder.decode(&wire, &mut list).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let decoded: Vec<_> = list
            .iter()
            .map(|field| (text(field.name), text(field.value)))
            .collect();
        let headers = case["headers"].as_array().unwrap().iter();
        let expected: Vec<_> = headers
            .flat_map(|header| header.as_object().unwrap())
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(decoded, expected, "{name}, block {}", case["seqno"]);
    }
    cases.len()
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
