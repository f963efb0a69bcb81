//! When which status is written. Decides without I/O; the time is an argument.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    api::Versioned,
    compared::Judged,
    conditions::{Whole, differ_by_figures, status},
    counts::Subject,
    seen::{Identity, Seen, SeenDocument},
    turns::Turns,
};

/// Statuses that are read or written in one round, of which there is one every two seconds.
const MOST: usize = 10;

/// TrafficMirrors of one namespace whose status is told; no more than 64 of its mirrors are acted on.
const MOST_OF_NAMESPACE: usize = 256;

/// How far apart the writes of one status are.
const WRITTEN_EVERY: Duration = Duration::from_secs(5);
/// The same where only figures have changed.
const FIGURES_EVERY: Duration = Duration::from_secs(60);
/// How far apart one comparison is judged, which takes time: a verdict that changes is not written sooner.
const JUDGED_EVERY: Duration = Duration::from_secs(5);
/// After no answer.
const ANSWERED_AFTER: Duration = Duration::from_secs(5);
/// After a failure.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What is to be done about a status.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Todo {
    /// It is not known what it is: read it.
    Read(Identity),
    /// It is to be this, if the object is still of that version.
    Write(Identity, Versioned),
}

/// What is known of the statuses that there are.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    known: BTreeMap<String, Known>,
    turns: Turns,
}

#[derive(Debug)]
struct Known {
    uid: String,
    /// `None` before it was read, and since somebody else has changed the object.
    status: Option<Versioned>,
    written: Option<Instant>,
    /// What its comparison came to when it was last judged, and when that was.
    judged: Option<(Subject, Judged, Instant)>,
    not_before: Option<Instant>,
    /// How often in a row there was no such thing.
    missing: u32,
}

impl Statuses {
    /// What is to be done now, not too much of it, and of each namespace about as much; nothing of those that
    /// are held back. `whole` adds up a mirror, and judges its comparison unless it is given what that came to lately.
    pub(super) fn todo(
        &mut self,
        seen: &Seen,
        whole: impl Fn(&str, &SeenDocument, Option<Judged>) -> Whole,
        held: impl Fn(&str) -> bool,
        now: Instant,
        time: &str,
    ) -> Vec<Todo> {
        self.known.retain(|title, known| {
            let document = seen.documents.get(title);
            document.is_some_and(|document| document.identity.uid == known.uid)
        });
        let mut todo: BTreeMap<&str, Vec<Todo>> = BTreeMap::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (title, document) in &seen.documents {
            let namespace = document.identity.namespace.as_str();
            if !document.identity.is_traffic_mirror() || held(namespace) {
                continue;
            }
            let count = counts.entry(namespace).or_default();
            *count += 1;
            let own = todo.entry(namespace).or_default();
            if *count <= MOST_OF_NAMESPACE && own.len() < MOST {
                own.extend(self.todo_of(title, document, &whole, now, time));
            }
        }
        self.turns.take(todo, MOST)
    }

    fn todo_of(
        &mut self,
        title: &str,
        document: &SeenDocument,
        whole: impl Fn(&str, &SeenDocument, Option<Judged>) -> Whole,
        now: Instant,
        time: &str,
    ) -> Option<Todo> {
        let identity = &document.identity;
        let known = self.known.get_mut(title);
        let Some(known) = known else {
            return Some(Todo::Read(identity.clone()));
        };
        if known.not_before.is_some_and(|until| now < until) {
            return None;
        }
        let Some(before) = &known.status else {
            return Some(Todo::Read(identity.clone()));
        };
        let subject = document.subject();
        let lately = known
            .judged
            .take()
            .filter(|(of, _, at)| subject == Some(*of) && now.duration_since(*at) < JUDGED_EVERY);
        let at = lately.as_ref().map_or(now, |(_, _, at)| *at);
        let whole = whole(title, document, lately.map(|(_, judged, _)| judged));
        let status = status(document, &whole, &before.status, time);
        known.judged = subject.zip(whole.judged).map(|(of, it)| (of, it, at));
        if status == before.status {
            return None;
        }
        let least = if differ_by_figures(&before.status, &status) {
            FIGURES_EVERY
        } else {
            WRITTEN_EVERY
        };
        let due = (known.written).is_none_or(|written| now.duration_since(written) >= least);
        let version = before.version.clone();
        due.then(|| Todo::Write(identity.clone(), Versioned { version, status }))
    }

    pub(super) fn on_read(&mut self, of: &Identity, status: Versioned) {
        let known = self.known(of);
        known.status = Some(status);
        known.not_before = None;
        known.missing = 0;
    }

    pub(super) fn on_written(&mut self, of: &Identity, status: Versioned, now: Instant) {
        let known = self.known(of);
        known.status = Some(status);
        known.written = Some(now);
    }

    /// Somebody else has changed the object, or it is another one: read it again.
    pub(super) fn on_conflict(&mut self, of: &Identity) {
        self.known(of).status = None;
    }

    pub(super) fn on_failed(&mut self, of: &Identity, now: Instant) {
        self.known(of).not_before = Some(now + TRIED_AGAIN_AFTER);
    }

    /// The API did not answer: nor may it the next time, and others are to have their turn.
    pub(super) fn on_away(&mut self, of: &Identity, now: Instant) {
        self.known(of).not_before = Some(now + ANSWERED_AFTER);
    }

    /// There is no such status. Says whether that is so because the definition of the kind has none: an object that
    /// was just deleted is soon forgotten.
    pub(super) fn on_missing(&mut self, of: &Identity, now: Instant) -> bool {
        let known = self.known(of);
        known.not_before = Some(now + TRIED_AGAIN_AFTER);
        known.missing = known.missing.saturating_add(1);
        known.missing > 1
    }

    fn known(&mut self, of: &Identity) -> &mut Known {
        self.known.entry(of.title()).or_insert_with(|| Known {
            uid: of.uid.clone(),
            status: None,
            written: None,
            judged: None,
            not_before: None,
            missing: 0,
        })
    }
}

#[cfg(test)]
mod tests;
