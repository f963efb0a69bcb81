//! When which status is written. Decides without I/O; the time is an argument.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    api::Versioned,
    conditions::{Whole, differ_by_figures, status},
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
    not_before: Option<Instant>,
    /// How often in a row there was no such thing.
    missing: u32,
}

impl Statuses {
    /// What is to be done now, not too much of it, and of each namespace about as much; nothing of those that
    /// are held back.
    pub(super) fn todo(
        &mut self,
        seen: &Seen,
        whole: impl Fn(&str, &SeenDocument) -> Whole,
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
        &self,
        title: &str,
        document: &SeenDocument,
        whole: impl Fn(&str, &SeenDocument) -> Whole,
        now: Instant,
        time: &str,
    ) -> Option<Todo> {
        let identity = &document.identity;
        let known = self.known.get(title);
        if known.is_some_and(|known| known.not_before.is_some_and(|until| now < until)) {
            return None;
        }
        let Some(before) = known.and_then(|known| known.status.as_ref()) else {
            return Some(Todo::Read(identity.clone()));
        };
        let status = status(document, &whole(title, document), &before.status, time);
        if status == before.status {
            return None;
        }
        let least = if differ_by_figures(&before.status, &status) {
            FIGURES_EVERY
        } else {
            WRITTEN_EVERY
        };
        let written = known.and_then(|known| known.written);
        let due = written.is_none_or(|written| now.duration_since(written) >= least);
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
            not_before: None,
            missing: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(count: usize) -> Seen {
        let documents = (0..count).map(|number| {
            let identity = Identity {
                kind: "TrafficMirror".into(),
                namespace: "default".into(),
                name: format!("web-{number:02}"),
                uid: "u".into(),
                ..Identity::default()
            };
            let document = SeenDocument {
                identity,
                rules: 1,
                ..SeenDocument::default()
            };
            (document.identity.title(), document)
        });
        Seen {
            documents: documents.collect(),
        }
    }

    fn nobody(_: &str) -> bool {
        false
    }

    fn with(selected: u64, copies: u64) -> impl Fn(&str, &SeenDocument) -> Whole {
        move |_, _| Whole {
            selected,
            copies,
            ..Whole::default()
        }
    }

    /// Does all that is to be done, and says what was written.
    fn done(statuses: &mut Statuses, seen: &Seen, whole: (u64, u64), now: Instant) -> usize {
        let mut writes = 0;
        for todo in statuses.todo(seen, with(whole.0, whole.1), nobody, now, "now") {
            match todo {
                Todo::Read(identity) => statuses.on_read(&identity, Versioned::default()),
                Todo::Write(identity, status) => {
                    writes += 1;
                    statuses.on_written(&identity, status, now);
                }
            }
        }
        writes
    }

    #[tokio::test]
    async fn a_status_is_read_first_and_written_only_if_it_differs() {
        let mut statuses = Statuses::default();
        let (seen, start) = (seen(1), Instant::now());
        assert_eq!(done(&mut statuses, &seen, (1, 0), start), 0, "read");
        assert_eq!(done(&mut statuses, &seen, (1, 0), start), 1);
        for second in 0..600 {
            let now = start + second * SECOND;
            assert_eq!(done(&mut statuses, &seen, (1, 0), now), 0);
        }
        let later = start + 600 * SECOND;
        assert_eq!(done(&mut statuses, &seen, (2, 0), later), 1);
        assert_eq!(
            done(&mut statuses, &seen, (3, 0), later + 4 * SECOND),
            0,
            "too soon"
        );
        assert_eq!(done(&mut statuses, &seen, (3, 0), later + 5 * SECOND), 1);
        assert_eq!(
            done(&mut statuses, &seen, (3, 700), later + 64 * SECOND),
            0,
            "figures"
        );
        assert_eq!(done(&mut statuses, &seen, (3, 700), later + 65 * SECOND), 1);
    }

    #[tokio::test]
    async fn what_another_one_wrote_is_not_written_again() {
        let mut statuses = Statuses::default();
        let (seen, start) = (seen(1), Instant::now());
        done(&mut statuses, &seen, (1, 0), start);
        let todo = statuses.todo(&seen, with(1, 0), nobody, start, "then");
        let [Todo::Write(identity, status)] = todo.as_slice() else {
            panic!("{todo:?}");
        };
        let mut next = Statuses::default();
        next.on_read(identity, status.clone());
        assert_eq!(next.todo(&seen, with(1, 0), nobody, start, "now"), []);
    }

    #[tokio::test]
    async fn what_somebody_else_has_changed_is_read_again() {
        let mut statuses = Statuses::default();
        let (seen, start) = (seen(1), Instant::now());
        assert_eq!(done(&mut statuses, &seen, (1, 0), start), 0, "read");
        let todo = statuses.todo(&seen, with(1, 0), nobody, start, "now");
        let [Todo::Write(identity, _)] = todo.as_slice() else {
            panic!("{todo:?}");
        };
        statuses.on_conflict(identity);
        let todo = statuses.todo(&seen, with(1, 0), nobody, start, "now");
        assert_eq!(todo, [Todo::Read(identity.clone())]);
        assert_eq!(done(&mut statuses, &seen, (1, 0), start), 0, "read");
        assert_eq!(done(&mut statuses, &seen, (1, 0), start), 1);
    }

    #[tokio::test]
    async fn who_has_thousands_keeps_nobody_waiting() {
        let mut statuses = Statuses::default();
        let (mut seen, start) = (seen(2_000), Instant::now());
        for namespace in ["bank", "shop"] {
            let mut document = seen.documents.values().next().unwrap().clone();
            document.identity.namespace = namespace.into();
            seen.documents.insert(document.identity.title(), document);
        }
        let todo = statuses.todo(&seen, with(1, 0), nobody, start, "now");
        let of = |namespace: &str| {
            let own = todo.iter().filter(|todo| match todo {
                Todo::Read(identity) | Todo::Write(identity, _) => identity.namespace == namespace,
            });
            own.count()
        };
        assert_eq!((of("bank"), of("shop"), todo.len()), (1, 1, MOST));
        let shop = |namespace: &str| namespace == "shop";
        let todo = statuses.todo(&seen, with(1, 0), shop, start, "now");
        assert!(todo.iter().all(|todo| match todo {
            Todo::Read(identity) | Todo::Write(identity, _) => identity.namespace != "shop",
        }));
        let mut rounds = 0;
        while !statuses
            .todo(&seen, with(1, 0), nobody, start, "now")
            .is_empty()
        {
            done(&mut statuses, &seen, (1, 0), start);
            rounds += 1;
            assert!(rounds < 1_000);
        }
        assert_eq!(statuses.known.len(), MOST_OF_NAMESPACE + 2);
    }

    #[tokio::test]
    async fn rounds_are_bounded_and_failures_wait() {
        let mut statuses = Statuses::default();
        let (seen, start) = (seen(25), Instant::now());
        let todo = statuses.todo(&seen, with(1, 0), nobody, start, "now");
        assert_eq!(todo.len(), MOST);
        for todo in &todo {
            if let Todo::Read(identity) = todo {
                statuses.on_failed(identity, start);
            }
        }
        let others = statuses.todo(&seen, with(1, 0), nobody, start, "now");
        assert!(others.iter().all(|other| !todo.contains(other)));
        let again = statuses.todo(&seen, with(1, 0), nobody, start + TRIED_AGAIN_AFTER, "now");
        assert_eq!(again, todo);
        // Missing once it may just have been deleted.
        let Some(Todo::Read(identity)) = todo.first() else {
            panic!("{todo:?}");
        };
        assert!(!statuses.on_missing(identity, start));
        assert!(statuses.on_missing(identity, start + TRIED_AGAIN_AFTER));
        // One that is another object by now is read anew.
        statuses.todo(&Seen::default(), with(1, 0), nobody, start, "now");
        assert!(statuses.known.is_empty());
    }
}
