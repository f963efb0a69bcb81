//! When statuses are written, and comparisons judged.

use std::cell::Cell;

use mirror_core::verdict::Terms;

use super::{
    super::{counts::Counted, seen::Comparing},
    *,
};

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

fn with(selected: u64, copies: u64) -> impl Fn(&str, &SeenDocument, Option<Judged>) -> Whole {
    move |_, _, _| Whole {
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
async fn a_comparison_is_judged_every_five_seconds_and_pods_are_told_of_at_once() {
    let (mut statuses, mut seen, start) = (Statuses::default(), seen(1), Instant::now());
    let judgings = Cell::new(0);
    let mut done_at = |seen: &Seen, selected, second| {
        let whole = |_: &str, document: &SeenDocument, lately: Option<Judged>| {
            let judge = || {
                judgings.set(judgings.get() + 1);
                Judged::new(&Counted::default(), &Terms::default())
            };
            Whole {
                selected,
                judged: (document.subject()).map(|_| lately.unwrap_or_else(judge)),
                ..Whole::default()
            }
        };
        let now = start + second * SECOND;
        let todo = statuses.todo(seen, whole, nobody, now, "now");
        for todo in &todo {
            match todo {
                Todo::Read(identity) => statuses.on_read(identity, Versioned::default()),
                Todo::Write(identity, to) => statuses.on_written(identity, to.clone(), now),
            }
        }
        let written = todo.iter().any(|todo| matches!(todo, Todo::Write(..)));
        (written, judgings.get())
    };
    let compare = |seen: &mut Seen, comparison: Option<&str>| {
        for document in seen.documents.values_mut() {
            let subject = comparison.map(|of| Subject::new("u", of));
            document.comparison = subject.map(Comparing::AsAsked);
        }
    };
    done_at(&seen, 1, 0);
    assert_eq!(done_at(&seen, 1, 0), (true, 0), "there is none");
    compare(&mut seen, Some("v2"));
    for second in 5..100 {
        assert_eq!(done_at(&seen, 1, second), (second == 5, second / 5));
    }
    assert_eq!(done_at(&seen, 2, 99), (true, 19), "by the last verdict");
    compare(&mut seen, Some("v3"));
    assert_eq!(done_at(&seen, 2, 99), (false, 20), "another comparison");
    compare(&mut seen, None);
    assert_eq!(done_at(&seen, 2, 104), (true, 20));
    compare(&mut seen, Some("v3"));
    assert_eq!(done_at(&seen, 2, 104), (false, 21), "it begins again");
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
