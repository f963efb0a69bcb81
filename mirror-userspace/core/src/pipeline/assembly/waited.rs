//! Bodies that waited for v1's acknowledgment in a buffer, which is kept in place of a copy.

use super::{Assembly, Held};
use crate::pipeline::body::Waited;

impl Assembly {
    /// Whether there was room for more of the body.
    pub(super) fn collect(&self, held: &mut Held, bytes: &[u8]) -> bool {
        let Held { body, reserved, .. } = held;
        match self.waiting(bytes) {
            Some(waited) => body.push_waited(waited, reserved, &self.blocks),
            None => body.push(bytes, reserved, &self.blocks),
        }
    }

    /// The buffer that these bytes waited in, if it may be kept for them.
    pub(super) fn waiting(&self, bytes: &[u8]) -> Option<Waited> {
        Waited::of(self.waited.as_ref()?, bytes)
    }
}
