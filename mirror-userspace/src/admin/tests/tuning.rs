//! Who may set the rate, and to what.

use std::time::Duration;

use super::*;
use crate::admin::client::{
    self,
    Server::{Network, Socket},
};

async fn rates(at: SocketAddr) -> Vec<String> {
    let text = get(at, "/sample-rate").await.body;
    let rates = text
        .lines()
        .map(|line| line.split('\t').next().unwrap().to_owned());
    rates.collect()
}

#[tokio::test]
async fn a_rate_is_set_for_all_rules_or_for_one() {
    let admin = answered(patient(), Owner::new()).await;
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
    let chunked = "PUT /sample-rate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
                   x-podmirror-token: correct horse battery staple\r\n\r\n\
                   2\r\n12\r\n3\r\n.5%\r\n0\r\n\r\n";
    assert_eq!(exchange(at, chunked.as_bytes()).await.unwrap().status, 200);
    assert_eq!(rates(at).await, ["12.5 %", "12.5 %"]);
}

#[tokio::test]
async fn what_is_no_rate_changes_nothing() {
    let admin = answered(patient(), Owner::new()).await;
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
    let latin = b"PUT /sample-rate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\
                  x-podmirror-token: correct horse battery staple\r\n\r\n5\xff";
    assert_eq!(exchange(at, latin).await.unwrap().status, 400);
    assert_eq!(rates(at).await, ["100 %", "100 %"]);
}

