//! `/lost`: the last losses, for those on this machine.
//!
//! They say who asked v1 for what, so they are nothing for everyone who can connect: only for who comes by the unix
//! socket or from a loopback address, and not for what a browser asks on behalf of another site.

mod answer;
mod json;
mod pcapng;

use std::time::Duration;

use mirror_runtime::{Daemon, Lost, clock};

pub(super) use answer::{Asked, kind, may_see};

/// The last losses of one rule.
#[derive(Clone, Debug)]
pub struct LostOf {
    /// The rule's name.
    pub rule: String,
    /// What its targets are called.
    pub targets: Vec<String>,
    /// How many are kept at most.
    pub keep: usize,
    /// Those that are.
    pub lost: Lost,
    /// What makes a time of theirs one since the Unix epoch.
    pub epoch: Duration,
}

impl LostOf {
    /// Those of the mirror that `daemon` is, under this name.
    ///
    /// # Errors
    /// They can't be asked for.
    pub async fn of(rule: String, daemon: &mut Daemon) -> anyhow::Result<Self> {
        Ok(Self {
            rule,
            targets: daemon.names().targets.clone(),
            keep: daemon.config().limits.keep_lost.losses,
            lost: daemon.lost().await?,
            epoch: clock::epoch(),
        })
    }
}
