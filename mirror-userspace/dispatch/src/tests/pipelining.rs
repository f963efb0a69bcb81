//! Several copies on one connection before the first reply.

mod closing;
mod posts;

use std::cell::RefCell;

use tokio::net::TcpStream;

use super::{
    order::{self, assert_in_order},
    server::{Peer, Server},
    *,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn numbered(number: u64) -> String {
    format!("GET /{number} HTTP/1.1\r\n\r\n")
}

/// One connection with up to `pipeline` copies.
fn pipelining(pipeline: usize) -> DispatchConfig {
    DispatchConfig {
        connections: 1,
        pipelining: Pipelining::UpTo(pipeline),
        ..DispatchConfig::default()
    }
}

/// Has the connection answer so many copies, one after the other.
async fn prove(rig: &mut Rig, answers: u64) {
    for number in 0..answers {
        let before = rig.given;
        rig.send(1_000 + number, &numbered(1_000 + number));
        rig.until(|c| c.answered.total() == before + 1).await;
    }
}

/// Reads `count` requests, then answers them in one piece.
async fn answer_together(peer: &mut Peer<TcpStream>, count: usize) -> Option<()> {
    for _ in 0..count {
        peer.request().await?;
    }
    peer.seen.open.set(0);
    peer.write(&OK.repeat(count)).await.then_some(())
}

/// A server that answers three requests one by one; then, with less than four at once, never.
async fn answering_in_fours() -> Server {
    Server::start(|mut peer| async move {
        for _ in 0..3 {
            answer_together(&mut peer, 1).await.unwrap();
        }
        while answer_together(&mut peer, 4).await.is_some() {}
    })
    .await
}

#[test]
fn copies_that_are_ready_together_go_together() {
    run(async {
        let server = answering_in_fours().await;
        let mut rig = Rig::new(pipelining(4), server.address);
        prove(&mut rig, 3).await;
        for connection in 0..8 {
            rig.send(connection, &numbered(connection));
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 11);
        assert_eq!((counters.opened, counters.lag.count()), (1, 11));
        assert!(counters.pipelined >= 6, "{counters:?}");
        let texts = server.seen.texts();
        let want: Vec<_> = (0..8).map(numbered).collect();
        assert_eq!(texts[3..], want);
        assert_eq!(server.seen.most_open.get(), 4, "no more than may");
    });
}

#[test]
fn a_connection_may_have_one_more_than_it_has_answered() {
    run(async {
        let server = Server::start(|mut peer| async move {
            for count in 1.. {
                if answer_together(&mut peer, count).await.is_none() {
                    return;
                }
                // What is more than that would be there by now.
                sleep(Duration::from_millis(20)).await;
                assert!(peer.unfinished().is_empty());
            }
        })
        .await;
        let mut rig = Rig::new(pipelining(100), server.address);
        for (turn, connections) in [0..1, 1..3, 3..6, 6..10].into_iter().enumerate() {
            for connection in connections.clone() {
                rig.send(connection, &numbered(connection));
            }
            let answered = connections.end;
            rig.until(|c| c.answered.success == answered).await;
            assert_eq!(server.seen.most_open.get(), turn + 1);
        }
        rig.settle().await;
    });
}

#[test]
fn replies_are_told_apart_however_they_are_cut() {
    run(async {
        let replies = concat!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 77\r\n\r\n",
            "HTTP/1.1 301 Gone Fishing\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
        );
        let server = Server::start(move |mut peer| async move {
            for _ in 0..4 {
                answer_together(&mut peer, 1).await.unwrap();
            }
            for cut in 0..=replies.len() {
                for _ in 0..5 {
                    peer.request().await.unwrap();
                }
                let (first, second) = replies.split_at(cut);
                peer.write(first).await;
                sleep(Duration::from_millis(1)).await;
                peer.write(second).await;
            }
        })
        .await;
        let mut rig = Rig::new(pipelining(5), server.address);
        prove(&mut rig, 4).await;
        for cut in 0..=replies.len() as u64 {
            for connection in 0..5 {
                let expect = match connection {
                    1 => Expect::NoBody,
                    _ => Expect::Body,
                };
                let text = numbered(connection);
                rig.give(connection, &[text.as_bytes()], Rest::Complete, expect);
            }
            let counters = rig.settle().await;
            let answered = counters.answered;
            assert_eq!(answered.total(), 4 + 5 * (cut + 1), "cut at {cut}");
            assert_eq!(answered.success, 4 + cut + 1);
            assert_eq!(answered.redirection, 2 * (cut + 1));
            assert_eq!(
                (answered.client_error, answered.server_error),
                (cut + 1, cut + 1)
            );
        }
        assert_eq!(rig.counters().opened, 1);
    });
}

#[test]
fn only_the_first_can_be_late_and_counts_against_the_target() {
    run(async {
        let server = Server::start(|mut peer| async move {
            for _ in 0..7 {
                answer_together(&mut peer, 1).await.unwrap();
            }
            while peer.request().await.is_some() {}
        })
        .await;
        let mut config = pipelining(8);
        config.breaker.failures = 2;
        let mut rig = Rig::new(config, server.address);
        prove(&mut rig, 7).await;
        for connection in 0..8 {
            rig.send(connection, &numbered(connection));
        }
        rig.until(|_| server.seen.requests.borrow().len() == 15)
            .await;
        advance(Duration::from_secs(6));
        let counters = rig.settle().await;
        assert_eq!(counters.failed.timeout, 8);
        assert_eq!(counters.breaker_opened, 0, "it failed once");
    });
}

