//! What HTTP/1 allows, and what podmirror refuses to guess about.

use std::time::Duration;

use lab::Behaviour;

use crate::{
    scene::Scene,
    traffic::{get, post},
};

#[test]
fn every_method() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "PURGE",
        "M-SEARCH", "QUERY",
    ];
    for method in methods {
        client
            .write(format!("{method} /{method} HTTP/1.1\r\nHost: v1.test\r\n\r\n").as_bytes())
            .unwrap();
        client.read_reply(method).unwrap();
    }
    client
        .write(b"OPTIONS * HTTP/1.1\r\nHost: v1.test\r\n\r\n")
        .unwrap();
    client.read_reply("OPTIONS").unwrap();
    client
        .write(b"GET http://v1.test/absolute HTTP/1.1\r\nHost: v1.test\r\n\r\n")
        .unwrap();
    client.read_reply("GET").unwrap();
    scene.assert_mirrored(methods.len() + 2);
}

#[test]
fn chunked_bodies_keep_their_framing_extensions_and_trailers() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    for n in 0..3 {
        let head = format!(
            "POST /{n} HTTP/1.1\r\nHost: v1.test\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n"
        );
        let body = b"5;name=value\r\nhello\r\n0A\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n";
        client
            .write_pieces(
                [head.as_bytes(), &body[..9], &body[9..]],
                Duration::from_millis(5),
            )
            .unwrap();
        client.read_reply("POST").unwrap();
    }
    let mut large =
        b"POST /large HTTP/1.1\r\nHost: v1.test\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..300 {
        large.extend(b"2000\r\n");
        large.extend(crate::traffic::noise(0x2000));
        large.extend(b"\r\n");
    }
    large.extend(b"0\r\n\r\n");
    client.write(&large).unwrap();
    client.read_reply("POST").unwrap();
    scene.assert_mirrored(4);
}

#[test]
fn expect_100_continue_with_and_without_waiting() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    let head = |n| {
        format!(
            "PUT /{n} HTTP/1.1\r\nHost: v1.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
    };
    client.write(head(1).as_bytes()).unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 100);
    client.write(b"patie").unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 200);
    client
        .write(&[head(2).as_bytes(), b"hasty"].concat())
        .unwrap();
    assert_eq!(client.read_reply("PUT").unwrap().status, 100);
    assert_eq!(client.read_reply("PUT").unwrap().status, 200);
    scene.assert_mirrored(2);
}

#[test]
fn http_1_0_with_and_without_keep_alive() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.request("GET", b"GET /old HTTP/1.0\r\n\r\n"), 200);
    let mut client = scene.connect();
    for n in 0..3 {
        client
            .write(format!("GET /{n} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").as_bytes())
            .unwrap();
        client.read_reply("GET").unwrap();
    }
    scene.assert_mirrored(4);
}

#[test]
fn after_an_upgrade_the_connection_is_not_http() {
    let scene = Scene::new(&["--mirror-upgrades"]);
    scene.v1.set_behaviour(Behaviour::Upgrade);
    scene.v2.set_behaviour(Behaviour::Upgrade);
    let mut client = scene.connect();
    client
        .write(b"GET /chat HTTP/1.1\r\nHost: v1.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    assert_eq!(client.read_reply("GET").unwrap().status, 101);
    // A frame (RFC 6455 section 5.2), masked with zeros, whose payload looks like a request.
    let payload = get("/smuggled-through-the-tunnel");
    let len = u8::try_from(payload.len()).unwrap();
    client.write(&[0x81, 0x80 | len, 0, 0, 0, 0]).unwrap();
    client.write(&payload).unwrap();
    scene.compare(1);
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("connections/upgraded"), 1);
    assert_eq!(ledger.count("replies/answered/1xx"), 1);
}

#[test]
fn ambiguous_framing_is_counted_and_never_sent() {
    let scene = Scene::new(&[]);
    let tricks: [&[u8]; 5] = [
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /d HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\nabcd",
        b"GET /e HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    ];
    for trick in tricks {
        // Whatever v1 makes of it: it has said nothing before what stands behind, in the same segment.
        let behind = get("/behind");
        scene
            .connect()
            .write(&[trick, behind.as_ref()].concat())
            .unwrap();
    }
    assert_eq!(scene.request("GET", &get("/clean")), 200);
    let copies = scene.v2.wait_for(1, crate::scene::PATIENCE);
    let ledger = scene.mirror.stop();
    assert_eq!(
        copies.iter().map(|copy| copy.target()).collect::<Vec<_>>(),
        ["/clean"]
    );
    let dropped =
        ledger.count("requests/dropped/ambiguous") + ledger.count("requests/dropped/malformed");
    assert_eq!(dropped, tricks.len() as u64);
}

#[test]
fn other_protocols_are_recognised_and_counted() {
    let scene = Scene::new(&[]);
    let first_bytes: [&[u8]; 3] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x01\x02 binary",
    ];
    for bytes in first_bytes {
        scene.connect().write(bytes).unwrap();
    }
    assert_eq!(scene.request("POST", &post("/http", 3)), 200);
    scene.v2.wait_for(1, crate::scene::PATIENCE);
    let ledger = scene.mirror.stop();
    for class in ["tls", "http2", "not_http", "http1"] {
        assert_eq!(ledger.count(&format!("connections/{class}")), 1, "{class}");
    }
    assert_eq!(ledger.count("requests/sent"), 1);
}
