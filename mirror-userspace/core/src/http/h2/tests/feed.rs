//! Streams to what is said of them.

use super::super::{Event, FieldList, Limits, Loss, Reader, Refusal, Shared};
use crate::{
    budget::Budget,
    http::{Input, Lost, tests::work},
};

/// An event with bytes of its own; bodies are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Head(u32, String),
    Body(u32, Vec<u8>),
    Trailers(u32, String),
    End(u32),
    Reset(u32, u32),
    Lost(u32, Loss),
    ConnectionLost(Refusal),
    OutOfStep,
}

/// A reader and what it said.
pub(super) struct Feed {
    pub(super) reader: Reader,
    pub(super) shared: Shared,
    pub(super) said: Vec<Said>,
}

/// What a stream cost.
pub(super) struct Cost {
    pub(super) said: Vec<Said>,
    pub(super) work: usize,
    pub(super) peak: usize,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self::with(Limits::default(), 1 << 20)
    }

    pub(super) fn with(limits: Limits, budget: usize) -> Self {
        let shared = Shared::new(limits, Budget::new(budget));
        Self {
            reader: Reader::new(&shared.budget),
            shared,
            said: Vec::new(),
        }
    }

    pub(super) fn data(&mut self, bytes: &[u8], starts_segment: bool) {
        let input = Input {
            bytes,
            starts_segment,
            ack: None,
        };
        let said = &mut self.said;
        self.reader
            .handle_data(input, &mut self.shared, &mut |event| note(said, &event));
    }

    pub(super) fn gap(&mut self, len: u64) {
        let said = &mut self.said;
        self.reader
            .handle_gap(len, &mut self.shared, &mut |event| note(said, &event));
    }

    pub(super) fn close(&mut self) {
        let said = &mut self.said;
        self.reader
            .handle_close(Lost::Truncated, &mut |event| note(said, &event));
        assert_eq!(self.shared.budget.used(), 0, "everything is given back");
    }

    /// What was said since the last time.
    pub(super) fn take(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }
}

/// What is said of a stream, in one piece, and in pieces of one byte; it has to be the same.
pub(super) fn said(stream: &[u8]) -> Vec<Said> {
    let [whole, bytes] = [stream.len().max(1), 1].map(|step| cost(stream, step).said);
    assert_eq!(whole, bytes);
    whole
}

/// What a stream costs in pieces of `step` bytes.
pub(super) fn cost(stream: &[u8], step: usize) -> Cost {
    let mut feed = Feed::new();
    let work = work::of(|| {
        for (number, bytes) in stream.chunks(step).enumerate() {
            feed.data(bytes, number == 0);
        }
    });
    feed.close();
    Cost {
        work,
        peak: feed.shared.budget.peak(),
        said: feed.said,
    }
}

pub(super) fn text(fields: &FieldList) -> String {
    let mut text = String::new();
    for field in fields.iter() {
        let mark = if field.never_indexed { "!" } else { "" };
        let (name, value) = (field.name.escape_ascii(), field.value.escape_ascii());
        text += &format!("{mark}{name}={value};");
    }
    text
}

fn note(said: &mut Vec<Said>, event: &Event<'_>) {
    let one = match event {
        Event::Head(head) => Said::Head(head.stream, text(head.fields)),
        Event::Body { stream, bytes } => {
            assert!(!bytes.is_empty());
            if let Some(Said::Body(last, body)) = said.last_mut()
                && last == stream
            {
                body.extend_from_slice(bytes);
                return;
            }
            Said::Body(*stream, bytes.to_vec())
        }
        Event::Trailers { stream, fields } => Said::Trailers(*stream, text(fields)),
        Event::End { stream } => Said::End(*stream),
        Event::Reset { stream, code } => Said::Reset(*stream, *code),
        Event::Lost { stream, why } => Said::Lost(*stream, *why),
        Event::ConnectionLost(why) => Said::ConnectionLost(*why),
        Event::OutOfStep => Said::OutOfStep,
    };
    said.push(one);
}
