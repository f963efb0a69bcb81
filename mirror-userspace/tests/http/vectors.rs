//! Request vectors that other projects wrote, with the verdicts of their parsers.
//!
//! They are not part of this repository: the folder that `PODMIRROR_CORPUS` names holds them in
//! `vectors/`, as JSON with the input in base64. Where we say something else than the vector, the
//! table [`DIFFERENT`] says what and why; nothing else may differ.

use std::io::Write;

use data_encoding::BASE64;
use mirror_core::http::{Framing, Lost, Protocol, Version, chunked};
use serde_json::Value;

use crate::feed::{Request, Said, complete, every_way, lost, protocols, text};

/// The vectors that we judge otherwise: how many requests we take, and why.
///
/// Where we take less, the vector mostly shows what its parser does when it is told to be lenient,
/// which we never are; where we take more, it is a method that its parser does not know.
const DIFFERENT: &[(&str, usize, &str)] = &[
    (
        "connection:637",
        0,
        "RFC 9112 section 5.1: no space before the colon",
    ),
    (
        "content-length:189",
        0,
        "RFC 9112 section 5.1: no space before the colon",
    ),
    (
        "invalid:181",
        0,
        "RFC 9112 section 2.2: a bare CR is no line end",
    ),
    (
        "invalid:356",
        1,
        "RFC 9110 section 9.1: any token is a method",
    ),
    (
        "invalid:66",
        1,
        "RFC 9110 section 9.1: any token is a method",
    ),
    ("invalid:686", 0, "RFC 9112 section 5.2: no line folding"),
    (
        "lenient-version:4",
        0,
        "RFC 9112 section 2.3: HTTP/1.0 and HTTP/1.1 only",
    ),
    ("method:372", 0, "RFC 9112 section 2.3: ICE is not HTTP"),
    ("method:400", 0, "RFC 9112 section 2.3: RTSP is not HTTP"),
    (
        "sample:314",
        0,
        "RFC 9112 section 3: a request line has a version",
    ),
    ("sample:571", 0, "RFC 9112 section 5.2: no line folding"),
    (
        "transfer-encoding:1025",
        0,
        "RFC 9112 section 7.1: a chunk-size line ends in CRLF",
    ),
    (
        "transfer-encoding:793",
        0,
        "RFC 9112 section 11.2: two Transfer-Encoding lines, which servers read differently",
    ),
    (
        "garden:632",
        0,
        "RFC 9112 section 11.2: an empty element, which servers read differently",
    ),
    (
        "pico-request:157",
        0,
        "RFC 9112 section 3: single spaces in the request line",
    ),
    (
        "garden:545",
        2,
        "RFC 9112 section 2.2: an empty line between requests, here one that ends in a bare LF",
    ),
    (
        "pipelining:4",
        1,
        "RFC 9112 section 3.2: without Host v1 must refuse the first, and what stands behind it is not proven",
    ),
    (
        "transfer-encoding:1184",
        1,
        "RFC 9112 section 7.1.1: white space behind a chunk size, which nginx and Go skip",
    ),
    (
        "uri:148",
        1,
        "RFC 3986 section 2: bytes beyond ASCII, which nginx, Go and Node.js take as they are",
    ),
    (
        "pico-chunked:448",
        0,
        "RFC 9112 section 2.2: a bare LF is no line end, in trailers neither",
    ),
];