#[test]
fn each_reply_has_its_time_from_the_one_before() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                if request.starts_with(b"GET /1 ") {
                    sleep(Duration::from_millis(10)).await;
                    advance(Duration::from_secs(4));
                    sleep(Duration::from_millis(10)).await;
                }
                peer.reply(OK).await;
            }
        })
        .await;
        let mut rig = Rig::new(pipelining(4), server.address);
        prove(&mut rig, 3).await;
        for connection in 1..=4 {
            rig.send(connection, &numbered(1));
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 7, "16 s, but none of them late");
    });
}

#[test]
fn what_needs_its_connection_for_itself_has_it() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                sleep(Duration::from_millis(5)).await;
                let alone = !request.starts_with(b"GET");
                assert!(!alone || peer.unfinished().is_empty());
                peer.reply(OK).await;
            }
        })
        .await;
        let mut rig = Rig::new(pipelining(8), server.address);
        prove(&mut rig, 7).await;
        for round in 0..4 {
            let connection = 10 * round;
            rig.send(connection, &numbered(connection));
            let put = "PUT /streamed HTTP/1.1\r\ncontent-length: 3\r\n\r\n";
            let streamed = rig.open(connection + 1, put);
            rig.send(connection + 2, &numbered(connection + 2));
            let close = "POST /close HTTP/1.1\r\nconnection: close\r\n\r\n";
            rig.send(connection + 3, close);
            rig.send(connection + 4, &numbered(connection + 4));
            let connect = b"CONNECT a:1 HTTP/1.1\r\n\r\n";
            rig.give(connection + 5, &[connect], Rest::Complete, Expect::Tunnel);
            rig.send(connection + 6, &numbered(connection + 6));
            rig.chunk(streamed, b"abc");
            rig.finish(streamed);
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.total() + counters.failed.total(), 7 + 28);
        assert_eq!(counters.failed.total(), 0, "{counters:?}");
    });
}

#[test]
fn one_client_connection_keeps_its_order() {
    run(async {
        let server = Server::answering_late(OK).await;
        let mut config = pipelining(8);
        config.connections = 3;
        let mut rig = Rig::new(config, server.address);
        for number in 0..20 {
            for connection in 0..10 {
                rig.send(connection, &order::numbered(connection, number));
            }
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 200);
        assert_in_order(&server.seen, 10, 20);
    });
}

/// The next copy of a client connection need not wait for the reply to the one before.
#[test]
fn copies_of_one_client_connection_follow_each_other() {
    run(async {
        let server = answering_in_fours().await;
        let mut config = pipelining(4);
        config.connections = 2;
        let mut rig = Rig::new(config, server.address);
        prove(&mut rig, 3).await;
        (0..2).for_each(|number| rig.send(7, &numbered(number)));
        rig.until(|_| server.seen.open.get() == 2).await;
        // These come while the first two are under way.
        (2..12).for_each(|number| rig.send(7, &numbered(number)));
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (15, 1));
        let want: Vec<_> = (0..12).map(numbered).collect();
        assert_eq!(server.seen.texts()[3..], want);
    });
}

#[test]
fn bodies_larger_than_the_socket_arrive_whole() {
    run(async {
        let server = Server::answering(OK).await;
        let mut rig = Rig::new(pipelining(4), server.address);
        prove(&mut rig, 3).await;
        let mut want = Vec::new();
        for connection in 0..8_u8 {
            let head = format!("POST /{connection} HTTP/1.1\r\ncontent-length: 3000000\r\n\r\n");
            let body: Vec<u8> = (0..3_000_000_u32)
                .map(|at| at.to_be_bytes()[3] ^ connection)
                .collect();
            let (first, second) = body.split_at(1_234_567);
            let pieces = [head.as_bytes(), first, second];
            rig.give(connection.into(), &pieces, Rest::Complete, Expect::Body);
            want.push(pieces.concat());
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (11, 1));
        assert!(server.seen.requests.borrow()[3..] == want);
    });
}

#[test]
fn a_shutdown_ends_all_of_them() {
    run(async {
        let server = Server::start(|mut peer| async move {
            for _ in 0..3 {
                answer_together(&mut peer, 1).await.unwrap();
            }
            while peer.request().await.is_some() {}
        })
        .await;
        let mut config = pipelining(4);
        config.drain_timeout = Duration::from_millis(50);
        let mut rig = Rig::new(config, server.address);
        prove(&mut rig, 3).await;
        for connection in 0..6 {
            rig.send(connection, &numbered(connection));
        }
        rig.until(|_| server.seen.requests.borrow().len() == 7)
            .await;
        rig.dispatcher.shutdown().await;
        let counters = rig.settle().await;
        assert_eq!(
            (counters.failed.shutdown, counters.dropped.shutdown),
            (4, 2)
        );
    });
}
