//! What the rules' mirrors lost last.

use anyhow::Result;

use super::{Mirrors, unreadable};
use crate::admin;

impl Mirrors {
    /// The last losses of the mirrors that have begun.
    ///
    /// # Errors
    /// Those of the flags' mirror can't be asked for.
    pub(in crate::agent) async fn lost(&mut self) -> Result<Vec<admin::LostOf>> {
        let mut all = Vec::with_capacity(self.mirrors.len());
        for mirror in self.mirrors.values_mut() {
            match mirror.lost().await {
                Ok(lost) => all.extend(lost),
                Err(error) => unreadable(mirror, error)?,
            }
        }
        Ok(all)
    }
}
