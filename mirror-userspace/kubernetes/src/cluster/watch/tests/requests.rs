//! What the API server is asked while all is well.

use std::time::Duration;

use mirror_core::destination::Labels;
use serde_json::json;

use super::server::{bookmark, pod, said, watching};
use crate::{
    cluster::{
        Endpoints, Event, WatchState,
        watch::{Needs, Update},
    },
    plan::{Scope, Source},
};

pub(super) const PODS: &str = "/api/v1/namespaces/default/pods";

pub(super) fn web_pods() -> Needs {
    Needs {
        sources: vec![Source::Pods {
            scope: Scope::Namespace("default".into()),
            selector: "app=web,version in (v1,v2)".parse().unwrap(),
            ports: vec![80],
        }],
        ..Needs::default()
    }
}

#[tokio::test(start_paused = true)]
async fn pods_are_listed_from_the_cache_and_then_watched_from_there() {
    let (mut watches, mut server) = watching(web_pods());
    assert_eq!(
        watches.complete(),
        Err("pods of this node: not listed yet".to_owned())
    );
    let play = async {
        let first = server.list(PODS).await;
        let parameters = [
            ("fieldSelector", "spec.nodeName=node-1"),
            ("labelSelector", "app=web,version in (v1,v2)"),
            ("resourceVersion", "0"),
            ("resourceVersionMatch", "NotOlderThan"),
        ];
        let expected = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(first.query, expected.into());
        first.listed("7", &[pod("a", "1"), pod("b", "2")]);
        let watch = server.watch(PODS, "7").await;
        assert_eq!(watch.get("fieldSelector"), Some("spec.nodeName=node-1"));
        assert_eq!(
            watch.get("labelSelector"),
            Some("app=web,version in (v1,v2)")
        );
        assert_eq!(watch.get("allowWatchBookmarks"), Some("true"));
        assert_eq!(watch.get("timeoutSeconds"), Some("290"));
        let watched = watch.watched();
        watched.send("ADDED", &pod("c", "8"));
        watched.send("MODIFIED", &pod("a", "9"));
        watched.send("DELETED", &pod("b", "10"));
        watched
    };
    let follow = async {
        assert_eq!(said(&mut watches).await, "listed a b");
        assert_eq!(watches.complete(), Ok(()));
        assert_eq!(said(&mut watches).await, "applied c");
        assert_eq!(said(&mut watches).await, "applied a");
        assert_eq!(said(&mut watches).await, "deleted uid-b");
    };
    let (_watched, ()) = tokio::join!(play, follow);
    let counts = watches.counts()["pods"];
    assert_eq!((counts.lists, counts.changes, counts.failures), (1, 3, 0));
    assert!(server.is_left_alone(Duration::from_secs(200)).await);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_from_the_last_bookmark() {
    let (mut watches, mut server) = watching(web_pods());
    let play = async {
        server.list(PODS).await.listed("7", &[]);
        let watched = server.watch(PODS, "7").await.watched();
        watched.send("ADDED", &pod("a", "8"));
        watched.send("BOOKMARK", &bookmark("20"));
        drop(watched);
        let watched = server.watch(PODS, "20").await.watched();
        watched.send("ADDED", &pod("b", "21"));
        watched
    };
    let follow = async {
        assert_eq!(said(&mut watches).await, "listed");
        assert_eq!(said(&mut watches).await, "applied a");
        assert_eq!(said(&mut watches).await, "applied b");
    };
    let (_watched, ()) = tokio::join!(play, follow);
    assert_eq!(watches.counts()["pods"].failures, 0);
}

#[tokio::test(start_paused = true)]
async fn watches_come_and_go_with_the_rules_and_others_are_left_alone() {
    let (mut watches, mut server) = watching(web_pods());
    let play = async {
        server.list(PODS).await.listed("7", &[pod("a", "1")]);
        server.watch(PODS, "7").await.watched()
    };
    let (first, told) = tokio::join!(play, said(&mut watches));
    assert_eq!(told, "listed a");

    // A target comes: the pods of the node are watched as before.
    let mut more = web_pods();
    more.destinations = vec!["pods/shop/app=v2:8080".parse().unwrap()];
    watches.need(more.clone());
    let play = async {
        let list = server.list("/api/v1/namespaces/shop/pods").await;
        assert_eq!(list.get("labelSelector"), Some("app=v2"));
        assert_eq!(list.get("fieldSelector"), None);
        list.listed("9", &[]);
        server
            .watch("/api/v1/namespaces/shop/pods", "9")
            .await
            .watched()
    };
    let (_shop, told) = tokio::join!(play, watches.next());
    let Update::Endpoints(destination, Endpoints { addresses, .. }) = told else {
        panic!("{told:?}");
    };
    assert_eq!((&destination, addresses), (&more.destinations[0], vec![]));
    first.send("ADDED", &pod("b", "8"));
    assert_eq!(said(&mut watches).await, "applied b");

    // A rule comes that needs more pods: one list that is up to date, and the target is left alone.
    more.sources.push(Source::Pods {
        scope: Scope::All,
        selector: "app=other".parse().unwrap(),
        ports: vec![80],
    });
    watches.need(more);
    let play = async {
        let list = server.list("/api/v1/pods").await;
        assert_eq!(list.get("labelSelector"), None);
        assert_eq!(list.get("resourceVersion"), None);
        list.listed("30", &[pod("b", "8")]);
        server.watch("/api/v1/pods", "30").await.watched()
    };
    let (_all, told) = tokio::join!(play, said(&mut watches));
    assert_eq!(told, "listed b");

    watches.need(Needs::default());
    assert_eq!(watches.status().count(), 0);
    assert!(server.is_left_alone(Duration::from_secs(1000)).await);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_mirrored_is_watched_by_name() {
    let (mut watches, mut server) = watching(Needs {
        sources: vec![Source::Service {
            service: mirror_core::destination::ServiceRef {
                namespace: "default".into(),
                name: "web".into(),
            },
            ports: vec![80],
            subset: Labels::new(),
        }],
        ..Needs::default()
    });
    let play = async {
        for _ in 0..2 {
            let list = server.asked().await;
            if list.path == PODS {
                list.listed("7", &[]);
                continue;
            }
            assert_eq!(list.path, "/api/v1/namespaces/default/services");
            assert_eq!(list.get("fieldSelector"), Some("metadata.name=web"));
            list.listed(
                "7",
                &[json!({
                    "metadata": {"namespace": "default", "name": "web", "resourceVersion": "5"},
                    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
                })],
            );
        }
        [
            server.asked().await.watched(),
            server.asked().await.watched(),
        ]
    };
    let follow = async {
        for _ in 0..2 {
            match watches.next().await {
                Update::Event(Event::PodsListed(pods)) => assert_eq!(pods, []),
                Update::Event(Event::ServiceApplied(view)) => {
                    assert_eq!(view.selector["app"], "web");
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let (_watched, ()) = tokio::join!(play, follow);
    assert!(watches.status().all(|it| it.state == WatchState::Watching));
}
