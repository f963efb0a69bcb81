//! Mirrors that another agent relieves: attached, but of no effect.

use std::time::Duration;

use futures::future::join_all;
use log::warn;
use mirror_core::segment::Time;
use mirror_runtime::clock;
use tokio::time::Instant;

use super::Mirrors;

/// How long v1's acknowledgments and replies are read on of requests that came before: Linux acknowledges within 0.2 s.
const FINISHES_WITHIN: Duration = Duration::from_secs(2);

/// Whether another agent mirrors.
#[derive(Debug)]
pub(super) struct Relief {
    paused: bool,
    /// Until when requests that came before are finished.
    finishes: Option<Instant>,
}

impl Relief {
    pub(super) const fn new(paused: bool) -> Self {
        Self {
            paused,
            finishes: None,
        }
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.paused
    }
}

impl Mirrors {
    /// Takes no requests any more that come after the moment that is returned, which is at least `lead` from now.
    pub(in crate::agent) async fn pause(&mut self, lead: Duration) -> Time {
        let until = clock::now() + lead;
        if self.relief.paused {
            return until;
        }
        self.relief = Relief {
            paused: true,
            finishes: Some(Instant::now() + FINISHES_WITHIN),
        };
        join_all(self.mirrors.values_mut().map(|it| it.end_at(until))).await;
        // What was read before a shard was told has been taken.
        until.max(clock::now())
    }

    /// Copies nothing more, once what came before is finished.
    pub(in crate::agent) async fn rest(&mut self) {
        let due = |finishes: &mut Instant| *finishes <= Instant::now();
        if self.relief.finishes.take_if(due).is_none() {
            return;
        }
        for mirror in self.mirrors.values_mut() {
            let outcome = mirror.set_paused(true).await;
            said(mirror.name(), outcome);
        }
    }

    /// Mirrors, from now on.
    pub(in crate::agent) async fn resume(&mut self) {
        self.relief = Relief::new(false);
        let forever = Time::from_nanos(u64::MAX);
        join_all(self.mirrors.values_mut().map(|it| it.end_at(forever))).await;
        for mirror in self.mirrors.values_mut() {
            let outcome = mirror.set_paused(false).await;
            said(mirror.name(), outcome);
        }
    }
}

fn said(rule: &str, outcome: anyhow::Result<()>) {
    if let Err(error) = outcome {
        warn!("{rule}: a kernel program goes on as it was: {error:#}");
    }
}
