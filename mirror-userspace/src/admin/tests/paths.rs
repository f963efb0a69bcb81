//! The paths, and what each says in each state.

use std::{sync::atomic::Ordering, time::Duration};

use super::*;
use crate::admin::{Snapshot, render};

#[tokio::test]
async fn each_path_answers_and_nothing_else_does() {
    let admin = answered(patient(), Owner::new()).await;
    let at = admin.address();
    for (path, body) in [
        ("/healthz", "ok\n"),
        ("/readyz", "ready; attached to nothing\n"),
        ("/readyz?verbose", "ready; attached to nothing\n"),
        (
            "/sample-rate",
            "100 %\tflags\thttp://v2\n100 %\tHTTPRoute default/web rules[0]\thttp://v2\n",
        ),
    ] {
        let reply = get(at, path).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, body), "{path}");
        let head = ask(at, "HEAD", path).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
    }
    let ledger: serde_json::Value = serde_json::from_str(&get(at, "/ledger").await.body).unwrap();
    assert_eq!(ledger["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(ledger["rules"][1]["rule"], "HTTPRoute default/web rules[0]");
    assert_eq!(ledger["rules"][0]["targets"][0]["sample_ratio"], 1.0);
    assert_eq!(ledger["rules"][0]["ledger"]["balanced"], true);
    let metrics = get(at, "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .head
            .contains("content-type: text/plain; version=0.0.4"),
        "{}",
        metrics.head
    );
    for path in [
        // The page's, at an address of its own.
        "/",
        "/app.js",
        "/events",
        "/healthz/",
        "//healthz",
        "/metrics/x",
        "/debug/pprof",
        "/Metrics",
        "*",
    ] {
        assert_eq!(get(at, path).await.status, 404, "{path}");
    }
    for (method, path) in [
        ("POST", "/sample-rate"),
        ("DELETE", "/sample-rate"),
        // What a browser asks before a PUT of another origin's page.
        ("OPTIONS", "/sample-rate"),
        ("PUT", "/metrics"),
        ("POST", "/ledger"),
        ("PUT", "/healthz"),
        ("TRACE", "/readyz"),
    ] {
        let reply = ask(at, method, path).await;
        assert_eq!(reply.status, 405, "{method} {path}");
        assert!(
            reply.head.contains("\r\nallow: get, head"),
            "{}",
            reply.head
        );
        assert!(!reply.head.contains("access-control"), "{}", reply.head);
    }
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let missing = "attached to 2 of 3 pods: default/web-3 waits for its sandbox";
    let owner = Owner {
        ready: Err(missing.into()),
        ..Owner::new()
    };
    let admin = answered(patient(), owner).await;
    let reply = get(admin.address(), "/readyz").await;
    assert_eq!((reply.status, reply.body), (503, format!("{missing}\n")));
    assert_eq!(get(admin.address(), "/healthz").await.status, 200);
}

#[tokio::test]
async fn an_owner_that_is_busy_is_not_ready_and_alive_for_a_while() {
    let limits = Limits {
        ready_time: Duration::from_millis(20),
        answer_time: Duration::from_millis(20),
        stuck_after: Duration::ZERO,
        ..patient()
    };
    let (admin, questions) = server(limits).await;
    let at = admin.address();
    for path in ["/readyz", "/metrics", "/sample-rate"] {
        let reply = get(at, path).await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (503, "busy\n"),
            "{path}"
        );
    }
    assert_eq!(
        get(at, "/healthz").await.status,
        200,
        "it has just been asked"
    );
    assert_eq!(
        get(at, "/healthz").await.status,
        503,
        "and has not come by since"
    );
    let owner = Owner::new();
    let snapshots = owner.snapshots.clone();
    tokio::spawn(owner.run(questions));
    while get(at, "/healthz").await.status != 200 {}
    assert_eq!(get(at, "/readyz").await.status, 200);
    assert_eq!(
        snapshots.load(Ordering::Relaxed),
        0,
        "nobody waits any longer for what was asked before"
    );
}

#[tokio::test]
async fn more_questions_than_may_wait_are_refused_at_once() {
    let (admin, questions) = server(patient()).await;
    let at = admin.address();
    let waiting: Vec<_> = (0..40).map(|_| tokio::spawn(get(at, "/readyz"))).collect();
    let mut refused = 0;
    let mut pending = Vec::new();
    for one in waiting {
        // 16 wait in the channel; the others have their answer.
        pending.push(one);
    }
    while refused < 24 {
        tokio::task::yield_now().await;
        refused = pending.iter().filter(|one| one.is_finished()).count();
    }
    tokio::spawn(Owner::new().run(questions));
    let mut statuses = Vec::new();
    for one in pending {
        statuses.push(one.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 16].as_slice(), &[503; 24]].concat());
}

#[tokio::test]
async fn a_mirror_that_stops_is_alive_and_not_ready() {
    let (admin, questions) = server(patient()).await;
    drop(questions);
    let reply = get(admin.address(), "/readyz").await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "stopping\n"));
    for _ in 0..2 {
        assert_eq!(get(admin.address(), "/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn scrapers_that_come_at_once_share_one_snapshot() {
    let owner = Owner::new();
    let snapshots = owner.snapshots.clone();
    let limits = Limits {
        metrics_age: Duration::from_secs(3600),
        ..patient()
    };
    let admin = answered(limits, owner).await;
    let scrapes = (0..20).map(|_| tokio::spawn(get(admin.address(), "/metrics")));
    for scrape in scrapes.collect::<Vec<_>>() {
        assert_eq!(scrape.await.unwrap().status, 200);
    }
    assert_eq!(snapshots.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn all_addresses_are_those_of_both_versions() {
    let all = |port| AdminConfig {
        listen: Some(Listen::All(port)),
        ..AdminConfig::default()
    };
    let (admin, questions) = Admin::start(all(0)).await.unwrap();
    tokio::spawn(Owner::new().run(questions));
    let address = admin.address().unwrap();
    let port = address.port();
    assert!(address.ip().is_unspecified());
    assert_eq!(
        get(([127, 0, 0, 1], port).into(), "/healthz").await.status,
        200
    );
    if address.is_ipv6() {
        let to = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
        assert_eq!(get(to, "/healthz").await.status, 200);
    }
    let taken = all(port);
    let error = Admin::start(taken).await.unwrap_err();
    assert!(
        format!("{error:#}").starts_with(&format!("--admin-address :{port}: ")),
        "{error:#}"
    );
}

#[tokio::test]
async fn a_server_that_is_dropped_is_gone() {
    let admin = answered(patient(), Owner::new()).await;
    let at = admin.address();
    let mut idle = TcpStream::connect(at).await.unwrap();
    assert_eq!(get(at, "/healthz").await.status, 200);
    drop(admin);
    closed(&mut idle).await;
    while TcpStream::connect(at).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_empty_snapshot_is_a_page() {
    let page = exposition::read(&render(&Snapshot::default())).unwrap();
    assert_eq!(
        page.value("podmirror_metrics_omitted", &[("of", "rules")]),
        Some(0.0)
    );
}
