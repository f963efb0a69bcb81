//! Who may set the rate, and to what.

use std::time::Duration;

use super::*;
use crate::admin::client;

async fn rates(at: SocketAddr) -> Vec<String> {
    let text = get(at, "/sample-rate").await.body;
    let rates = text
        .lines()
        .map(|line| line.split('\t').next().unwrap().to_owned());
    rates.collect()
}

#[tokio::test]
async fn a_rate_is_set_for_all_rules_or_for_one() {
    let admin = answered(patient(), TuneFrom::Loopback, Owner::new()).await;
    let at = admin.address();
    let reply = exchange(at, &put("50%")).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body,
        get(at, "/sample-rate").await.body,
        "it says what is set"
    );
    assert_eq!(rates(at).await, ["50 %", "50 %"]);
    exchange(at, &put("1/4\tHTTPRoute default/web rules[0]\r\n"))
        .await
        .unwrap();
    assert_eq!(rates(at).await, ["50 %", "25 %"]);
    exchange(at, &put("0")).await.unwrap();
    assert_eq!(rates(at).await, ["0 %", "0 %"]);
    let chunked = b"PUT /sample-rate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                    2\r\n12\r\n3\r\n.5%\r\n0\r\n\r\n";
    assert_eq!(exchange(at, chunked).await.unwrap().status, 200);
    assert_eq!(rates(at).await, ["12.5 %", "12.5 %"]);
}

#[tokio::test]
async fn what_is_no_rate_changes_nothing() {
    let admin = answered(patient(), TuneFrom::Anywhere, Owner::new()).await;
    let at = admin.address();
    for (body, status, word) in [
        ("", 400, "accepted: a percentage"),
        ("101", 400, "above 100 %"),
        ("NaN", 400, "is no number"),
        ("50%\n50%", 400, "is no number"),
        ("50%\tnobody", 404, "no such rule"),
        ("50%\tflags\thttp://v2", 404, "no such rule"),
        ("50%\t", 404, "no such rule"),
        ("{\"rate\": 50}", 400, "accepted"),
    ] {
        let reply = exchange(at, &put(body)).await.unwrap();
        assert_eq!(reply.status, status, "{body:?}");
        assert!(reply.body.contains(word), "{body:?}: {}", reply.body);
    }
    let latin = b"PUT /sample-rate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n5\xff";
    assert_eq!(exchange(at, latin).await.unwrap().status, 400);
    assert_eq!(rates(at).await, ["100 %", "100 %"]);
}

#[tokio::test]
async fn only_loopback_tunes_unless_all_may() {
    let here = "127.0.0.1";
    // How a sidecar passes on what comes from elsewhere.
    let passed_on = "127.0.0.6";
    for (tuning, source, status) in [
        (TuneFrom::Loopback, here, 200),
        (TuneFrom::Loopback, passed_on, 403),
        (TuneFrom::Anywhere, here, 200),
        (TuneFrom::Anywhere, passed_on, 200),
    ] {
        let admin = answered(patient(), tuning, Owner::new()).await;
        let at = admin.address();
        let reply = exchange_from(source, at, &put("50%")).await.unwrap();
        assert_eq!(
            reply.status, status,
            "{tuning:?} from {source}: {}",
            reply.body
        );
        let expected = if status == 200 { "50 %" } else { "100 %" };
        assert_eq!(rates(at).await[0], expected);
        let looked = exchange_from(source, at, b"GET /sample-rate HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(looked.await.unwrap().status, 200, "anyone may look");
    }
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_tune() {
    let admin = answered(patient(), TuneFrom::Anywhere, Owner::new()).await;
    let at = admin.address();
    let request = "PUT /sample-rate HTTP/1.1\r\nHost: a\r\nOrigin: http://evil.example\r\n\
                   Content-Length: 1\r\n\r\n0";
    assert_eq!(exchange(at, request.as_bytes()).await.unwrap().status, 403);
    assert_eq!(rates(at).await[0], "100 %");
}

#[tokio::test]
async fn a_change_that_was_given_up_is_not_made_later() {
    let limits = Limits {
        answer_time: Duration::from_millis(20),
        ..patient()
    };
    let (admin, questions) = server(limits, TuneFrom::Loopback).await;
    let at = admin.address();
    assert_eq!(exchange(at, &put("0")).await.unwrap().status, 503);
    tokio::spawn(Owner::new().run(questions));
    while get(at, "/readyz").await.status != 200 {}
    let reply = get(at, "/sample-rate").await;
    assert!(reply.body.starts_with("100 %"), "{}", reply.body);
}

#[tokio::test]
async fn the_client_says_what_is_set_and_what_is_wrong() {
    let admin = answered(patient(), TuneFrom::Loopback, Owner::new()).await;
    let at = admin.address().to_string();
    let half = "50%".parse().unwrap();
    let set = client::set_sample_rate(&at, Some("flags"), half)
        .await
        .unwrap();
    assert!(set.starts_with("50 %\tflags\thttp://v2\n100 %\t"), "{set}");
    let error = client::set_sample_rate(&at, Some("nobody"), half)
        .await
        .unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        format!("--admin-address {at}: 404 Not Found: no such rule")
    );
    drop(admin);
    // What the port answers then, if at all, is not ours.
    let nowhere = "127.0.0.1:1";
    let error = client::set_sample_rate(nowhere, None, half)
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").starts_with("--admin-address 127.0.0.1:1: "),
        "{error:#}"
    );
}
