//! What a server got, in the order in which it came.

use crate::wire::{Body, first_line};

/// One request as it stood on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The connection it came on, numbered from 0 in the order of their acceptance.
    pub connection: usize,
    /// All bytes from the request line to the empty line, both included.
    pub head: Vec<u8>,
    /// All bytes behind the head; chunked ones with their framing.
    pub body: Body,
}

impl RecordedRequest {
    /// The method, as it stands.
    pub fn method(&self) -> &str {
        first_line(&self.head).first().copied().unwrap_or_default()
    }

    /// The request target, as it stands.
    pub fn target(&self) -> &str {
        first_line(&self.head).get(1).copied().unwrap_or_default()
    }

    /// The head without the lines whose field name is `name` (in any case): what is left when a
    /// mirror's own mark is taken off.
    pub fn head_without(&self, name: &str) -> Vec<u8> {
        let named = |line: &[u8]| {
            line.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
                && line.get(name.len()) == Some(&b':')
        };
        self.head
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !named(line))
            .flatten()
            .copied()
            .collect()
    }
}

#[derive(Debug)]
enum Slot {
    /// The head is there.
    Arriving,
    Complete(RecordedRequest),
    Aborted(RecordedRequest),
}

/// The slots are in the order of the heads' arrival, whenever their bodies end.
#[derive(Debug, Default)]
pub(super) struct Record {
    slots: Vec<Slot>,
    complete: usize,
    connections: usize,
    events: usize,
    /// Slots that were forgotten: indices go on counting.
    forgotten: usize,
}

impl Record {
    pub(super) fn open(&mut self) -> usize {
        self.events += 1;
        self.connections += 1;
        self.connections - 1
    }

    /// A head is there: the returned index names its slot.
    pub(super) fn begin(&mut self) -> usize {
        self.events += 1;
        self.slots.push(Slot::Arriving);
        self.forgotten + self.slots.len() - 1
    }

    pub(super) fn finish(&mut self, index: usize, request: RecordedRequest) {
        if self.set(index, Slot::Complete(request)) {
            self.complete += 1;
        }
    }

    pub(super) fn abort(&mut self, index: usize, request: RecordedRequest) {
        self.set(index, Slot::Aborted(request));
    }

    fn set(&mut self, index: usize, value: Slot) -> bool {
        self.events += 1;
        let index = index.checked_sub(self.forgotten);
        let slot = index.and_then(|index| self.slots.get_mut(index));
        slot.map(|slot| *slot = value).is_some()
    }

    pub(super) fn complete(&self) -> Vec<RecordedRequest> {
        self.pick(|slot| match slot {
            Slot::Complete(request) => Some(request),
            Slot::Arriving | Slot::Aborted(_) => None,
        })
    }

    pub(super) fn aborted(&self) -> Vec<RecordedRequest> {
        self.pick(|slot| match slot {
            Slot::Aborted(request) => Some(request),
            Slot::Arriving | Slot::Complete(_) => None,
        })
    }

    fn pick(&self, which: impl Fn(&Slot) -> Option<&RecordedRequest>) -> Vec<RecordedRequest> {
        self.slots.iter().filter_map(which).cloned().collect()
    }

    pub(super) fn complete_count(&self) -> usize {
        self.complete
    }

    pub(super) fn begun(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Grows with everything that happens.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    pub(super) fn clear(&mut self) {
        self.forgotten += self.slots.len();
        self.slots.clear();
        self.complete = 0;
    }
}
