//! The rings and threads that the rules' mirrors have in common.

use std::sync::{Arc, Weak};

use anyhow::Result;
use mirror_capture::LiveConfig;
use mirror_runtime::{Shards, UnclaimedRecords};

/// Whether rules share rings, and the threads that read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// All rules share them: a rule without traffic costs no thread and no ring, and a flood of one rule's segments
    /// may leave no room for those of another.
    #[default]
    Shared,
    /// Each rule has its own.
    Each,
}

/// Those that there are. They are gone with the last mirror.
#[derive(Debug)]
pub(super) struct Common {
    sharing: Sharing,
    shards: Weak<Shards>,
    /// Of all that there were.
    unclaimed: UnclaimedRecords,
}

impl Common {
    pub(super) fn new(sharing: Sharing) -> Self {
        Self {
            sharing,
            shards: Weak::new(),
            unclaimed: UnclaimedRecords::default(),
        }
    }

    /// How many records were no rule's so far.
    pub(super) fn unclaimed(&self) -> u64 {
        self.unclaimed.count()
    }

    pub(super) const fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// What one more mirror joins: those of the others, as long as all of their threads are alive.
    ///
    /// # Errors
    /// Those of [`Shards::start`].
    pub(super) fn shards(&mut self, capture: &LiveConfig) -> Result<Arc<Shards>> {
        if let Some(shards) = self.shards.upgrade()
            && !shards.are_broken()
        {
            return Ok(shards);
        }
        let shards = Shards::start(capture, self.unclaimed.clone())?;
        if self.sharing == Sharing::Shared {
            self.shards = Arc::downgrade(&shards);
        }
        Ok(shards)
    }
}
