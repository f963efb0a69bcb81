//! What matters of a reply's fields (RFC 9113 section 8.3.2): how v2 answered.

use mirror_core::http::{
    self,
    h2::{self, FieldList},
};

use crate::compare::grpc;

/// What a header block of a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// The head of an interim reply: the final one follows (RFC 9110 section 15.2).
    Interim,
    /// The head of the final reply, and the status of gRPC that a reply without a body says there; `is_call`: it
    /// is one of gRPC.
    Head {
        status: u16,
        grpc: Option<u32>,
        is_call: bool,
        /// The seconds that `Retry-After` states (RFC 9110 section 10.2.3).
        retry_after: Option<u32>,
    },
    /// The fields behind the body.
    Trailers { grpc: Option<u32> },
    /// Neither: the fields break the rules for replies.
    Malformed,
}

/// Reads a block; `answered`: the head of the final reply has come.
pub(super) fn read(list: &FieldList, answered: bool) -> Fields {
    if list.is_too_large() {
        return Fields::Malformed;
    }
    let (mut status, mut grpc, mut is_call) = (None, None, false);
    let mut retry_after = None;
    for (place, field) in list.iter().enumerate() {
        match field.name {
            b":status" if place == 0 => status = Some(field.value),
            // Section 8.3: pseudo-header fields come first; there is one of replies.
            [b':', ..] => return Fields::Malformed,
            b"content-type" => is_call = h2::is_grpc(field.value),
            b"grpc-status" if grpc.is_none() => grpc = Some(grpc::status(field.value)),
            b"retry-after" => retry_after = http::reply::seconds(field.value),
            _ => {}
        }
    }
    match (answered, status) {
        (true, None) => Fields::Trailers { grpc },
        (false, Some(status)) => match three_digits(status) {
            // An upgrade does not exist here (section 8.6).
            None | Some(101) => Fields::Malformed,
            Some(100..=199) => Fields::Interim,
            Some(status) => Fields::Head {
                status,
                grpc,
                is_call,
                retry_after,
            },
        },
        _ => Fields::Malformed,
    }
}

/// Whether this status of gRPC says that the target has no room for a call, as 429 and 503 do of a request:
/// RESOURCE_EXHAUSTED or UNAVAILABLE (<https://grpc.io/docs/guides/status-codes/>).
pub(super) const fn has_no_room(status: u32) -> bool {
    matches!(status, 8 | 14)
}

/// The milliseconds to wait for that the fields of a call's end state (gRPC proposal A6); less than nothing, which is
/// not to try again at all, is no time.
pub(super) fn pushback(list: &FieldList) -> Option<u32> {
    let mut fields = list.iter();
    let said = fields.find(|field| field.name == b"grpc-retry-pushback-ms")?;
    str::from_utf8(said.value).ok()?.parse().ok()
}

fn three_digits(text: &[u8]) -> Option<u16> {
    let [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = text else {
        return None;
    };
    str::from_utf8(text).ok()?.parse().ok()
}
