//! Where writing is refused, and how much of it that holds back.
//!
//! Status 403 says that the service account lacks a right; but also that a namespace is being deleted, that its quota
//! is used up, or that a policy of its owner wants no such object. So it holds back one namespace, until several
//! have refused.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

/// After a refusal: rights are granted by people.
pub(super) const REFUSED: Duration = Duration::from_secs(60);

/// If so many namespaces refuse and none takes anything, the right is missing.
const MANY: usize = 3;

/// Namespaces that are remembered.
const MOST: usize = 1024;

/// Who refuses what is written of one kind.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    until: BTreeMap<String, Instant>,
    all_until: Option<Instant>,
    /// When something was last taken.
    worked: Option<Instant>,
}

impl Refusals {
    /// Whether nothing at all is to be tried now.
    pub(super) fn hold_all(&self, now: Instant) -> bool {
        self.all_until.is_some_and(|until| now < until)
    }

    /// Whether nothing of this namespace is to be tried now.
    pub(super) fn hold(&self, namespace: &str, now: Instant) -> bool {
        let until = self.until.get(namespace);
        until.is_some_and(|until| now < *until)
    }

    pub(super) fn on_taken(&mut self, now: Instant) {
        self.worked = Some(now);
    }

    /// This namespace refuses; so many have something to tell. Says whether the right is missing, so that nothing
    /// at all is to be tried for a while.
    pub(super) fn on_refused(&mut self, namespace: &str, telling: usize, now: Instant) -> bool {
        self.until.retain(|_, until| now < *until);
        if self.until.len() < MOST {
            self.until.insert(namespace.to_owned(), now + REFUSED);
        }
        let works = self
            .worked
            .is_some_and(|worked| now.duration_since(worked) < REFUSED);
        let missing = !works && self.until.len() >= MANY.min(telling);
        if missing {
            self.all_until = Some(now + REFUSED);
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_namespace_that_refuses_holds_back_no_other() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        assert!(!refusals.on_refused("going", 9, start));
        assert!(refusals.hold("going", start) && !refusals.hold("shop", start));
        assert!(!refusals.hold_all(start));
        assert!(!refusals.hold("going", start + REFUSED));
        // Nor do many, where others take it.
        refusals.on_taken(start);
        for number in 0..2 * MOST {
            assert!(!refusals.on_refused(&number.to_string(), 9_999, start));
        }
        assert!(!refusals.hold_all(start) && refusals.until.len() <= MOST);
    }

    #[tokio::test]
    async fn the_right_is_missing_if_several_refuse_or_the_only_one() {
        let start = Instant::now();
        let mut only = Refusals::default();
        assert!(only.on_refused("shop", 1, start));
        assert!(only.hold_all(start) && !only.hold_all(start + REFUSED));
        let mut many = Refusals::default();
        // It was taken away a while ago.
        many.on_taken(start);
        let later = start + REFUSED;
        assert!(!many.on_refused("a", 9, later));
        assert!(!many.on_refused("a", 9, later), "the same");
        assert!(!many.on_refused("b", 9, later));
        assert!(many.on_refused("c", 9, later));
        assert!(many.hold_all(later));
        let mut two = Refusals::default();
        assert!(!two.on_refused("a", 2, start));
        assert!(two.on_refused("b", 2, start), "there are no more");
    }
}
