//! What a reader said, checked as it is said.

use std::collections::{BTreeMap, BTreeSet};

use mirror_core::http::h2::{Event, FieldList, Loss, Refusal};

/// An event with bytes of its own; bodies are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Head(u32, Fields),
    Body(u32, Vec<u8>),
    Trailers(u32, Fields),
    End(u32),
    Reset(u32, u32),
    Lost(u32, Loss),
    ConnectionLost(Refusal),
    OutOfStep,
}

/// Name, value, and whether it is never indexed.
type Fields = Vec<(Vec<u8>, Vec<u8>, bool)>;

#[derive(Default)]
pub(super) struct Told {
    said: Vec<Said>,
    /// Streams with a head and no end, and how long their bodies are to be.
    open: BTreeMap<u32, Option<u64>>,
    heads: BTreeSet<u32>,
    lost: bool,
}

impl Told {
    pub(super) fn note(&mut self, event: &Event<'_>) {
        let one = match event {
            Event::Head(head) => {
                assert!(!self.lost && self.heads.insert(head.stream), "told twice");
                assert!(!head.method.is_empty() && !head.path.is_empty());
                let mut lengths = head.fields.iter();
                let length = lengths.find(|field| field.name == b"content-length");
                let length =
                    length.and_then(|field| str::from_utf8(field.value).ok()?.parse().ok());
                self.open.insert(head.stream, length);
                Said::Head(head.stream, fields(head.fields))
            }
            Event::Body { stream, bytes } => {
                assert!(!bytes.is_empty());
                let length = self.open.get_mut(stream).expect("of an open request");
                if let Some(length) = length {
                    *length -= bytes.len() as u64;
                }
                if let Some(Said::Body(last, body)) = self.said.last_mut()
                    && last == stream
                {
                    body.extend_from_slice(bytes);
                    return;
                }
                Said::Body(*stream, bytes.to_vec())
            }
            Event::Trailers { stream, fields: of } => {
                assert!(self.open.contains_key(stream));
                Said::Trailers(*stream, fields(of))
            }
            Event::End { stream } => {
                let left = self.open.remove(stream).expect("of an open request");
                assert!(matches!(left, None | Some(0)), "{left:?} bytes are missing");
                Said::End(*stream)
            }
            Event::Reset { stream, code } => {
                assert!(!self.lost);
                self.open.remove(stream);
                Said::Reset(*stream, *code)
            }
            Event::Lost { stream, why } => {
                let counted = self.open.remove(stream).is_some() || self.heads.insert(*stream);
                assert!(counted, "stream {stream} is lost twice");
                Said::Lost(*stream, *why)
            }
            Event::ConnectionLost(why) => {
                assert!(self.open.is_empty() && !self.lost);
                self.lost = true;
                Said::ConnectionLost(*why)
            }
            Event::OutOfStep => {
                assert!(self.lost);
                Said::OutOfStep
            }
        };
        self.said.push(one);
    }

    /// v1 has closed a stream; says whether its request was open.
    pub(super) fn forget(&mut self, stream: u32) -> bool {
        self.open.remove(&stream).is_some()
    }

    pub(super) fn end(self) -> Vec<Said> {
        assert!(self.open.is_empty(), "without an end: {:?}", self.open);
        self.said
    }
}

fn fields(list: &FieldList) -> Fields {
    list.iter()
        .map(|field| {
            let (name, value) = (field.name.to_vec(), field.value.to_vec());
            (name, value, field.never_indexed)
        })
        .collect()
}
