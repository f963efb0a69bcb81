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
        let asked = join_all(self.mirrors.values().map(RuleMirror::snapshot)).await;
        let shown = self.readable(asked)?.into_iter();
        Ok(shown.map(|(_, shown)| shown).collect())
    }

    /// The books of the mirrors that have begun, by rule.
    ///
    /// # Errors
    /// Counters of the flags' mirror can't be read.
    pub(in crate::agent) async fn ledgers(&self) -> Result<Vec<(String, Ledger)>> {
        let asked = join_all(self.mirrors.values().map(RuleMirror::ledger)).await;
        let ledgers = self.readable(asked)?.into_iter();
        Ok(ledgers
            .filter_map(|(mirror, ledger)| Some((mirror.name().to_owned(), ledger?)))
            .collect())
    }

    /// The last losses of the mirrors that have begun.
    ///
    /// # Errors
    /// Those of the flags' mirror can't be asked for.
    pub(in crate::agent) async fn lost(&mut self) -> Result<Vec<admin::LostOf>> {
        let asked = join_all(self.mirrors.values_mut().map(RuleMirror::lost)).await;
        let lost = self.readable(asked)?.into_iter();
        Ok(lost.filter_map(|(_, lost)| lost).collect())
    }

    /// What could be read of what each mirror was asked, in their order. A document's mirror whose counters can't be
    /// read, as that of a shard that has just panicked, does not keep the others' from being shown.
    fn readable<T>(&self, asked: Vec<Result<T>>) -> Result<Vec<(&RuleMirror, T)>> {
        let mut readable = Vec::with_capacity(asked.len());
        for (mirror, told) in self.mirrors.values().zip(asked) {
            match told {
                Ok(told) => readable.push((mirror, told)),
                Err(error) if mirror.tenant().is_none() => {
                    return Err(error.context(mirror.name().to_owned()));
                }
                Err(error) => warn!("{}: its counters can't be read: {error:#}", mirror.name()),
            }
        }
        Ok(readable)
    }
}
