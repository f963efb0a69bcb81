//! The page for browsers: what is there, who gets it, and what those cost who look.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use serde_json::Value;
use tokio::time;

use super::{owner::mirror, *};
use crate::admin::limits::BROWSERS;

/// The messages that one browser has read.
struct Browser {
    stream: TcpStream,
    /// The lines in front of the first message, and what is not a whole line yet.
    head: String,
    rest: Vec<u8>,
    messages: Vec<Value>,
}

impl Browser {
    /// Asks for the events.
    async fn open(at: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let request =
            "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        Self {
            stream,
            head: String::new(),
            rest: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// Reads until it has so many messages, or there is nothing more to read.
    async fn read(&mut self, messages: usize) {
        while self.messages.len() < messages {
            let mut bytes = vec![0; 1 << 16];
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(count) => self.rest.extend_from_slice(&bytes[..count]),
            }
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                match line.strip_prefix(b"data: ") {
                    Some(data) => self.messages.push(serde_json::from_slice(data).unwrap()),
                    None if self.messages.is_empty() => self.head += str::from_utf8(&line).unwrap(),
                    None => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn its_files_come_from_the_binary_under_a_strict_policy() {
    let admin = answered(patient(), Owner::new()).await;
    let at = admin.page();
    let request = |path: &str, method: &str, lines: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: localhost:9091\r\n{lines}\r\n")
    };
    let page = exchange(at, request("/", "GET", "").as_bytes())
        .await
        .unwrap();
    // Relative to wherever the page is.
    let of_page = page.body.split('"');
    let paths: BTreeSet<String> = of_page
        .filter(|part| {
            [".js", ".css", ".svg"]
                .iter()
                .any(|end| part.ends_with(end))
        })
        .map(|path| format!("/{path}"))
        .collect();
    assert!(
        paths.contains("/boot.js") && paths.contains("/style.css"),
        "{paths:?}"
    );
    let others = ["/", "/reasons.json", "/app.js", "/books.js"];
    for path in paths.iter().map(String::as_str).chain(others) {
        let reply = exchange(at, request(path, "GET", "").as_bytes())
            .await
            .unwrap();
        assert_eq!(reply.status, 200, "{path}");
        for field in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-store",
        ] {
            assert!(
                reply.head.contains(field),
                "{path}: {field}: {}",
                reply.head
            );
        }
        let is_inline = reply.body.contains("style=") || reply.body.contains("onclick=");
        assert!(!is_inline && !reply.head.contains("unsafe"), "{path}");
    }
    for path in [
        "/metrics",
        "/sample-rate",
        "/ledger",
        "/../app.js",
        "/assets/app.js",
        "//",
    ] {
        let reply = exchange(at, request(path, "GET", "").as_bytes())
            .await
            .unwrap();
        assert_eq!(reply.status, 404, "{path}");
    }
    for method in ["PUT", "POST", "DELETE", "OPTIONS"] {
        let reply = exchange(at, request("/events", method, "").as_bytes())
            .await
            .unwrap();
        assert_eq!(reply.status, 405, "{method}");
    }
    let reasons = exchange(at, request("/reasons.json", "GET", "").as_bytes())
        .await
        .unwrap();
    let reasons: Value = serde_json::from_str(&reasons.body).unwrap();
    assert_eq!(reasons[0]["path"], "segments");
    assert!(reasons[0]["reasons"][0]["helps"].is_string());
}

#[tokio::test]
async fn it_is_for_those_who_ask_by_address_and_for_nobody_elses_page() {
    let admin = answered(patient(), Owner::new()).await;
    for (lines, status) in [
        ("Host: 127.0.0.1:9091\r\n", 200),
        ("Host: [::1]:9091\r\n", 200),
        ("Host: 10.1.2.3\r\n", 200),
        ("Host: LocalHost:1\r\n", 200),
        // Names that may lead anywhere tomorrow.
        ("Host: rebound.example\r\n", 421),
        ("Host: rebound.example:9091\r\n", 421),
        ("Host: localhost.rebound.example\r\n", 421),
        ("Host: 127.0.0.1.rebound.example\r\n", 421),
        ("Host: user@rebound.example\r\n", 421),
        ("Host: localhost\r\nHost: rebound.example\r\n", 421),
        ("Host:\r\n", 421),
        ("", 421),
        ("Host: localhost\r\nx-mirrored-by: podmirror\r\n", 403),
    ] {
        let request = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        let reply = exchange(admin.page(), request.as_bytes()).await.unwrap();
        assert_eq!(reply.status, status, "{lines:?}");
    }
    for site in ["cross-site", "same-site", "?"] {
        let request =
            format!("GET /events HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: {site}\r\n\r\n");
        let reply = exchange(admin.page(), request.as_bytes()).await.unwrap();
        assert_eq!(reply.status, 403, "{site}");
    }
}

#[tokio::test]
async fn fifty_browsers_are_told_what_was_asked_once() {
    let owner = Owner::new();
    let snapshots = owner.snapshots.clone();
    let limits = Limits {
        page_every: Duration::from_secs(3600),
        ..patient()
    };
    let admin = answered(limits, owner).await;
    let mut browsers = Vec::new();
    for _ in 0..50 {
        let mut browser = Browser::open(admin.page()).await;
        browser.read(1).await;
        browsers.push(browser);
    }
    let first = browsers[0].messages.clone();
    assert_eq!(first[0]["rules"][0]["rule"], "flags");
    for browser in &browsers {
        assert_eq!(browser.messages, first);
    }
    assert_eq!(snapshots.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn there_is_no_snapshot_when_nobody_looks() {
    let owner = Owner::new();
    let snapshots = owner.snapshots.clone();
    let limits = Limits {
        page_every: Duration::from_millis(1),
        ..patient()
    };
    let admin = answered(limits, owner).await;
    let mut browser = Browser::open(admin.page()).await;
    browser.read(3).await;
    assert_eq!(browser.messages.len(), 3);
    drop(browser);
    let mut before = 0;
    loop {
        time::sleep(Duration::from_millis(100)).await;
        let now = snapshots.load(Ordering::Relaxed);
        if now == before {
            break;
        }
        before = now;
    }
    // Whoever comes then is told what is new.
    let mut late = Browser::open(admin.page()).await;
    late.read(1).await;
    assert!(snapshots.load(Ordering::Relaxed) > before);
}

#[tokio::test]
async fn one_browser_too_many_is_refused_until_another_leaves() {
    let limits = Limits {
        page_every: Duration::from_millis(10),
        ..patient()
    };
    let admin = answered(limits, Owner::new()).await;
    let mut browsers = Vec::new();
    for _ in 0..BROWSERS {
        let mut browser = Browser::open(admin.page()).await;
        browser.read(1).await;
        browsers.push(browser);
    }
    let mut refused = Browser::open(admin.page()).await;
    refused.read(1).await;
    assert!(
        refused.head.starts_with("HTTP/1.1 503 "),
        "{}",
        refused.head
    );
    // The page itself is there, and so is everything of the admin server.
    let page = exchange(admin.page(), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(page.unwrap().status, 200);
    assert_eq!(get(admin.address(), "/readyz").await.status, 200);
    browsers.pop();
    loop {
        let mut next = Browser::open(admin.page()).await;
        next.read(1).await;
        if !next.messages.is_empty() {
            break;
        }
    }
}

#[tokio::test]
async fn who_never_reads_is_let_go_and_who_reads_is_not() {
    let limits = Limits {
        connection_time: Duration::from_secs(5),
        page_every: Duration::from_millis(200),
        ..patient()
    };
    let mut owner = Owner::new();
    // A few messages fill any socket's buffer.
    let long = format!("http://{}", "v2.".repeat(1000));
    let rules = (0..16).map(|number| mirror(&format!("rule {number}"), &long));
    owner.mirrors = rules.collect();
    let admin = answered(limits, owner).await;
    let _deaf = Browser::open(admin.page()).await;
    let mut reader = Browser::open(admin.page()).await;
    let reading = tokio::spawn(async move {
        reader.read(usize::MAX).await;
    });
    let let_go = "podmirror_admin_connections_closed_total{reason=\"timeout\"}";
    let let_go = async || {
        let metrics = get(admin.address(), "/metrics").await.body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(let_go));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    while let_go().await == 0 {
        time::sleep(Duration::from_millis(200)).await;
    }
    // Both have been there for longer than anybody has patience with a connection that gets nowhere.
    assert_eq!(let_go().await, 1);
    assert!(!reading.is_finished());
    reading.abort();
}
