//! Two agents of a node, and three.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use tempfile::TempDir;

use super::*;

/// A folder, to be kept, and the path of a door in it that nobody has opened yet.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hand-over.sock");
    (folder, path)
}

/// The new one asks, and is told `from` when it mirrors.
async fn hand_over(old: &mut HandOver, new: &mut HandOver, from: u64) {
    let from = Time::from_nanos(from);
    let give = async {
        assert!(matches!(old.next().await, Met::Asked));
        old.give(from).await;
    };
    let (taken, ()) = tokio::join!(new.take_over(), give);
    assert_eq!(taken.unwrap(), Some(from));
}

#[tokio::test]
async fn the_next_one_takes_over_and_if_it_ends_the_one_before_goes_on() {
    let (_folder, path) = place();
    let mut old = HandOver::start(path.clone());
    assert!(!old.waits());
    let mut new = HandOver::start(path.clone());
    assert!(new.waits());
    // A third one waits for its turn, and goes.
    drop(HandOver::start(path.clone()));

    hand_over(&mut old, &mut new, 7).await;
    assert!(!new.waits());

    // The door is the new one's now.
    let mut newer = HandOver::start(path.clone());
    assert!(newer.waits());
    hand_over(&mut new, &mut newer, 9).await;
    drop(newer);
    assert!(matches!(new.next().await, Met::SuccessorGone));
    drop(new);
    assert!(matches!(old.next().await, Met::SuccessorGone));
    assert!(HandOver::start(path).waits());
}

/// Three are there for a while: the first one is not to mirror beside the third.
#[tokio::test]
async fn whoever_was_relieved_first_hears_nothing_of_the_next_hand_over() {
    let (_folder, path) = place();
    let mut first = HandOver::start(path.clone());
    let mut second = HandOver::start(path.clone());
    hand_over(&mut first, &mut second, 7).await;
    let mut third = HandOver::start(path.clone());
    hand_over(&mut second, &mut third, 7).await;
    assert!(first.is_relieved() && second.is_relieved());
    let heard = timeout(Duration::from_millis(100), first.next()).await;
    assert!(heard.is_err(), "{heard:?}");
    // The second one goes on: nor is the first one to mirror beside that.
    drop(third);
    assert!(matches!(second.next().await, Met::SuccessorGone));
    let heard = timeout(Duration::from_millis(100), first.next()).await;
    assert!(heard.is_err(), "{heard:?}");
    drop(second);
    assert!(matches!(first.next().await, Met::SuccessorGone));
}

#[tokio::test]
async fn whoever_listens_where_others_may_write_is_not_trusted() {
    let (folder, path) = place();
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(!HandOver::start(path.clone()).waits());
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    assert!(HandOver::start(path).waits());
}

#[tokio::test]
async fn a_door_that_could_not_be_opened_is_opened_later() {
    let (_folder, path) = place();
    let other = UnixListener::bind(&path).unwrap();
    let mut own = HandOver {
        part: Part::Mirrors(Mirrors::open(&path, open)),
        patience: PATIENCE,
        path: path.clone(),
    };
    own.keep_door();
    drop(other);
    own.keep_door();
    assert!(HandOver::start(path).waits());
}

#[tokio::test]
async fn whoever_waits_goes_on_alone_if_the_one_before_ends() {
    let (_folder, path) = place();
    let old = HandOver::start(path.clone());
    let mut new = HandOver::start(path.clone());
    drop(old);
    assert!(matches!(new.next().await, Met::PredecessorGone));
    assert!(!new.waits());
    assert!(HandOver::start(path).waits());
}

/// The third one stands at the door of the first one, who hands over to the second.
#[tokio::test]
async fn whoever_stands_at_the_old_door_comes_to_the_new_one() {
    let (_folder, path) = place();
    let mut first = HandOver::start(path.clone());
    let mut second = HandOver::start(path.clone());
    let mut third = HandOver::start(path.clone());
    hand_over(&mut first, &mut second, 7).await;
    // The first one lets it go, the second one lets it in.
    {
        let relieved = async { first.next().await };
        let asked = async { second.next().await };
        let moved = async {
            let heard = timeout(Duration::from_millis(300), third.next()).await;
            assert!(
                heard.is_err(),
                "{heard:?}: it mirrors beside the second one"
            );
        };
        tokio::select! {
            met = relieved => panic!("{met:?}"),
            met = asked => panic!("{met:?}"),
            () = moved => {}
        }
    }
    assert!(third.waits());
    hand_over(&mut second, &mut third, 9).await;
    assert!(first.is_relieved() && second.is_relieved());
}

