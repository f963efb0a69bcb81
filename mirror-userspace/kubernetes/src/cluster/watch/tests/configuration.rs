//! Configuration of kinds that a cluster may or may not have.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::server::{Asked, Server, Watched, watching};
use crate::{
    cluster::{
        FailureReason, WatchState, WatchStatus,
        watch::{Needs, Update, Watches},
    },
    plan::Scope,
};

const ISTIO: &str = "/apis/networking.istio.io";
/// Enough for the watches to take what was said.
const MOMENT: Duration = Duration::from_millis(1);
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn configuration() -> Needs {
    Needs {
        documents: Some(Scope::All),
        ..Needs::default()
    }
}

fn route(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"namespace": "default", "name": name, "resourceVersion": version},
        "spec": {"http": [{"mirror": {"host": name}}]},
    })
}

fn definition(version: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": "virtualservices.networking.istio.io", "resourceVersion": version},
    })
}

/// The names of the documents in the next update.
async fn told(watches: &mut Watches) -> Vec<String> {
    match watches.next().await {
        Update::Documents(documents) => {
            let name = |it: &Arc<Value>| it["metadata"]["name"].as_str().unwrap().to_owned();
            documents.held.iter().map(name).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn state_of(watches: &Watches, resource: &str) -> WatchState {
    let mut all = watches.status();
    let found = all.find(|status| status.resource == resource);
    found.unwrap().state.clone()
}

fn is_about(asked: &Asked, plural: &str) -> bool {
    let name = asked.get("fieldSelector").unwrap_or(&asked.path);
    name.contains(plural)
}

/// Answers until something is asked about virtual services: nothing else is installed.
async fn asked_about_routes(server: &mut Server, open: &mut Vec<Watched>) -> Asked {
    loop {
        let asked = server.asked().await;
        if is_about(&asked, "virtualservices") {
            return asked;
        }
        answer_as_absent(asked, open);
    }
}

fn answer_as_absent(asked: Asked, open: &mut Vec<Watched>) {
    if asked.path != DEFINITIONS {
        asked.refused(404);
    } else if asked.get("watch").is_some() {
        open.push(asked.watched());
    } else {
        asked.listed("3", &[]);
    }
}

#[tokio::test(start_paused = true)]
async fn objects_that_mirror_are_told_together_once_all_kinds_are_known() {
    let (mut watches, mut server) = watching(configuration());
    let mut open = Vec::new();
    let play = async {
        let list = asked_about_routes(&mut server, &mut open).await;
        assert_eq!(list.path, format!("{ISTIO}/v1/virtualservices"));
        let mut plain = route("plain", "5");
        plain["spec"] = json!({"http": [{"route": []}]});
        list.listed("7", &[route("b", "6"), plain, route("a", "7")]);
        let watched = asked_about_routes(&mut server, &mut open).await.watched();
        // Applied together, told together.
        watched.send("ADDED", &route("c", "8"));
        watched.send("DELETED", &route("b", "9"));
        loop {
            answer_as_absent(server.asked().await, &mut open);
            if open.len() == 5 {
                return watched;
            }
        }
    };
    // All that is listed and not handed on yet may be what there is to mirror.
    let listed = async {
        while watches.status().any(|status| !status.complete) {
            let heard = timeout(MOMENT, watches.next()).await;
            assert!(heard.is_err(), "{heard:?}");
            assert!(watches.complete().is_err());
        }
    };
    let (watched, ()) = tokio::join!(play, listed);
    assert!(watches.complete().is_err());
    assert_eq!(told(&mut watches).await, ["a", "c"]);
    assert_eq!(watches.complete(), Ok(()));
    assert_eq!(state_of(&watches, "httproutes"), WatchState::NotInstalled);
    watched.send("DELETED", &route("a", "10"));
    assert_eq!(told(&mut watches).await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn an_older_version_is_watched_where_no_newer_one_is_served() {
    let (mut watches, mut server) = watching(configuration());
    let mut open = Vec::new();
    let play = async {
        for version in ["v1", "v1beta1"] {
            let list = asked_about_routes(&mut server, &mut open).await;
            assert_eq!(list.path, format!("{ISTIO}/{version}/virtualservices"));
            list.refused(404);
        }
        let list = asked_about_routes(&mut server, &mut open).await;
        assert_eq!(list.path, format!("{ISTIO}/v1alpha3/virtualservices"));
        list.listed("7", &[route("old", "6")]);
        let watched = asked_about_routes(&mut server, &mut open).await.watched();
        while open.len() < 5 {
            answer_as_absent(server.asked().await, &mut open);
        }
        watched
    };
    let (_watched, names) = tokio::join!(play, told(&mut watches));
    assert_eq!(names, ["old"]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_installed_later_is_watched_from_then_on() {
    let (mut watches, mut server) = watching(configuration());
    let mut open = Vec::new();
    let play = async {
        for _ in 0..3 {
            asked_about_routes(&mut server, &mut open)
                .await
                .refused(404);
        }
        let list = asked_about_routes(&mut server, &mut open).await;
        assert_eq!((list.path.as_str(), list.get("watch")), (DEFINITIONS, None));
        list.listed("3", &[]);
        let definitions = asked_about_routes(&mut server, &mut open).await.watched();
        while open.len() < 5 {
            answer_as_absent(server.asked().await, &mut open);
        }
        definitions
    };
    let (definitions, names) = tokio::join!(play, told(&mut watches));
    assert_eq!(names, [""; 0]);
    assert_eq!(
        state_of(&watches, "virtualservices"),
        WatchState::NotInstalled
    );

    // Nothing is asked until the definition comes, and then it is not served at once.
    let play = async {
        assert!(server.is_left_alone(Duration::from_secs(60)).await);
        definitions.send("ADDED", &definition("20"));
        for _ in 0..3 {
            server.asked().await.refused(404);
        }
        server.asked().await.listed("20", &[definition("20")]);
        let definitions = server.asked().await.watched();
        assert!(server.is_left_alone(Duration::from_secs(60)).await);
        definitions.send("MODIFIED", &definition("21"));
        let list = server.list(&format!("{ISTIO}/v1/virtualservices")).await;
        list.listed("22", &[route("new", "22")]);
        server.asked().await.watched()
    };
    let (_watched, names) = tokio::join!(play, told(&mut watches));
    assert_eq!(names, ["new"]);
    assert_eq!(state_of(&watches, "virtualservices"), WatchState::Watching);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_see_definitions_a_kind_is_asked_for_twice_a_minute() {
    let (mut watches, mut server) = watching(configuration());
    let play = async {
        let (mut kinds, mut definitions) = (0, 0);
        // Three versions of two kinds, two of two, and one of two; and then their definitions.
        while kinds < 12 || definitions < 6 {
            let asked = server.asked().await;
            if asked.path == DEFINITIONS {
                definitions += 1;
                asked.refused(403);
            } else {
                kinds += 1;
                asked.refused(404);
            }
        }
        let start = Instant::now();
        server.asked().await.refused(404);
        start.elapsed()
    };
    let follow = async {
        assert_eq!(told(&mut watches).await, [""; 0]);
        watches.next().await
    };
    let waited = tokio::select! {
        waited = play => waited,
        told = follow => panic!("{told:?}"),
    };
    let bounds = Duration::from_secs(19)..=Duration::from_secs(30);
    assert!(bounds.contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_a_kind_for_a_moment_takes_nothing_back() {
    let (mut watches, mut server) = watching(configuration());
    let mut open = Vec::new();
    let play = async {
        let list = asked_about_routes(&mut server, &mut open).await;
        list.listed("7", &[route("a", "6")]);
        let watched = asked_about_routes(&mut server, &mut open).await.watched();
        while open.len() < 5 {
            answer_as_absent(server.asked().await, &mut open);
        }
        watched
    };
    let (watched, names) = tokio::join!(play, told(&mut watches));
    assert_eq!(names, ["a"]);

    // It starts, and does not know its kinds yet.
    drop(watched);
    let play = async {
        for _ in 0..4 {
            server.asked().await.refused(404);
        }
        let list = server.list(DEFINITIONS).await;
        list.listed("8", &[definition("2")]);
        let list = server.list(&format!("{ISTIO}/v1/virtualservices")).await;
        list.listed("9", &[route("a", "6"), route("b", "9")]);
        server.asked().await.watched()
    };
    let (watched, names) = tokio::join!(play, told(&mut watches));
    assert_eq!(names, ["a", "b"], "and no update in between");

    // The kind is removed from the cluster.
    drop(watched);
    let play = async {
        for _ in 0..4 {
            server.asked().await.refused(404);
        }
        server.list(DEFINITIONS).await.listed("10", &[]);
    };
    let ((), names) = tokio::join!(play, told(&mut watches));
    assert_eq!(names, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn kinds_that_stay_forbidden_hold_nothing_up_and_are_asked_for_ever_less_often() {
    let (mut watches, mut server) = watching(configuration());
    let start = Instant::now();
    let play = async {
        for _ in 0..6 * 6 {
            server.asked().await.refused(403);
        }
    };
    let ((), names) = tokio::join!(play, told(&mut watches));
    assert_eq!(names, [""; 0]);
    assert_eq!(watches.complete(), Ok(()));
    // Five waits from 0.8 s to 12.8 s, up to twice as long each.
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(50), "{waited:?}");
    // The next is 25.6 s or more, and whatever reaches 30 s lasts ten times as long.
    let end = start + Duration::from_secs(105);
    while let Ok(asked) = timeout_at(end, server.asked()).await {
        // While it is asked again, nothing works yet.
        assert!(timeout(MOMENT, watches.next()).await.is_err());
        let forbidden = |status: &WatchStatus| matches!(&status.state, WatchState::Failing(it) if it.reason == FailureReason::Forbidden);
        assert!(watches.status().all(forbidden));
        assert!(watches.counts().values().all(|counts| counts.changes == 0));
        asked.refused(403);
    }
    assert!(server.is_left_alone(Duration::from_secs(200)).await);
}
