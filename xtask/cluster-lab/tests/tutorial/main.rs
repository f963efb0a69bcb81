//! The tutorial against a cluster that is not there: what it asks for, how it judges, that it cleans up.

#![cfg(test)]

mod fake;

use std::time::Duration;

use cluster_lab::tutorial::{Options, Parts, Verdict, play};

use fake::{FakeCluster, Fault};

const NAME: &str = "podmirror-e2e-1";

fn options() -> Options {
    Options {
        image: "registry/podmirror:x".to_owned(),
        web_image: "nginx:test".to_owned(),
        overlay: "base".to_owned(),
        requests: 400,
        patience: Duration::from_millis(200),
        pause: Duration::from_millis(1),
        parts: Parts::Flags,
        outage: None,
        disturbances: Vec::new(),
        plugin: None,
    }
}

/// Plays on a cluster with this fault; returns the verdicts and the error, if there was one.
async fn play_on(cluster: &FakeCluster) -> (Vec<Verdict>, Option<String>) {
    let mut verdicts = Vec::new();
    let played = play(cluster.client(), NAME, &options(), |verdict| {
        verdicts.push(verdict);
    })
    .await;
    (verdicts, played.err().map(|error| format!("{error:#}")))
}

#[tokio::test]
async fn every_act_has_its_verdict_and_nothing_is_left() {
    let cluster = FakeCluster::new(Fault::None);
    let (verdicts, error) = play_on(&cluster).await;
    assert_eq!(error, None);
    let lines: Vec<_> = verdicts.iter().map(Verdict::to_string).collect();
    assert_eq!(
        lines,
        [
            "ok      v1 runs",
            "ok      v2 runs",
            "ok      the agent is ready on 2 nodes",
            "ok      100 %: v1 answered 400 of 400 requests and logged 400; v2 logged 400 copies, \
             expected 400 ± 0",
            "ok      50 %: v1 answered 400 of 400 requests and logged 400; v2 logged 200 copies, \
             expected 200 ± 50",
            "ok      10 %: v1 answered 400 of 400 requests and logged 400; v2 logged 40 copies, \
             expected 40 ± 30",
            "ok      0 %: v1 answered 400 of 400 requests and logged 400; v2 logged 0 copies, \
             expected 0 ± 0",
            "ok      namespace podmirror-e2e-1 and what belongs to it is removed",
        ]
    );
    assert_eq!(cluster.left(), [""; 0]);
}

#[tokio::test]
async fn requests_have_the_shape_that_an_api_server_expects() {
    let cluster = FakeCluster::new(Fault::None);
    play_on(&cluster).await;
    let requests = cluster.requests();
    let place = "/api/v1/namespaces/podmirror-e2e-1";
    for expected in [
        "POST /api/v1/namespaces?fieldValidation=Strict".to_owned(),
        "POST /apis/apps/v1/namespaces/podmirror-e2e-1/deployments?fieldValidation=Strict"
            .to_owned(),
        "POST /apis/apps/v1/namespaces/podmirror-e2e-1/daemonsets?fieldValidation=Strict"
            .to_owned(),
        "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings?fieldValidation=Strict"
            .to_owned(),
        "POST /apis/scheduling.k8s.io/v1/priorityclasses?fieldValidation=Strict".to_owned(),
        format!("POST {place}/serviceaccounts?fieldValidation=Strict"),
        format!("GET {place}/pods?labelSelector=app.kubernetes.io/name%3Dpodmirror"),
        format!("PUT {place}/pods/podmirror-a:9090/proxy/sample-rate"),
        format!("PUT {place}/pods/podmirror-b:9090/proxy/sample-rate"),
        format!("GET {place}/pods/web-v2-0/log"),
        "DELETE /apis/rbac.authorization.k8s.io/v1/clusterroles/podmirror-e2e-1".to_owned(),
        "DELETE /api/v1/namespaces/podmirror-e2e-1".to_owned(),
    ] {
        assert!(requests.contains(&expected), "{expected} in {requests:#?}");
    }
    let at = |what: &str| {
        let found = requests.iter().position(|request| request.contains(what));
        found.unwrap_or_else(|| panic!("{what}"))
    };
    assert!(
        at("DELETE /apis/apps/v1/namespaces/podmirror-e2e-1/daemonsets")
            < at("DELETE /apis/rbac.authorization.k8s.io"),
        "the agent ends before it loses its rights"
    );
}

#[tokio::test]
async fn an_agent_that_does_not_hear_of_the_rate_is_found_out() {
    let cluster = FakeCluster::new(Fault::RateStays);
    let (verdicts, error) = play_on(&cluster).await;
    assert_eq!(error, None);
    let good: Vec<_> = verdicts.iter().map(|verdict| verdict.good).collect();
    assert_eq!(good, [true, true, true, true, false, false, false, true]);
    assert!(verdicts[6].what.contains("400 copies, expected 0"));
}

#[tokio::test]
async fn requests_that_v1_does_not_answer_are_found_out() {
    let cluster = FakeCluster::new(Fault::V1Fails);
    let (verdicts, _) = play_on(&cluster).await;
    assert!(
        verdicts[3]
            .to_string()
            .starts_with("FAILED  100 %: v1 answered 399 of 400")
    );
}

#[tokio::test]
async fn what_was_made_before_a_refusal_is_removed() {
    let cluster = FakeCluster::new(Fault::Forbidden("clusterroles"));
    let (verdicts, error) = play_on(&cluster).await;
    let error = error.unwrap();
    assert!(
        error.contains("creating ClusterRole podmirror-e2e-1"),
        "{error}"
    );
    assert_eq!(verdicts.last().map(|verdict| verdict.good), Some(true));
    assert_eq!(cluster.left(), [""; 0]);
}

#[tokio::test]
async fn an_agent_that_never_gets_ready_is_waited_for_with_an_end() {
    let cluster = FakeCluster::new(Fault::NeverReady);
    let (_, error) = play_on(&cluster).await;
    let error = error.unwrap();
    assert!(
        error.contains("waited 200ms for podmirror to be ready"),
        "{error}"
    );
    assert!(error.contains(r#""numberReady":1"#), "{error}");
    assert_eq!(cluster.left(), [""; 0]);
}
