//! What the API server may do, and what must not follow from it.

use std::{mem, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    requests::{PODS, web_pods},
    server::{Server, Watched, pod, said, watching},
};
use crate::cluster::{
    FailureReason, WatchState,
    watch::{Slot, Watches},
};

/// The pods have been listed, `a` is there, and they are watched.
async fn settled() -> (Watches, Server, Watched) {
    let (mut watches, mut server) = watching(web_pods());
    let play = async {
        server.list(PODS).await.listed("7", &[pod("a", "1")]);
        server.watch(PODS, "7").await.watched()
    };
    let (watched, told) = tokio::join!(play, said(&mut watches));
    assert_eq!(told, "listed a");
    (watches, server, watched)
}

fn failing(watches: &Watches) -> Option<FailureReason> {
    match &watches.status().next().unwrap().state {
        WatchState::Failing(failure) => Some(failure.reason),
        _ => None,
    }
}

/// Lets the watches work for a while, in which they must have nothing to tell.
async fn quiet(watches: &mut Watches, time: Duration) {
    let told = timeout(time, watches.next()).await;
    assert!(told.is_err(), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_leads_to_a_new_list_that_is_up_to_date_and_in_pages() {
    let (mut watches, mut server, watched) = settled().await;
    watched.fail(410);
    let start = Instant::now();
    let play = async {
        let list = server.list(PODS).await;
        assert!(start.elapsed() >= Duration::from_millis(800));
        assert_eq!(list.get("resourceVersion"), None);
        assert_eq!(
            (list.get("limit"), list.get("continue")),
            (Some("250"), None)
        );
        list.page("50", "next", &[pod("b", "40")]);
        let list = server.list(PODS).await;
        assert_eq!(
            (list.get("limit"), list.get("continue")),
            (Some("250"), Some("next"))
        );
        list.listed("50", &[pod("c", "41")]);
        server.watch(PODS, "50").await.watched()
    };
    let (_watched, told) = tokio::join!(play, said(&mut watches));
    assert_eq!(told, "listed b c", "at once, when all pages are there");
    assert_eq!(failing(&watches), None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_as_expired_leads_to_a_new_list_too() {
    let (mut watches, mut server, watched) = settled().await;
    drop(watched);
    let play = async {
        server.watch(PODS, "7").await.refused(410);
        server.list(PODS).await.listed("50", &[pod("b", "40")]);
        server.watch(PODS, "50").await.watched()
    };
    let (_watched, told) = tokio::join!(play, said(&mut watches));
    assert_eq!(told, "listed b");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_asked_again_and_again_ever_less_often() {
    let (mut watches, mut server, watched) = settled().await;
    drop(watched);
    let start = Instant::now();
    let play = async {
        for _ in 0..20 {
            server.watch(PODS, "7").await.broken();
        }
        let gone_for = start.elapsed();
        let watched = server.watch(PODS, "7").await.watched();
        watched.send("MODIFIED", &pod("a", "8"));
        (gone_for, watched)
    };
    // Nothing is said while it is gone: what is attached stays.
    let ((gone_for, _watched), told) = tokio::join!(play, said(&mut watches));
    assert_eq!(told, "applied a");
    // 0.8, 1.6, … and then 30 s each, up to twice as long.
    assert!(gone_for > Duration::from_secs(400), "{gone_for:?}");
    assert!(gone_for < Duration::from_secs(1200), "{gone_for:?}");
    assert_eq!(watches.counts()["pods"].failures, 20);
    assert_eq!(watches.complete(), Ok(()));
}

/// Their waits have grown to different lengths, of up to a minute.
#[tokio::test(start_paused = true)]
async fn watches_come_back_together() {
    let mut needs = web_pods();
    needs.destinations = vec!["pods/shop/app=v2:80".parse().unwrap()];
    let (mut watches, mut server) = watching(needs);
    let play = async {
        let mut asked = 0;
        let start = Instant::now();
        // Nobody answers for minutes.
        while start.elapsed() < Duration::from_secs(300) {
            server.asked().await.broken();
            asked += 1;
        }
        assert!(asked > 10, "{asked}");
        let first = server.asked().await;
        let path = first.path.clone();
        first.listed("7", &[]);
        let back = Instant::now();
        // The other one is asked for, beside the stream of the first.
        let mut open = Vec::new();
        loop {
            let asked = server.asked().await;
            if asked.path == path {
                open.push(asked.watched());
                continue;
            }
            asked.listed("7", &[]);
            return (back.elapsed(), open);
        }
    };
    let follow = async {
        loop {
            watches.next().await;
        }
    };
    let (waited, _open) = tokio::select! {
        played = play => played,
        never = follow => never,
    };
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn lists_that_fail_are_tried_again_ever_less_often_too() {
    let (mut watches, mut server) = watching(web_pods());
    let start = Instant::now();
    let play = async {
        for _ in 0..10 {
            server.list(PODS).await.refused(500);
        }
        let gone_for = start.elapsed();
        server.list(PODS).await.listed("7", &[]);
        gone_for
    };
    let (gone_for, told) = tokio::join!(play, said(&mut watches));
    assert_eq!(told, "listed");
    assert!(gone_for > Duration::from_secs(90), "{gone_for:?}");
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_told_and_nothing_is_forgotten() {
    let (mut watches, mut server, watched) = settled().await;
    drop(watched);
    let play = async {
        server.watch(PODS, "7").await.refused(403);
        server.watch(PODS, "7").await
    };
    let follow = quiet(&mut watches, Duration::from_millis(700));
    let (again, ()) = tokio::join!(play, follow);
    assert_eq!(failing(&watches), Some(FailureReason::Forbidden));
    assert_eq!(watches.complete(), Ok(()), "the pods are known");

    // It is allowed again, and nothing happens: that, too, is seen in time.
    let _watched = again.watched();
    quiet(&mut watches, Duration::from_secs(60)).await;
    assert_eq!(failing(&watches), None);
    let metrics = watches.by_kind();
    assert_eq!((metrics[0].healthy, metrics[0].failures), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn what_has_never_been_listed_is_named_with_the_reason() {
    let (mut watches, mut server) = watching(web_pods());
    let play = async {
        server.list(PODS).await.refused(403);
    };
    let ((), ()) = tokio::join!(play, quiet(&mut watches, Duration::from_millis(700)));
    assert_eq!(
        watches.complete(),
        Err("pods of this node: status 403: told 403".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_that_can_not_be_read_does_not_hide_the_next_ones() {
    let (mut watches, _server, watched) = settled().await;
    watched.send("MODIFIED", &serde_json::json!({"metadata": "odd"}));
    watched.send("ADDED", &pod("b", "9"));
    assert_eq!(said(&mut watches).await, "applied b");
    assert_eq!(watches.counts()["pods"].failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_crashes_is_begun_again_later() {
    let (mut watches, mut server, _watched) = settled().await;
    let crashing = watches
        .tasks
        .spawn(async { panic!("as the test wants it") });
    let running = watches.running.get_mut(&Slot::NodePods).unwrap();
    mem::replace(&mut running.task, crashing).abort();
    quiet(&mut watches, Duration::from_secs(29)).await;
    assert_eq!(failing(&watches), Some(FailureReason::Crashed));
    let play = async {
        let list = server.list(PODS).await;
        assert_eq!(list.get("resourceVersion"), None);
        list.listed("9", &[pod("b", "8")]);
        server.watch(PODS, "9").await.watched()
    };
    let (_watched, told) = tokio::join!(play, said(&mut watches));
    assert_eq!(told, "listed b");
    assert_eq!(failing(&watches), None);
}

/// The pods of this node, and those of namespace `shop` for copies.
fn two_watches() -> (Watches, Server) {
    let mut needs = web_pods();
    needs.destinations = vec!["pods/shop/app=v2:80".parse().unwrap()];
    watching(needs)
}

#[tokio::test(start_paused = true)]
async fn the_server_is_away_only_if_no_watch_has_had_an_answer() {
    for code in [None, Some(429), Some(500), Some(422)] {
        let (mut watches, mut server) = two_watches();
        assert!(!watches.is_away(), "nothing is known yet");
        let play = async {
            server.asked().await.broken();
            // The first one may ask again before the second one does.
            for _ in 0..6 {
                let asked = server.asked().await;
                match code {
                    Some(code) if asked.path != PODS => asked.refused(code),
                    _ => asked.broken(),
                }
            }
        };
        let follow = async {
            loop {
                watches.next().await;
            }
        };
        tokio::select! {
            () = play => {}
            never = follow => never,
        }
        quiet(&mut watches, Duration::from_millis(100)).await;
        let failing = watches.status();
        let failing = failing.filter(|it| matches!(it.state, WatchState::Failing(_)));
        assert_eq!(failing.count(), 2);
        assert_eq!(watches.is_away(), code.is_none(), "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_is_not_heard_while_a_watch_fails_though_another_one_stands() {
    let (mut watches, mut server) = two_watches();
    let mut open = Vec::new();
    for fails in [false, true] {
        let play = async {
            if fails {
                // That of this node's pods breaks off; the other one goes on.
                open.retain(|(path, _)| path != PODS);
                return server.watch(PODS, "7").await.broken();
            }
            while open.len() < 2 {
                let asked = server.asked().await;
                match asked.get("watch") {
                    None => asked.listed("7", &[]),
                    Some(_) => open.push((asked.path.clone(), asked.watched())),
                }
            }
        };
        let follow = async {
            loop {
                watches.next().await;
            }
        };
        tokio::select! {
            () = play => {}
            never = follow => never,
        }
        // All that was said is taken.
        while timeout(Duration::from_millis(100), watches.next())
            .await
            .is_ok()
        {}
        assert_eq!(watches.is_heard(), !fails);
        assert_eq!(watches.complete(), Ok(()));
    }
}
