//! Which agent tells: the one that holds the Lease. Decides without I/O; the time is an argument.
//!
//! As in client-go, clocks of other machines are not believed: a Lease has expired when it has not changed for as
//! long as it lasts by our own clock.

use std::time::Duration;

use tokio::time::Instant;

/// How long a Lease holds after its last renewal.
pub(super) const LASTS: Duration = Duration::from_secs(20);

/// How often its holder renews it.
const RENEWED_EVERY: Duration = Duration::from_secs(7);

/// A holder that has not renewed it for so long does not act any more: another one may soon.
const SURE_FOR: Duration = Duration::from_secs(15);

/// After a failure.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The Lease as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Empty if it was given back.
    pub(super) holder: String,
    /// Another one after each write.
    pub(super) version: String,
}

/// What is to be done with the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Make it, as there is none.
    Create,
    /// Write our name into it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Another one's.
    Leave,
}

#[derive(Debug)]
pub(super) struct Election {
    me: String,
    observed: Option<(Held, Instant)>,
    /// When it was last written by us.
    renewed: Option<Instant>,
    /// When to look again.
    next: Option<Instant>,
}

impl Election {
    pub(super) const fn new(me: String) -> Self {
        Self {
            me,
            observed: None,
            renewed: None,
            next: None,
        }
    }

    /// Whether the Lease is to be looked at.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// Whether we may act as its holder.
    pub(super) fn leads(&self, now: Instant) -> bool {
        self.renewed
            .is_some_and(|renewed| now.duration_since(renewed) < SURE_FOR)
    }

    /// Whether the Lease could be read.
    pub(super) const fn was_seen(&self) -> bool {
        self.observed.is_some() || self.renewed.is_some()
    }

    /// The Lease is like this, or there is none.
    pub(super) fn on_read(&mut self, lease: Option<Held>, now: Instant) -> Move {
        let Some(held) = lease else {
            return Move::Create;
        };
        let ours = held.holder == self.me;
        let free = held.holder.is_empty();
        let since = match &self.observed {
            Some((before, since)) if *before == held => *since,
            _ => {
                self.observed = Some((held, now));
                now
            }
        };
        if ours {
            return Move::Renew;
        }
        self.renewed = None;
        if free || now.duration_since(since) >= LASTS {
            return Move::Take;
        }
        Move::Leave
    }

    /// We have written it.
    pub(super) fn on_written(&mut self, now: Instant) {
        self.renewed = Some(now);
        self.next = Some(now + RENEWED_EVERY);
    }

    /// It is another one's; look again after about as long as it lasts. `spread` makes that a bit more by chance:
    /// not all agents ask at once.
    pub(super) fn on_left(&mut self, now: Instant, spread: impl Fn(Duration) -> Duration) {
        self.next = Some(now + spread(LASTS));
    }

    /// The API did not do as it was asked; another one may have been faster.
    pub(super) fn on_failed(&mut self, now: Instant, wait: Option<Duration>) {
        self.next = Some(now + wait.unwrap_or(TRIED_AGAIN_AFTER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(holder: &str, version: u64) -> Option<Held> {
        Some(Held {
            holder: holder.to_owned(),
            version: version.to_string(),
        })
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn who_comes_first_holds_it_and_renews_it() {
        let mut election = Election::new("a".into());
        let start = Instant::now();
        assert!(election.is_due(start));
        assert!(!election.leads(start));
        assert_eq!(election.on_read(None, start), Move::Create);
        election.on_written(start);
        assert!(election.leads(start + 14 * SECOND));
        assert!(!election.leads(start + 15 * SECOND), "not renewed");
        assert!(!election.is_due(start + 6 * SECOND));
        assert!(election.is_due(start + 7 * SECOND));
        assert_eq!(
            election.on_read(held("a", 1), start + 7 * SECOND),
            Move::Renew
        );
    }

    #[tokio::test]
    async fn what_changes_is_anothers_and_what_does_not_is_taken() {
        let mut election = Election::new("b".into());
        let start = Instant::now();
        for second in 0..60 {
            let now = start + second * SECOND;
            let version = u64::from(second / 7);
            assert_eq!(election.on_read(held("a", version), now), Move::Leave);
        }
        let last = start + 56 * SECOND;
        assert_eq!(
            election.on_read(held("a", 8), last + 19 * SECOND),
            Move::Leave
        );
        assert_eq!(
            election.on_read(held("a", 8), last + 20 * SECOND),
            Move::Take
        );
    }

    #[tokio::test]
    async fn what_was_given_back_is_taken_at_once_and_what_was_lost_is_not_led() {
        let mut election = Election::new("b".into());
        let now = Instant::now();
        assert_eq!(election.on_read(held("", 1), now), Move::Take);
        election.on_written(now);
        assert!(election.leads(now));
        assert_eq!(election.on_read(held("c", 2), now), Move::Leave);
        assert!(!election.leads(now));
    }
}
