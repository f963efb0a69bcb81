//! Where copies in HTTP/2 are, by their request: its client may give the reply up at any moment.

use std::collections::HashMap;

use mirror_core::pipeline::{CopyId, RequestKey};

use super::Stage;

/// Where a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CopyPlace {
    pub(super) copy: CopyId,
    pub(crate) stage: Stage,
}

impl CopyPlace {
    pub(super) const fn new(copy: CopyId) -> Self {
        Self {
            copy,
            stage: Stage::Waiting,
        }
    }
}

/// The places of all copies in HTTP/2 that have not ended, by target and request.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<(usize, RequestKey), CopyPlace, foldhash::fast::RandomState>);

impl Places {
    pub(super) fn insert(&mut self, target: usize, request: RequestKey, place: CopyPlace) {
        self.0.insert((target, request), place);
    }

    pub(super) fn get(&self, target: usize, request: RequestKey) -> Option<CopyPlace> {
        self.0.get(&(target, request)).copied()
    }

    pub(super) fn set_stage(&mut self, target: usize, request: RequestKey, stage: Stage) {
        if let Some(place) = self.0.get_mut(&(target, request)) {
            place.stage = stage;
        }
    }

    pub(super) fn remove(&mut self, target: usize, request: RequestKey) -> Option<CopyPlace> {
        self.0.remove(&(target, request))
    }
}
