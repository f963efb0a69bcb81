//! Bodies: their encoding is taken off, and JSON is read.

use std::io::{Read, Take};

use brotli_decompressor::Decompressor;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use mirror_core::http::h2;
use ruzstd::decoding::StreamingDecoder;

use super::{
    documents,
    found::Found,
    grpc::{self, Messages, NoMessages},
    head::Head,
    json::{BadJson, Json},
    kept::Kept,
    rules::ContentRules,
};

/// A body may decode to so many times what is kept of one as sent.
const LARGER: usize = 4;
/// Most encodings of one body.
const ENCODINGS: usize = 2;
/// Most that zstd may refer back to (RFC 9659 section 3).
const ZSTD_WINDOW: u64 = 8 << 20;
const BROTLI_BUFFER: usize = 4 << 10;

/// Why the bodies of a request are not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    TooLong,
    UnknownEncoding,
    TooDeep,
}

/// A body, without its encoding.
#[derive(Debug)]
pub(super) enum Body {
    Bytes(Vec<u8>),
    Json(Json),
    /// Of gRPC.
    Messages(Messages),
    /// More than is kept: its size, and a hash of what is not kept.
    Long {
        kept: Vec<u8>,
        length: u64,
        rest: u64,
    },
    /// It is not what its encoding says, or no messages of gRPC.
    Broken,
    Unknown(Why),
}

impl Body {
    /// Decodes what is kept of a body, as its head says.
    pub(super) fn read(kept: &Kept, head: &Head<'_>, rules: &ContentRules) -> Self {
        let kind = head.value("content-type").to_ascii_lowercase();
        let is_json = kind.windows(4).any(|it| it == b"json");
        let is_call = h2::is_grpc(&kind);
        let encoding = match is_call {
            true => head.value("grpc-encoding"),
            false => head.value("content-encoding"),
        };
        let encodings: Vec<_> = encoding
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .filter(|one| !one.is_empty() && !one.eq_ignore_ascii_case(b"identity"))
            .collect();
        let body = kept.body.clone();
        if kept.length > body.len() as u64 {
            if (is_json && !is_call) || !encodings.is_empty() {
                return Self::Unknown(Why::TooLong);
            }
            return Self::Long {
                kept: body,
                length: kept.length,
                rest: kept.rest.value(),
            };
        }
        if body.is_empty() {
            // As after HEAD, whatever its encoding would be.
            return Self::Bytes(body);
        }
        let limit = rules.body.saturating_mul(LARGER);
        if is_call {
            return match Messages::read(&body, &encoding, limit) {
                Ok(messages) => Self::Messages(messages),
                Err(NoMessages::Broken) => Self::Broken,
                Err(NoMessages::Unknown(why)) => Self::Unknown(why),
            };
        }
        if encodings.len() > ENCODINGS {
            return Self::Unknown(Why::UnknownEncoding);
        }
        let decoded = encodings
            .iter()
            .rev()
            .try_fold(body, |body, encoding| decode(&body, encoding, limit));
        match decoded {
            Err(body) => body,
            Ok(bytes) if !is_json => Self::Bytes(bytes),
            Ok(bytes) => match Json::read(&bytes, rules) {
                Ok(json) => Self::Json(json),
                Err(BadJson::TooDeep) => Self::Unknown(Why::TooDeep),
                Err(BadJson::Invalid) => Self::Bytes(bytes),
            },
        }
    }
}

/// Finds what differs between two bodies that are not the same bytes.
///
/// # Errors
/// One of them can't be compared.
pub(super) fn compare(
    ours: &Body,
    theirs: &Body,
    rules: &ContentRules,
    found: &mut Found,
) -> Result<(), Why> {
    let of = |body: &Body| body.describe();
    match (ours, theirs) {
        (Body::Unknown(why), _) | (_, Body::Unknown(why)) => return Err(*why),
        (Body::Json(ours), Body::Json(theirs)) => documents::compare(ours, theirs, rules, found),
        (Body::Messages(ours), Body::Messages(theirs)) => grpc::compare(ours, theirs, found),
        (Body::Bytes(ours), Body::Bytes(theirs)) if ours == theirs => {}
        (Body::Broken, _) | (_, Body::Broken) => {
            found.add("body encoding", Some(|| of(ours)), Some(|| of(theirs)));
        }
        (
            Body::Long { kept, length, rest },
            Body::Long {
                kept: other,
                length: other_length,
                rest: other_rest,
            },
        ) if (kept, length, rest) == (other, other_length, other_rest) => {}
        _ => found.add(
            "body",
            (!ours.is_empty()).then_some(|| of(ours)),
            (!theirs.is_empty()).then_some(|| of(theirs)),
        ),
    }
    Ok(())
}

impl Body {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }

    /// Its size only: what is in it is nobody's to see.
    fn describe(&self) -> String {
        match self {
            Self::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Self::Json(json) => format!("JSON, {json}"),
            Self::Messages(messages) => messages.describe(),
            Self::Long { length, .. } => format!("{length} bytes"),
            Self::Broken => "not what its encoding says".to_owned(),
            Self::Unknown(_) => "not looked at".to_owned(),
        }
    }
}

/// Takes the encoding off one message of gRPC: one of those that gRPC knows.
pub(super) fn decode_message(
    bytes: &[u8],
    encoding: &[u8],
    limit: usize,
) -> Result<Vec<u8>, NoMessages> {
    if ![&b"gzip"[..], b"deflate"].contains(&encoding) {
        return Err(NoMessages::Unknown(Why::UnknownEncoding));
    }
    decode(bytes, encoding, limit).map_err(|body| match body {
        Body::Unknown(why) => NoMessages::Unknown(why),
        _ => NoMessages::Broken,
    })
}

/// Takes off one encoding (RFC 9110 section 8.4.1).
fn decode(bytes: &[u8], encoding: &[u8], limit: usize) -> Result<Vec<u8>, Body> {
    let is = |name: &[u8]| encoding.eq_ignore_ascii_case(name);
    if is(b"gzip") || is(b"x-gzip") {
        take(MultiGzDecoder::new(bytes), limit)
    } else if is(b"deflate") {
        take(ZlibDecoder::new(bytes), limit)
    } else if is(b"br") {
        take(Decompressor::new(bytes, BROTLI_BUFFER), limit)
    } else if is(b"zstd") {
        unzstd(bytes, limit)
    } else {
        Err(Body::Unknown(Why::UnknownEncoding))
    }
}

fn take(reader: impl Read, limit: usize) -> Result<Vec<u8>, Body> {
    let mut reader: Take<_> = reader.take(limit as u64 + 1);
    let mut decoded = Vec::new();
    match reader.read_to_end(&mut decoded) {
        Ok(length) if length > limit => Err(Body::Unknown(Why::TooLong)),
        Ok(_) => Ok(decoded),
        Err(_) => Err(Body::Broken),
    }
}

/// One frame after the other.
fn unzstd(mut bytes: &[u8], limit: usize) -> Result<Vec<u8>, Body> {
    let mut decoded = Vec::new();
    while !bytes.is_empty() {
        let frame = StreamingDecoder::new_with_max_window_size(&mut bytes, ZSTD_WINDOW);
        let frame = frame.map_err(|_| Body::Broken)?;
        decoded.extend(take(frame, limit - decoded.len())?);
    }
    Ok(decoded)
}
