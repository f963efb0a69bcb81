//! Clients that are slow, endless, many or mad. An honest one is served beside them.

use std::{net::Shutdown, time::Duration};

use tokio::time::{sleep, timeout};

use super::*;
use crate::admin::client::Line;

/// Waits until the server has counted so many connections that it closed for this reason.
async fn closed_by(at: SocketAddr, reason: &str, least: f64) {
    let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    loop {
        // On a busy machine the honest may run out of time, too.
        let Ok(reply) = exchange(at, request).await else {
            continue;
        };
        let page = exposition::read(&reply.body).unwrap();
        let name = "podmirror_admin_connections_closed_total";
        if page.value(name, &[("reason", reason)]).unwrap() >= least {
            return;
        }
    }
}

#[tokio::test]
async fn the_silent_and_the_slow_are_cut_off() {
    let limits = Limits {
        connection_time: Duration::from_millis(100),
        ..patient()
    };
    let admin = answered(limits, Owner::new()).await;
    let at = admin.address();
    let mut silent = TcpStream::connect(at).await.unwrap();
    let mut half = TcpStream::connect(at).await.unwrap();
    half.write_all(b"GET /healthz HT").await.unwrap();
    let mut bodiless = TcpStream::connect(at).await.unwrap();
    let mut short = put("50%");
    short.truncate(short.len() - 2);
    bodiless.write_all(&short).await.unwrap();
    let mut dribbling = TcpStream::connect(at).await.unwrap();
    // A byte now and then does not extend its time.
    while dribbling.write_all(b"G").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for stream in [&mut silent, &mut half, &mut bodiless, &mut dribbling] {
        closed(stream).await;
    }
    closed_by(at, "timeout", 4.0).await;
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_cut_off() {
    let limits = Limits {
        connection_time: Duration::from_millis(300),
        ..patient()
    };
    let mut owner = Owner::new();
    // More than the sockets' buffers take.
    let long = "x".repeat(200 << 10);
    owner.mirrors = vec![owner::mirror(&long, "http://v2")];
    let admin = answered(limits, owner).await;
    let at = admin.address();
    let mut deaf = TcpStream::connect(at).await.unwrap();
    deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut rest = Vec::new();
    let _end = deaf.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"\n"), "it was cut: {} bytes", rest.len());
}

#[tokio::test]
async fn whoever_holds_all_connections_keeps_nobody_out() {
    let limits = Limits {
        connections: 8,
        ..patient()
    };
    let admin = answered(limits, Owner::new()).await;
    let at = admin.address();
    let mut held = Vec::new();
    for round in 0..50 {
        for _ in 0..8 {
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream
                .write_all(b"GET /healthz HTTP/1.1\r\n")
                .await
                .unwrap();
            held.push(stream);
        }
        assert_eq!(get(at, "/healthz").await.status, 200, "round {round}");
    }
    for stream in held.iter_mut().take(50 * 8 - 8) {
        closed(stream).await;
    }
    closed_by(at, "evicted", 392.0).await;
}

#[tokio::test]
async fn heads_and_bodies_have_an_end() {
    let admin = answered(patient(), Owner::new()).await;
    let at = admin.address();
    let long_field = format!(
        "GET /healthz HTTP/1.1\r\nA: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let many_fields = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65));
    let long_target = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    let endless_chunk = format!(
        "PUT /sample-rate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
         x-podmirror-token: {SECRET}\r\n\r\n100000\r\n{}",
        "5".repeat(1 << 20)
    );
    let promised = format!(
        "PUT /sample-rate HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\
         x-podmirror-token: {SECRET}\r\n\r\n"
    );
    for (request, statuses) in [
        (long_field.as_str(), &[431][..]),
        (&many_fields, &[431]),
        (&long_target, &[414, 431]),
        (&endless_chunk, &[413]),
        (&promised, &[413]),
    ] {
        let what = &request[..30];
        match exchange(at, request.as_bytes()).await {
            Ok(reply) => assert!(statuses.contains(&reply.status), "{what}: {reply:?}"),
            // The answer was overtaken by the reset for what was not read.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{what}"),
        }
        assert_eq!(get(at, "/healthz").await.status, 200, "after {what}");
    }
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let admin = answered(patient(), Owner::new()).await;
    let at = admin.address();
    let both = format!(
        "PUT /sample-rate HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
         Transfer-Encoding: chunked\r\nx-podmirror-token: {SECRET}\r\n\r\n\
         1\r\n0\r\n0\r\n\r\n"
    );
    for garbage in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n: a\r\n\r\n",
        b"PUT /sample-rate HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /sample-rate HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n50",
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let what = garbage.escape_ascii();
        if let Ok(reply) = read_reply(&mut stream).await {
            assert!((400..=505).contains(&reply.status), "{what}: {reply:?}");
        }
    }
    // Either reading of it is one request with a rate of 0, or none; never a second one.
    let _either = exchange(at, both.as_bytes()).await;
    // One request a connection: a second one behind the first is not looked at.
    let two = [put("50%"), put("10%")].concat();
    let reply = exchange(at, &two).await.unwrap();
    assert_eq!(reply.status, 200);
    let rates = get(at, "/sample-rate").await;
    assert!(rates.body.starts_with("50 %"), "{}", rates.body);
}

#[tokio::test]
async fn who_leaves_early_leaves_nothing() {
    let admin = answered(patient(), Owner::new()).await;
    let at = admin.address();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let stream = stream.into_std().unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
    assert_eq!(get(at, "/readyz").await.status, 200);
}

/// The next request is begun.
#[tokio::test]
async fn who_hangs_on_a_connection_that_was_kept_is_counted() {
    let limits = Limits {
        connection_time: Duration::from_secs(1),
        ..patient()
    };
    let admin = answered(limits, Owner::new()).await;
    let at = admin.address();
    let mut begun = TcpStream::connect(at).await.unwrap();
    let request = b"GET /ledger HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    begun.write_all(request).await.unwrap();
    let mut first = [0];
    begun.read_exact(&mut first).await.unwrap();
    begun.write_all(b"GET /led").await.unwrap();
    let counted = closed_by(at, "timeout", 1.0);
    timeout(Duration::from_secs(60), counted).await.unwrap();
}

/// As a port-forward is that stays open between two looks.
#[tokio::test]
async fn who_looks_again_keeps_the_connection_and_is_let_go_when_idle_without_a_word() {
    let limits = Limits {
        connection_time: Duration::from_secs(3),
        ..patient()
    };
    let server = answered(limits, Owner::new()).await;
    let at = server.address();
    let stream = TcpStream::connect(at).await.unwrap();
    let mut line = Line::over(stream).await.unwrap();
    for _ in 0..3 {
        let (status, books) = line.get("/ledger").await.unwrap();
        assert_eq!(status, 200);
        assert!(books.starts_with(b"{"));
        assert!(line.is_kept().await);
    }
    // The server ends it.
    let ended = async {
        while line.is_kept().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), ended).await.unwrap();
    let page = get(at, "/metrics").await.body;
    let none = "podmirror_admin_connections_closed_total{reason=\"timeout\"} 0\n";
    assert!(page.contains(none), "{page}");

    // One answer is what others get: at other paths, and who does not ask for more.
    let stream = TcpStream::connect(at).await.unwrap();
    let mut line = Line::over(stream).await.unwrap();
    line.get("/metrics").await.unwrap();
    assert!(!line.is_kept().await);
    let reply = get(at, "/ledger").await;
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
}