#[tokio::test]
async fn over_the_network_only_the_token_tunes() {
    let server = answered(patient(), Owner::new()).await;
    let at = server.address();
    for (lines, status) in [
        ("", 403),
        ("Authorization: Bearer\r\n", 403),
        ("Authorization: Bearer \r\n", 403),
        ("Authorization: Bearer correct horse\r\n", 403),
        (
            "Authorization: Bearer correct horse battery staplE\r\n",
            403,
        ),
        (
            "Authorization: Bearer correct horse battery staples\r\n",
            403,
        ),
        ("Authorization: Basic correct horse battery staple\r\n", 403),
        ("Authorization: correct horse battery staple\r\n", 403),
        ("x-podmirror-token: \r\n", 403),
        ("x-podmirror-token: \u{e4}\r\n", 403),
        (
            "authorization: bearer  correct horse battery staple \r\n",
            200,
        ),
        ("X-Podmirror-Token: correct horse battery staple\r\n", 200),
    ] {
        let reply = exchange(at, &put_with(lines, "50%")).await.unwrap();
        assert_eq!(reply.status, status, "{lines:?}: {}", reply.body);
        let expected = if status == 200 { "50 %" } else { "100 %" };
        assert_eq!(rates(at).await[0], expected, "{lines:?}");
        assert!(
            status == 200 || reply.body.contains("unix socket"),
            "{}",
            reply.body
        );
        exchange(at, &put("100%")).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_token_nobody_tunes_over_the_network() {
    let config = AdminConfig {
        listen: Some(Listen::At("127.0.0.1:0".parse().unwrap())),
        ..AdminConfig::default()
    };
    let (admin, questions) = Admin::start(config).await.unwrap();
    tokio::spawn(Owner::new().run(questions));
    let at = admin.address().unwrap();
    for request in [
        put("0"),
        put_with("", "0"),
        put_with("x-podmirror-token:\r\n", "0"),
    ] {
        let reply = exchange(at, &request).await.unwrap();
        assert_eq!(reply.status, 403);
        assert!(reply.body.contains("--admin-token-file"), "{}", reply.body);
    }
    assert_eq!(rates(at).await[0], "100 %", "looking is for all");
}

#[tokio::test]
async fn the_token_is_the_one_that_the_file_has_now() {
    let server = answered(patient(), Owner::new()).await;
    let at = server.address();
    let status = async |token: &str| {
        let line = format!("Authorization: Bearer {token}\r\n");
        exchange(at, &put_with(&line, "50%")).await.unwrap().status
    };
    assert_eq!(status(SECRET).await, 200);
    let new = "another one, as long";
    fs::write(server.token_file(), new).unwrap();
    assert_eq!((status(SECRET).await, status(new).await), (403, 200));
    for bad in ["", "short", &"x".repeat(5_000)] {
        fs::write(server.token_file(), bad).unwrap();
        assert_eq!(status(bad).await, 403);
    }
    fs::remove_file(server.token_file()).unwrap();
    assert_eq!(status(new).await, 403);
    // At the start it is an error: nobody would tune.
    let config = AdminConfig {
        token: Some(server.token_file()),
        ..AdminConfig::default()
    };
    let error = Admin::start(config).await.unwrap_err();
    assert!(
        format!("{error:#}").starts_with("--admin-token-file /"),
        "{error:#}"
    );
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_tune() {
    let server = answered(patient(), Owner::new()).await;
    let at = server.address();
    for line in [
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: same-origin",
    ] {
        let lines = format!("{line}\r\nAuthorization: Bearer {SECRET}\r\n");
        let reply = exchange(at, &put_with(&lines, "0")).await.unwrap();
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (403, "not for browsers\n")
        );
    }
    assert_eq!(rates(at).await[0], "100 %");
}

/// Somebody has us as the target of a mirror: his requests come from our own address.
#[tokio::test]
async fn a_copy_is_refused_whatever_it_asks() {
    let server = answered(patient(), Owner::new()).await;
    let at = server.address();
    let mark = "x-mirrored-by: podmirror\r\n";
    let lines = format!("{mark}Authorization: Bearer {SECRET}\r\n");
    assert_eq!(
        exchange(at, &put_with(&lines, "0")).await.unwrap().status,
        403
    );
    for path in ["/sample-rate", "/metrics", "/healthz", "/readyz", "/other"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{mark}\r\n");
        let reply = exchange(at, request.as_bytes()).await.unwrap();
        assert_eq!(reply.status, 403, "{path}");
        assert!(reply.body.contains("a copy"), "{}", reply.body);
    }
    assert_eq!(rates(at).await[0], "100 %");
}

#[tokio::test]
async fn a_change_that_was_given_up_is_not_made_later() {
    let limits = Limits {
        answer_time: Duration::from_millis(20),
        ..patient()
    };
    let (admin, questions) = server(limits).await;
    let at = admin.address();
    assert_eq!(exchange(at, &put("0")).await.unwrap().status, 503);
    tokio::spawn(Owner::new().run(questions));
    while get(at, "/readyz").await.status != 200 {}
    let reply = get(at, "/sample-rate").await;
    assert!(reply.body.starts_with("100 %"), "{}", reply.body);
}

#[tokio::test]
async fn the_client_says_what_is_set_and_what_is_wrong() {
    let server = answered(patient(), Owner::new()).await;
    let at = server.address().to_string();
    let there = Network(at.clone(), Some(server.token_file()));
    let half = "50%".parse().unwrap();
    let set = client::set_sample_rate(&there, Some("flags"), half)
        .await
        .unwrap();
    assert!(set.starts_with("50 %\tflags\thttp://v2\n100 %\t"), "{set}");
    let error = client::set_sample_rate(&there, Some("nobody"), half)
        .await
        .unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        format!("--admin-address {at}: 404 Not Found: no such rule")
    );
    let token = server.token_file();
    // What the port answers then, if at all, is not ours.
    let nowhere = Network("127.0.0.1:1".to_owned(), Some(token.clone()));
    let error = client::set_sample_rate(&nowhere, None, half)
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").starts_with("--admin-address 127.0.0.1:1: "),
        "{error:#}"
    );
    let socket = Socket(token.with_file_name("no.sock"));
    let error = client::set_sample_rate(&socket, None, half)
        .await
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.starts_with("--admin-socket /") && error.contains("is a podmirror running here?"),
        "{error}"
    );
}
