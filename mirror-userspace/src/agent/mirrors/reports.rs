//! What the rules' mirrors say of themselves, all of them asked at the same time.

use anyhow::Result;
use futures::future::join_all;
use log::warn;
use mirror_core::ledger::Ledger;

use super::{Mirrors, one::RuleMirror};
use crate::admin;

impl Mirrors {
    /// All mirrors, as the metrics show them.
    ///
    /// # Errors
    /// Counters of the flags' mirror can't be read.
    pub(in crate::agent) async fn snapshot(&self) -> Result<Vec<admin::ShownMirror>> {
        let mut all = Vec::with_capacity(self.mirrors.len());
        let asked = join_all(self.mirrors.values().map(RuleMirror::snapshot)).await;
        for (mirror, shown) in self.mirrors.values().zip(asked) {
            match shown {
                Ok(shown) => all.push(shown),
                Err(error) => unreadable(mirror, error)?,
            }
        }
        Ok(all)
    }

    /// The books of the mirrors that have begun, by rule.
    ///
    /// # Errors
    /// Counters of the flags' mirror can't be read.
    pub(in crate::agent) async fn ledgers(&self) -> Result<Vec<(String, Ledger)>> {
        let mut all = Vec::with_capacity(self.mirrors.len());
        let asked = join_all(self.mirrors.values().map(RuleMirror::ledger)).await;
        for (mirror, ledger) in self.mirrors.values().zip(asked) {
            match ledger {
                Ok(ledger) => all.extend(ledger.map(|ledger| (mirror.name().to_owned(), ledger))),
                Err(error) => unreadable(mirror, error)?,
            }
        }
        Ok(all)
    }

    /// The last losses of the mirrors that have begun.
    ///
    /// # Errors
    /// Those of the flags' mirror can't be asked for.
    pub(in crate::agent) async fn lost(&mut self) -> Result<Vec<admin::LostOf>> {
        let mut all = Vec::with_capacity(self.mirrors.len());
        let asked = join_all(self.mirrors.values_mut().map(RuleMirror::lost)).await;
        for (mirror, lost) in self.mirrors.values().zip(asked) {
            match lost {
                Ok(lost) => all.extend(lost),
                Err(error) => unreadable(mirror, error)?,
            }
        }
        Ok(all)
    }
}

/// A document's mirror whose counters can't be read, as that of a shard that has just panicked, does not
/// keep the others' from being shown.
fn unreadable(mirror: &RuleMirror, error: anyhow::Error) -> Result<()> {
    if mirror.tenant().is_none() {
        return Err(error.context(mirror.name().to_owned()));
    }
    warn!("{}: its counters can't be read: {error:#}", mirror.name());
    Ok(())
}