/// The vectors of one file; `None`, said loudly, if there is no corpus.
fn vectors(file: &str) -> Option<Vec<Value>> {
    let Some(corpus) = std::env::var_os("PODMIRROR_CORPUS") else {
        // Not `eprintln`: that is kept from the reader when a test passes.
        let skipped = format!("SKIPPED: PODMIRROR_CORPUS is not set, {file} was not tried\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return None;
    };
    let path = std::path::Path::new(&corpus).join("vectors").join(file);
    let json = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut json: Value = serde_json::from_slice(&json).unwrap();
    let Value::Array(vectors) = json["vectors"].take() else {
        panic!("{}: no vectors", path.display())
    };
    assert!(!vectors.is_empty());
    Some(vectors)
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn input(vector: &Value) -> Vec<u8> {
    bytes(&vector["input_b64"])
}

fn id(vector: &Value) -> &str {
    vector["id"].as_str().unwrap()
}

/// The content of a request's body, the chunked coding taken off.
fn content(request: &Request, body: &[u8]) -> Vec<u8> {
    match request.framing {
        Framing::Chunked => chunked::decode(body).expect("a complete body"),
        _ => body.to_vec(),
    }
}

/// Whether a stream was refused somewhere: not HTTP/1, or not understood.
fn refused(said: &[Said]) -> bool {
    !lost(said).is_empty()
        || protocols(said)
            .iter()
            .any(|protocol| !matches!(protocol, Protocol::Http1 | Protocol::Upgraded))
}

/// The requests that a parser is said to have completed.
fn completed(verdict: &Value) -> Vec<&Value> {
    let requests = verdict["requests"].as_array().unwrap();
    requests
        .iter()
        .filter(|request| request["complete"] == true)
        .collect()
}

/// Tries every vector of a file: `stream` makes bytes of it, `check` has the expectation.
fn run(
    file: &str,
    stream: impl Fn(&Value) -> Vec<u8>,
    check: impl Fn(&Value, &[Said]) -> Result<(), String>,
) {
    let Some(vectors) = vectors(file) else { return };
    let mut wrong = Vec::new();
    for vector in &vectors {
        let stream = stream(vector);
        let said = every_way(&stream);
        let verdict = check(vector, &said);
        let different = DIFFERENT.iter().find(|(known, ..)| *known == id(vector));
        match (verdict, different) {
            (Ok(()), None) => {}
            (Err(_), Some((_, taken, _))) if complete(&said).len() == *taken => {}
            (verdict, _) => wrong.push(format!(
                "{}: {verdict:?}\n  {}\n  {said:?}",
                id(vector),
                text(&stream)
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        vectors.len(),
        wrong.join("\n")
    );
}

/// Compares what we completed with the verdict of llhttp, request by request.
fn same_requests(said: &[Said], expected: &[&Value]) -> Result<(), String> {
    let ours = complete(said);
    if ours.len() != expected.len() {
        return Err(format!(
            "{} requests instead of {}",
            ours.len(),
            expected.len()
        ));
    }
    for ((request, body), expected) in ours.iter().zip(expected) {
        let target = expected.get("url").unwrap_or(&expected["target"]);
        let content = content(request, body);
        let version = match request.version {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
        };
        let same = expected["method"] == *request.method
            && *target == *request.target
            && expected["body_len"] == content.len()
            && expected
                .get("version")
                .is_none_or(|expected| *expected == version)
            && expected
                .get("body_b64")
                .is_none_or(|expected| bytes(expected) == content)
            && expected
                .get("headers")
                .is_none_or(|headers| same_fields(request, headers));
        if !same {
            return Err(format!("differs from {expected}"));
        }
    }
    Ok(())
}

/// The vectors write bytes as the characters of these numbers, and leave the white space behind a
/// value in it (RFC 9112 section 5.1 does not).
fn same_fields(request: &Request, headers: &Value) -> bool {
    let theirs = headers.as_array().unwrap().iter().map(|pair| {
        let part = |index: usize| pair[index].as_str().unwrap();
        let value = part(1).trim_end_matches([' ', '\t']);
        let value = value.chars().map(|byte| u8::try_from(byte).unwrap());
        (part(0).to_owned(), value.collect::<Vec<_>>())
    });
    theirs.eq(request.fields.iter().cloned())
}

#[test]
fn llhttp() {
    run("llhttp_request.json", input, |vector, said| {
        let verdict = &vector["expected"];
        same_requests(said, &completed(verdict))?;
        // "Pause on CONNECT/Upgrade" is how llhttp says that the rest is not HTTP.
        let error = verdict["error"]["code"]
            .as_u64()
            .is_some_and(|code| code != 22);
        if error && !refused(said) {
            return Err("not refused".into());
        }
        Ok(())
    });
}

#[test]
fn http_garden() {
    run("http_garden.json", input, |vector, said| {
        let (llhttp, h11) = (&vector["llhttp_strict"], &vector["h11"]);
        same_requests(said, &completed(llhttp))?;
        let error = !llhttp["error"].is_null() || !h11["error"].is_null();
        if error && !refused(said) {
            return Err("not refused".into());
        }
        Ok(())
    });
}

/// A chunked body needs a head before it, and an end where the vector leaves the trailers out.
fn picohttpparser_stream(vector: &Value) -> Vec<u8> {
    let mut stream = input(vector);
    if vector["kind"] == "chunked-body" {
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.splice(..0, *head);
        if vector["consume_trailer"] == false && vector["bytes_left_after"] == 0 {
            stream.extend_from_slice(b"\r\n");
        }
    }
    stream
}

#[test]
fn picohttpparser() {
    run(
        "picohttpparser.json",
        picohttpparser_stream,
        |vector, said| {
            let ours = complete(said);
            match (vector["expected"].as_str().unwrap(), &*ours) {
                ("ok", [(request, body)]) => {
                    let decoded = vector.get("decoded_b64").map(bytes);
                    let same = decoded.is_none_or(|decoded| decoded == content(request, body))
                        && vector
                            .get("fields")
                            .is_none_or(|fields| same_head(request, fields));
                    same.then_some(()).ok_or("differs".into())
                }
                ("error", []) if refused(said) => Ok(()),
                ("incomplete", []) if matches!(lost(said)[..], [] | [Lost::Truncated]) => Ok(()),
                (expected, _) => Err(format!("not {expected}")),
            }
        },
    );
}

fn same_head(request: &Request, fields: &Value) -> bool {
    let is = |key: &str, ours: &[u8]| fields.get(key).is_none_or(|theirs| bytes(theirs) == ours);
    let minor = u8::from(request.version == Version::Http11);
    let headers = fields.get("headers").and_then(Value::as_object);
    is("method_b64", request.method.as_bytes())
        && is("path_b64", request.target.as_bytes())
        && fields
            .get("minor_version")
            .is_none_or(|theirs| *theirs == minor)
        && fields
            .get("num_headers")
            .is_none_or(|theirs| *theirs == request.fields.len())
        && headers.into_iter().flatten().all(|(index, theirs)| {
            let (name, value) = &request.fields[index.parse::<usize>().unwrap()];
            bytes(&theirs["name_b64"]) == name.as_bytes() && bytes(&theirs["value_b64"]) == *value
        })
}
