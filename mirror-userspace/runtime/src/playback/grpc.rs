//! What of a request is gRPC's.

use mirror_core::http::h2;
use serde::Serialize;

/// Before each message: whether it is compressed, and its length in four bytes (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// A call of gRPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grpc {
    /// The service with its package: all of `:path` between its first and its last slash.
    pub service: String,
    /// The method: all behind the last slash.
    pub method: String,
    /// Whole messages in the body.
    pub messages: u64,
}

impl Grpc {
    /// `None` unless the content type says that it is gRPC.
    pub(super) fn of(head: &h2::Head<'_>) -> Option<Self> {
        let mut fields = head.fields.iter();
        let kind = fields.find(|field| field.name == b"content-type")?;
        if !h2::is_grpc(kind.value) {
            return None;
        }
        let path = String::from_utf8_lossy(head.path);
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (service, method) = path.rsplit_once('/').unwrap_or(("", path));
        Some(Self {
            service: service.to_owned(),
            method: method.to_owned(),
            messages: 0,
        })
    }
}

/// Counts messages in a body that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Messages {
    whole: u64,
    prefix: [u8; PREFIX],
    /// Bytes of the prefix so far.
    have: usize,
    /// Bytes of the message that are still to come.
    left: u32,
}

impl Messages {
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.have < PREFIX {
                let wanted = self.prefix.iter_mut().skip(self.have);
                let mut taken = 0;
                for (place, byte) in wanted.zip(bytes) {
                    *place = *byte;
                    taken += 1;
                }
                self.have += taken;
                bytes = bytes.get(taken..).unwrap_or_default();
                if self.have < PREFIX {
                    return;
                }
                let [_, a, b, c, d] = self.prefix;
                self.left = u32::from_be_bytes([a, b, c, d]);
            }
            let taken =
                usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            bytes = bytes.get(taken..).unwrap_or_default();
            self.left -= u32::try_from(taken).unwrap_or(self.left);
            if self.left > 0 {
                return;
            }
            self.whole += 1;
            self.have = 0;
        }
    }

    pub(super) const fn whole(&self) -> u64 {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u32) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(len.to_be_bytes());
        bytes.resize(PREFIX + len as usize, b'x');
        bytes
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let body = [message(3), message(0), message(300), message(1)].concat();
        for len in 1..=body.len() {
            let mut messages = Messages::default();
            body.chunks(len).for_each(|piece| messages.feed(piece));
            assert_eq!(messages.whole(), 4, "pieces of {len}");
        }
    }

    #[test]
    fn a_message_that_is_cut_short_does_not_count() {
        let body = [message(3), message(9)].concat();
        for end in 8..body.len() {
            let mut messages = Messages::default();
            messages.feed(&body[..end]);
            assert_eq!(messages.whole(), 1, "{end}");
        }
    }
}
