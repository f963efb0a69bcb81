//! How the watches are doing, all together.

use std::collections::BTreeMap;

use super::{FailureReason, Running, WatchCounts, WatchState, WatchStatus, WatchedKind, Watches};

impl Watches {
    /// How each watch is doing, in no order.
    pub fn status(&self) -> impl Iterator<Item = &WatchStatus> {
        self.running.values().map(|running| &running.status)
    }

    /// What the watches of each kind of objects have done since the start, such as `pods`. There are
    /// at most nine kinds.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<&'static str, WatchCounts> {
        &self.counts
    }

    /// The watches by kind of objects: one is healthy if none of its kind fails.
    #[must_use]
    pub fn by_kind(&self) -> Vec<WatchedKind> {
        let mut kinds = BTreeMap::new();
        for status in self.status() {
            let fails = matches!(status.state, WatchState::Failing(_));
            *kinds.entry(status.resource).or_insert(true) &= !fails;
        }
        let watched = |(kind, healthy)| WatchedKind {
            kind,
            healthy,
            failures: self.counts.get(kind).map_or(0, |counts| counts.failures),
        };
        kinds.into_iter().map(watched).collect()
    }

    /// Whether all that is needed has been listed and handed on. A watch that fails after that doesn't matter: it
    /// will catch up. Nor does it that documents change later on, which anybody may have them do at any time.
    ///
    /// # Errors
    /// What has not been listed, and why, in words.
    pub fn complete(&self) -> Result<(), String> {
        let missing = self.status().filter(|status| !status.complete);
        let mut missing: Vec<String> = missing
            .map(|WatchStatus { watch, state, .. }| match state {
                WatchState::Failing(failure) => format!("{watch}: {}", failure.text),
                _ => format!("{watch}: not listed yet"),
            })
            .collect();
        missing.sort_unstable();
        let waits = self.settled_at.is_some() && !self.told_documents;
        if missing.is_empty() && (waits || !self.updates.is_empty()) {
            Err("what was listed is about to be acted on".to_owned())
        } else if missing.is_empty() {
            Ok(())
        } else {
            Err(missing.join("; "))
        }
    }

    /// Whether all that is known is the API server's word of now: a watch stands, and none fails. Documents that
    /// could never be read, as the service account may not, are not known.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        let mut all = self.running.values();
        let stands = self
            .status()
            .any(|status| status.state == WatchState::Watching);
        stands
            && all.all(|Running { status, .. }| match &status.state {
                WatchState::Failing(failure) => {
                    failure.reason == FailureReason::Forbidden && status.complete && !status.listed
                }
                _ => true,
            })
    }

    /// Whether the API server is away: every watch fails, and none has ever had an answer, not even a refusal.
    #[must_use]
    pub fn is_away(&self) -> bool {
        let fails = |status: &WatchStatus| matches!(status.state, WatchState::Failing(_));
        !self.answered && !self.running.is_empty() && self.status().all(fails)
    }

    /// How many watches the API server forbids that mirroring takes. What was known stays true, but nothing new
    /// comes.
    #[must_use]
    pub fn forbidden(&self) -> usize {
        let needed = self.running.iter().filter(|(slot, _)| !slot.is_optional());
        let forbidden = needed.filter(|(_, running)| {
            matches!(&running.status.state, WatchState::Failing(it) if it.reason == FailureReason::Forbidden)
        });
        forbidden.count()
    }
}
