//! Trailers without their secrets: what is hidden in a head is hidden behind a chunked body, too.

use std::borrow::Cow;

use super::{field::FieldName, field_rules::REDACTED};
use crate::http::chunked::{Decoder, TrailerByte};

/// Replaces the values of some trailers of one chunked body, which may come in pieces.
///
/// Keeps at most as many bytes as the longest of the names has.
#[derive(Debug)]
pub struct Trailers {
    names: Vec<FieldName>,
    longest: usize,
    decoder: Decoder,
    /// The beginning of a field line, while its name may be one of these.
    name: Vec<u8>,
    /// Whether the name at hand is longer than any of these.
    long: bool,
    /// Whether the value at hand is hidden.
    hides: bool,
}

impl Trailers {
    /// For one body, in which these are hidden; `None` if there are none.
    pub fn hiding<'a>(names: impl Iterator<Item = &'a FieldName>) -> Option<Self> {
        let names: Vec<FieldName> = names.cloned().collect();
        let longest = names.iter().map(|name| name.as_str().len()).max()?;
        Some(Self {
            names,
            longest,
            decoder: Decoder::default(),
            name: Vec::new(),
            long: false,
            hides: false,
        })
    }

    /// Takes the next bytes of the body as they stood on the wire, and returns what to pass on instead.
    pub fn feed<'a>(&mut self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        let before = self.decoder.before_trailers(raw);
        let Some((body, trailers)) = raw
            .split_at_checked(before)
            .filter(|(_, it)| !it.is_empty())
        else {
            return Cow::Borrowed(raw);
        };
        let mut out = body.to_vec();
        for byte in trailers {
            match self.decoder.step(*byte) {
                TrailerByte::Name => {
                    self.name.push(*byte);
                    self.long |= self.name.len() > self.longest;
                    if self.long {
                        out.append(&mut self.name);
                    }
                }
                TrailerByte::Colon => {
                    let is_it = |name: &FieldName| name.matches(&self.name);
                    self.hides = !self.long && self.names.iter().any(is_it);
                    self.long = false;
                    out.append(&mut self.name);
                    out.push(b':');
                    if self.hides {
                        out.push(b' ');
                        out.extend_from_slice(REDACTED);
                    }
                }
                TrailerByte::Value if self.hides => {}
                TrailerByte::Value | TrailerByte::End => out.push(*byte),
            }
        }
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(names: &[&str], raw: &str, step: usize) -> String {
        let names: Vec<FieldName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let mut trailers = Trailers::hiding(names.iter()).unwrap();
        let mut out = Vec::new();
        for piece in raw.as_bytes().chunks(step) {
            out.extend_from_slice(&trailers.feed(piece));
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn named_trailers_lose_their_values_and_nothing_else_changes() {
        let body = "5;x=y\r\nKey: \r\n00a\r\n0\r\nKey: x\r\n\r\n0\r\n";
        for (trailers, expected) in [
            ("", ""),
            ("Other: 1\r\n", "Other: 1\r\n"),
            (
                "key:secret\r\nKEY: \t secret \r\n",
                "key: redacted\r\nKEY: redacted\r\n",
            ),
            (
                "Key: secret\r\nKeys: 1\r\nKe: 2\r\n",
                "Key: redacted\r\nKeys: 1\r\nKe: 2\r\n",
            ),
            (
                "A-Much-Longer-Name: v\r\nB: \r\n",
                "A-Much-Longer-Name: v\r\nB: \r\n",
            ),
            ("Authorization: a:b\r\n", "Authorization: redacted\r\n"),
        ] {
            let raw = format!("{body}{trailers}\r\n");
            for step in 1..=raw.len() {
                let out = hidden(&["Key", "authorization"], &raw, step);
                assert_eq!(out, format!("{body}{expected}\r\n"), "pieces of {step}");
            }
        }
    }

    #[test]
    fn a_piece_without_trailers_is_passed_on_as_it_is() {
        let names: [FieldName; 1] = ["Key".parse().unwrap()];
        let mut trailers = Trailers::hiding(names.iter()).unwrap();
        assert!(matches!(
            trailers.feed(b"3\r\nabc\r\n0\r"),
            Cow::Borrowed(_)
        ));
        assert!(matches!(trailers.feed(b"\n"), Cow::Borrowed(_)));
        assert!(matches!(trailers.feed(b"\r\n"), Cow::Owned(_)));
        assert!(Trailers::hiding([].iter()).is_none());
    }
}
