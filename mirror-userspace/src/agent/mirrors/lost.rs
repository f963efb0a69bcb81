//! What the rules' mirrors lost last.

use anyhow::Result;
use futures::future::join_all;

use super::{Mirrors, one::RuleMirror, unreadable};
use crate::admin;

impl Mirrors {
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
