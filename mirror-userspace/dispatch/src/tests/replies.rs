use std::time::Duration;

use super::{server::Server, *};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn one_connection_serves_many_and_the_bytes_arrive_as_they_are() {
    run(async {
        let server = Server::answering(OK).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        let body: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
        let head = format!("POST /x HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut pieces = vec![head.as_bytes(), b""];
        pieces.extend(body.chunks(70_001));
        rig.give(1, &pieces, Rest::Complete, Expect::Body);
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 1);
        let got = server.seen.requests.borrow_mut().remove(0);
        assert!(got == [head.as_bytes(), &body].concat(), "byte for byte");
        for _ in 0..100 {
            rig.send(1, GET);
            rig.settle().await;
        }
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.opened, counters.open),
            (101, 1, 1)
        );
        assert_eq!((counters.lag.count(), counters.latency.count()), (101, 101));
        assert_eq!(server.seen.texts(), vec![GET; 100]);
    });
}

/// Sends twice on one client connection; how many connections to the target it took.
async fn connections_for(reply: &'static str, expect: Expect) -> (TargetCounters, usize) {
    let server = Server::answering(reply).await;
    let mut rig = Rig::new(DispatchConfig::default(), server.address);
    for _ in 0..2 {
        rig.give(1, &[GET.as_bytes()], Rest::Complete, expect);
        rig.settle().await;
    }
    (rig.counters(), server.seen.connections.get())
}

#[test]
fn replies_without_a_body_are_known() {
    run(async {
        for (reply, expect) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", Expect::Body),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
                Expect::NoBody,
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                Expect::Body,
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                Expect::Body,
            ),
        ] {
            let (counters, connections) = connections_for(reply, expect).await;
            assert_eq!((counters.answered.success, connections), (2, 1), "{reply}");
        }
        let reply = "HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n";
        let (counters, connections) = connections_for(reply, Expect::Body).await;
        assert_eq!((counters.answered.redirection, connections), (2, 1));
    });
}

#[test]
fn connections_that_cannot_be_used_again_are_not() {
    run(async {
        for (reply, expect) in [
            (
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                Expect::Body,
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", Expect::Body),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nmore",
                Expect::Body,
            ),
            ("HTTP/1.1 200 Connected\r\n\r\n", Expect::Tunnel),
        ] {
            let (counters, connections) = connections_for(reply, expect).await;
            assert_eq!((counters.answered.success, connections), (2, 2), "{reply}");
            assert_eq!(counters.open, 0);
        }
        let reply = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n";
        let (counters, connections) = connections_for(reply, Expect::Tunnel).await;
        assert_eq!((counters.answered.informational, connections), (2, 2));
    });
}

#[test]
fn a_copy_that_asks_to_close_is_the_last_of_its_connection() {
    run(async {
        // The server keeps the connection and says nothing; it may as well have closed it.
        let server = Server::answering(OK).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for _ in 0..2 {
            rig.send(1, "GET / HTTP/1.1\r\nconnection: close\r\n\r\n");
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (2, 2));
    });
}

#[test]
fn the_end_of_the_connection_ends_a_body() {
    run(async {
        let server = Server::start(|mut peer| async move {
            peer.request().await;
            peer.reply("HTTP/1.1 404 No\r\n\r\nall that follows").await;
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for _ in 0..3 {
            rig.send(1, GET);
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.client_error, counters.opened), (3, 3));
    });
}

#[test]
fn a_large_reply_is_read_past() {
    run(async {
        let server = Server::start(|mut peer| async move {
            let body = "x".repeat(5_000_000);
            while peer.request().await.is_some() {
                peer.reply("HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n")
                    .await;
                peer.write(&body).await;
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.send(1, GET);
        rig.send(1, GET);
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (2, 1));
    });
}

#[test]
fn a_connection_closed_while_idle_is_not_used() {
    run(async {
        let server = Server::start(|mut peer| async move {
            peer.request().await;
            peer.reply(OK).await;
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for _ in 0..5 {
            rig.send(1, GET);
            rig.until(|c| c.queued + c.in_flight + c.open == 0).await;
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (5, 5));
        assert_eq!(server.seen.requests.borrow().len(), 5);
    });
}

/// The target closes after the runtime last looked, and a copy comes before it looks again.
#[test]
fn a_connection_that_rested_is_looked_at_first() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut rig = Rig::new(DispatchConfig::default(), address);
        rig.send(1, GET);
        rig.until(|c| c.opened == 1).await;
        let (first, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut &first, OK.as_bytes()).unwrap();
        rig.settle().await;
        drop(first);
        rig.send(1, GET);
        rig.until(|c| c.opened == 2).await;
        let (second, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut &second, OK.as_bytes()).unwrap();
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 2, "{counters:?}");
    });
}

/// A copy waits for the reply behind which the target closes without a word.
#[test]
fn a_connection_closed_behind_the_reply_is_not_used() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut rig = Rig::new(DispatchConfig::default(), listener.local_addr().unwrap());
        for _ in 0..20 {
            rig.send(1, "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        }
        for answered in 0..20 {
            rig.until(|c| c.opened == answered + 1).await;
            let (peer, _) = listener.accept().unwrap();
            rig.until(|c| c.in_flight == 1 && c.lag.count() == answered + 1)
                .await;
            // Without a byte left unread, so that it is closed and not reset.
            let read = std::io::Read::read(&mut &peer, &mut [0; 100]).unwrap();
            assert_eq!(read, 38);
            std::io::Write::write_all(&mut &peer, OK.as_bytes()).unwrap();
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 20, "{counters:?}");
        assert_eq!(counters.sent_again, 0);
    });
}

#[test]
fn a_connection_that_nobody_needs_is_closed() {
    run(async {
        let server = Server::answering(OK).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.send(1, GET);
        assert_eq!(rig.settle().await.open, 1);
        advance(Duration::from_secs(29));
        rig.dispatcher.tick();
        sleep(Duration::from_millis(5)).await;
        assert_eq!(rig.counters().open, 1);
        advance(Duration::from_secs(1));
        rig.until(|c| c.open == 0).await;
    });
}
