//! Targets that are dead, slow or wicked cost counters, nothing else.

use std::net::TcpListener;

use tokio::task::spawn_local;

use super::{server::Server, *};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// An address that nobody listens at.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[test]
fn a_target_that_refuses_is_left_alone() {
    run(async {
        let mut rig = Rig::new(DispatchConfig::default(), nobody());
        for _ in 0..1000 {
            rig.send(1, GET);
        }
        let counters = rig.settle().await;
        assert_eq!((counters.failed.connect, counters.sent), (5, 5));
        assert_eq!(
            (counters.dropped.breaker_open, counters.breaker_opened),
            (995, 1)
        );
        assert_eq!((counters.opened, counters.open), (0, 0));
    });
}

#[test]
fn a_target_that_comes_back_is_used_again() {
    run(async {
        let address = nobody();
        let mut rig = Rig::new(DispatchConfig::default(), address);
        for _ in 0..10 {
            rig.send(1, GET);
        }
        rig.settle().await;
        advance(Duration::from_millis(100));
        (0..10).for_each(|_| rig.send(1, GET));
        let counters = rig.settle().await;
        assert_eq!(
            (counters.sent, counters.breaker_opened),
            (6, 2),
            "one probed"
        );
        let server = Server::answering_at(address, OK).await;
        advance(Duration::from_millis(200));
        rig.send(1, GET);
        rig.settle().await;
        (0..10).for_each(|_| rig.send(1, GET));
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 11);
        assert_eq!(server.seen.requests.borrow().len(), 11);
    });
}

#[test]
fn a_target_that_is_restarted_costs_what_was_under_way() {
    run(async {
        let hang = |mut peer: server::Peer<_>| async move {
            while peer.request().await.is_some() {
                sleep(Duration::from_secs(1000)).await;
            }
        };
        let first = Server::start(hang).await;
        let address = first.address;
        let mut rig = Rig::new(DispatchConfig::default(), address);
        (0..3).for_each(|connection| rig.send(connection, GET));
        rig.until(|_| first.seen.open.get() == 3).await;
        drop(first);
        let counters = rig.settle().await;
        assert_eq!(counters.failed.reset, 3);
        let second = Server::answering_at(address, OK).await;
        (0..3).for_each(|connection| rig.send(connection, GET));
        assert_eq!(rig.settle().await.answered.success, 3);
        assert_eq!(
            second.seen.requests.borrow().len(),
            3,
            "none of the old ones"
        );
    });
}

#[test]
fn a_target_that_hangs_is_timed_out() {
    run(async {
        let server =
            Server::start(|mut peer| async move { while peer.more().await.is_some() {} }).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        (0..8).for_each(|connection| rig.send(connection, GET));
        (0..8).for_each(|connection| rig.send(connection, GET));
        rig.until(|c| c.opened == 8 && c.lag.count() == 8).await;
        advance(Duration::from_millis(4_999));
        rig.dispatcher.tick();
        sleep(Duration::from_millis(5)).await;
        assert_eq!(rig.counters().failed.timeout, 0);
        advance(Duration::from_millis(1));
        // The first four let out what waited behind them, the fifth opened the breaker.
        let counters = rig.until(|c| c.failed.timeout == 8 && c.opened == 12).await;
        assert_eq!((counters.in_flight, counters.dropped.breaker_open), (4, 4));
        rig.until(|c| c.lag.count() == 12).await;
        advance(Duration::from_secs(5));
        let counters = rig.settle().await;
        assert_eq!((counters.failed.timeout, counters.open), (12, 0));
    });
}

#[test]
fn a_target_that_does_not_read_is_timed_out() {
    run(async {
        let server = Server::start(|peer| async move {
            sleep(Duration::from_secs(1000)).await;
            drop(peer);
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        let body = vec![b'x'; 20 << 20];
        rig.give(
            1,
            &[b"POST / HTTP/1.1\r\n", &body],
            Rest::Complete,
            Expect::Body,
        );
        rig.until(|c| c.lag.count() == 1).await;
        sleep(Duration::from_millis(50)).await;
        advance(Duration::from_secs(5));
        assert_eq!(rig.settle().await.failed.timeout, 1);
    });
}

/// What becomes of one copy to a server that answers like this.
async fn fate_of(reply: &'static str) -> TargetCounters {
    let server = Server::start(move |mut peer| async move {
        peer.request().await;
        peer.reply(reply).await;
        peer.more().await;
    })
    .await;
    let mut rig = Rig::new(DispatchConfig::default(), server.address);
    rig.send(1, GET);
    rig.settle().await
}

#[test]
fn garbage_is_counted() {
    run(async {
        for reply in [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            let counters = fate_of(reply).await;
            assert_eq!(
                (counters.failed.bad_reply, counters.open),
                (1, 0),
                "{reply}"
            );
        }
        let counters = fate_of("HTTP/1.1 700 What\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(counters.answered.server_error, 1);
    });
}

#[test]
fn a_reply_that_breaks_off_is_counted() {
    run(async {
        for part in ["", "HTT"] {
            let server = Server::start(move |mut peer| async move {
                peer.request().await;
                peer.reply(part).await;
            })
            .await;
            let mut rig = Rig::new(DispatchConfig::default(), server.address);
            rig.send(1, GET);
            assert_eq!(rig.settle().await.failed.reset, 1, "{part}");
        }
    });
}

#[test]
fn endless_replies_end() {
    run(async {
        for (start, more) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "x"),
            ("", "HTTP/1.1 100 Continue\r\n\r\n"),
            ("HTTP/1.1 200 OK\r\nx: ", "y"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                "1\r\nx\r\n",
            ),
        ] {
            let server = Server::start(move |mut peer| async move {
                peer.request().await;
                peer.reply(start).await;
                let more = more.repeat(10_000);
                while peer.write(&more).await {}
            })
            .await;
            let mut rig = Rig::new(DispatchConfig::default(), server.address);
            rig.send(1, GET);
            rig.settle().await;
            let counters = rig.until(|c| c.open == 0).await;
            let (cut, bad) = (counters.replies_cut, counters.failed.bad_reply);
            assert_eq!(cut + bad, 1, "{counters:?}");
            assert_eq!((cut, counters.open), (counters.answered.success, 0));
        }
    });
}

#[test]
fn a_head_that_dribbles_is_timed_out() {
    run(async {
        let server = Server::start(|mut peer| async move {
            peer.request().await;
            peer.reply("HTTP/1.1 200 OK\r\nx: ").await;
            while peer.write("x").await {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.send(1, GET);
        rig.until(|c| c.lag.count() == 1).await;
        for _ in 0..5 {
            sleep(Duration::from_millis(5)).await;
            assert_eq!(rig.counters().in_flight, 1);
            advance(Duration::from_secs(1));
            rig.dispatcher.tick();
        }
        assert_eq!(rig.settle().await.failed.timeout, 1);
    });
}

#[test]
fn a_full_backlog_is_a_connect_failure() {
    run(async {
        // Nobody accepts, and one connection fills the queue: the kernel drops further SYNs.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let fill: Vec<_> = (0..8)
            .map(|_| spawn_local(tokio::net::TcpStream::connect(address)))
            .collect();
        sleep(Duration::from_millis(50)).await;
        let config = DispatchConfig {
            connect_timeout: Duration::from_millis(100),
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, address);
        rig.send(1, GET);
        assert_eq!(rig.settle().await.failed.connect, 1);
        drop((fill, listener));
    });
}
