//! gRPC over HTTP/2: messages in frames, and a status behind them
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
//!
//! What messages say only their own schemas tell: they are compared as bytes, once their encoding is taken off.

use std::ops::Range;

pub(crate) use mirror_core::http::h2::{GRPC_UNKNOWN as UNKNOWN, grpc_status as status};

use super::{
    body::{Why, decode_message},
    found::Found,
};

/// Whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Most compressed messages of one reply: each begins a decoder anew.
const COMPRESSED: usize = 256;

/// What a gateway to HTTP makes of an answer (`google/rpc/code.proto`): `http` is its own status.
pub(crate) const fn as_http(http: u16, status: u32) -> u16 {
    if http >= 300 {
        return http;
    }
    match status {
        0 => http,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        // INTERNAL, DATA_LOSS, UNKNOWN, and what is none.
        _ => 500,
    }
}

/// The messages of a reply, without their encoding.
#[derive(Debug)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    /// Where each of them is.
    places: Vec<Range<usize>>,
}

/// Why there are no messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoMessages {
    /// The bytes are not what they should be.
    Broken,
    /// They can't be looked at.
    Unknown(Why),
}

impl Messages {
    /// Reads the frames of a body, whose compressed messages have this encoding; all of them decode to at most
    /// `limit` bytes.
    pub(super) fn read(mut body: &[u8], encoding: &[u8], limit: usize) -> Result<Self, NoMessages> {
        let mut messages = Self {
            bytes: Vec::new(),
            places: Vec::new(),
        };
        let mut left = COMPRESSED;
        while !body.is_empty() {
            let Some(([compressed, a, b, c, d], rest)) = body.split_first_chunk::<PREFIX>() else {
                return Err(NoMessages::Broken);
            };
            let length =
                usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
            let (message, rest) = rest.split_at_checked(length).ok_or(NoMessages::Broken)?;
            body = rest;
            let from = messages.bytes.len();
            match compressed {
                0 => messages.bytes.extend_from_slice(message),
                1 => {
                    left = left
                        .checked_sub(1)
                        .ok_or(NoMessages::Unknown(Why::TooDeep))?;
                    let room = limit.saturating_sub(from);
                    let message = decode_message(message, encoding, room)?;
                    messages.bytes.extend(message);
                }
                _ => return Err(NoMessages::Broken),
            }
            messages.places.push(from..messages.bytes.len());
        }
        Ok(messages)
    }

    fn get(&self, place: usize) -> Option<&[u8]> {
        self.bytes.get(self.places.get(place)?.clone())
    }

    /// How many there are, in words.
    pub(super) fn describe(&self) -> String {
        format!("{} messages", self.places.len())
    }
}

/// Finds what differs: how many messages there are, and how the first that differs does.
pub(super) fn compare(ours: &Messages, theirs: &Messages, found: &mut Found) {
    if ours.places.len() != theirs.places.len() {
        found.add(
            "grpc messages",
            Some(|| ours.describe()),
            Some(|| theirs.describe()),
        );
    }
    let common = ours.places.len().min(theirs.places.len());
    let mut pairs =
        (0..common).filter_map(|place| Some((place, ours.get(place)?, theirs.get(place)?)));
    let Some((place, our, their)) = pairs.find(|(_, our, their)| our != their) else {
        return;
    };
    let number = place + 1;
    if our.len() != their.len() {
        let length = |message: &[u8]| format!("message {number}: {} bytes", message.len());
        let (our, their) = (Some(|| length(our)), Some(|| length(their)));
        return found.add("grpc message length", our, their);
    }
    // Their bytes are nobody's to see.
    let mut bytes = our.iter().zip(their);
    let at = bytes.position(|(our, their)| our != their).unwrap_or(0);
    let length = our.len();
    let place = || format!("message {number}, {length} bytes: others from byte {at} on");
    found.add("grpc message", Some(place), Some(place));
}