/// One that came first but is not ready yet keeps nobody waiting.
#[tokio::test]
async fn who_asks_first_takes_over_and_not_who_came_first() {
    let (_folder, path) = place();
    let mut first = HandOver::start(path.clone());
    let mut second = HandOver::start(path.clone());
    let mut third = HandOver::start(path.clone());
    hand_over(&mut first, &mut third, 7).await;
    // The first one lets the other one go, who finds the third one.
    let taken = tokio::select! {
        taken = second.take_over() => taken.unwrap(),
        met = first.next() => panic!("{met:?}"),
        met = third.next() => panic!("nobody asks the third one yet: {met:?}"),
    };
    assert_eq!(taken, None, "the first one mirrors no more");
    assert!(second.waits());
    hand_over(&mut third, &mut second, 7).await;
    assert!(first.is_relieved() && third.is_relieved());
}

/// Who had taken over ends, and the one before it is there as well as the next one.
#[tokio::test]
async fn of_two_who_hear_of_an_end_one_mirrors() {
    let (_folder, path) = place();
    let mut first = HandOver::start(path.clone());
    let mut second = HandOver::start(path.clone());
    hand_over(&mut first, &mut second, 7).await;
    let mut third = HandOver::start(path.clone());
    drop(second);
    let met = tokio::select! {
        met = first.next() => met,
        met = third.next() => met,
    };
    assert!(
        matches!(met, Met::SuccessorGone | Met::PredecessorGone),
        "{met:?}"
    );
    let (mirrors, waits) = if first.waits() || first.is_relieved() {
        (&mut third, &mut first)
    } else {
        (&mut first, &mut third)
    };
    let other = tokio::select! {
        met = mirrors.next() => Some(met),
        met = waits.next() => Some(met),
        () = sleep(Duration::from_millis(300)) => None,
    };
    assert!(other.is_none(), "{other:?}");
    assert!(waits.waits() && !mirrors.waits() && !mirrors.is_relieved());
    hand_over(mirrors, waits, 7).await;
}

#[tokio::test]
async fn of_two_who_wait_one_goes_on_alone() {
    let (_folder, path) = place();
    let first = HandOver::start(path.clone());
    let mut second = HandOver::start(path.clone());
    let mut third = HandOver::start(path.clone());
    drop(first);
    // One of them asks at this very moment.
    let taken = second.take_over().await.unwrap();
    assert_eq!(taken, Some(Time::default()));
    assert!(!second.waits());
    let met = tokio::select! {
        met = third.next() => Some(met),
        met = second.next() => Some(met),
        () = sleep(Duration::from_millis(300)) => None,
    };
    assert!(met.is_none(), "{met:?}");
    assert!(third.waits());
}

/// One that hangs, and hears what it was told later.
#[tokio::test]
async fn whoever_does_not_answer_loses_its_place_to_one_that_waited() {
    let (_folder, path) = place();
    let mut first = HandOver::start(path.clone());
    let mut second = HandOver::start(path.clone());
    let mut third = HandOver::start(path.clone());
    for waits in [&mut second, &mut third] {
        waits.patience = Duration::from_millis(50);
    }
    second.take_over().await.unwrap_err();
    assert!(!second.waits());
    // Who stood at the old door does not mirror beside the second one, nor does who comes now.
    assert_eq!(third.take_over().await.unwrap(), None);
    assert!(third.waits());
    drop(third);
    let mut fourth = HandOver::start(path.clone());
    assert!(fourth.waits());
    hand_over(&mut second, &mut fourth, 7).await;
    assert!(second.is_relieved());
    // The first one comes to it at last, and lets go.
    assert!(matches!(first.next().await, Met::Asked));
    first.give(Time::from_nanos(7)).await;
    let heard = timeout(Duration::from_millis(100), first.next()).await;
    assert!(heard.is_err(), "{heard:?}");
    let Part::Done { others, .. } = &first.part else {
        panic!("{first:?}");
    };
    assert!(others.is_none(), "{others:?}");
}
