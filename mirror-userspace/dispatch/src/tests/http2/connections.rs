//! Which connections there are, and what becomes of copies when they end.

use h2::server::Builder;
use mirror_core::http::h2::frame::Kind;

use super::*;

#[test]
fn one_connection_carries_as_many_as_the_target_allows_and_another_one_the_rest() {
    run(async {
        let mut builder = Builder::new();
        builder.max_concurrent_streams(10);
        let server = H2Server::with(&builder, 204).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address());
        // All of them are open until a last word.
        let copies: Vec<_> = (0..25)
            .map(|n| rig.stream(n, &grpc("/"), &[b"x"], None, Rest::Streamed))
            .collect();
        rig.until(|c| c.lag.count() == 25).await;
        assert_eq!(server.connections(), 3);
        copies.into_iter().for_each(|copy| rig.finish(copy));
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.failed.total()),
            (25, 0)
        );
    });
}

#[test]
fn beyond_all_limits_copies_wait_and_none_is_lost() {
    run(async {
        let mut builder = Builder::new();
        builder.max_concurrent_streams(3);
        let server = H2Server::with(&builder, 200).await;
        let config = DispatchConfig {
            connections: 2,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address());
        for n in 0..1_000 {
            rig.get(n % 7, "/");
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (1_000, 2));
        assert_eq!(server.seen.borrow().len(), 1_000);
    });
}

/// A quarter of the streams, and of the queue, is for copies whose end is there.
#[test]
fn streams_that_stay_open_leave_room_for_calls_that_end() {
    run(async {
        let mut builder = Builder::new();
        builder.max_concurrent_streams(4);
        let server = H2Server::with(&builder, 200).await;
        let config = DispatchConfig {
            connections: 2,
            queue: 40,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address());
        rig.get(0, "/");
        rig.until(|c| c.answered.success == 1).await;
        let open: Vec<_> = (0..60)
            .map(|n| rig.stream(n, &grpc("/open"), &[b"x"], None, Rest::Streamed))
            .collect();
        for n in 1..=50 {
            rig.get(100 + n, "/");
            rig.until(|c| c.answered.success == 1 + n).await;
        }
        let counters = rig.until(|c| c.in_flight == 6).await;
        assert_eq!((counters.queued, counters.dropped.queue_full), (30, 24));
        open.into_iter().for_each(|copy| rig.finish(copy));
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (51 + 36, 2));
    });
}

#[test]
fn copies_of_a_client_connection_are_opened_in_order() {
    run(async {
        let server = H2Server::answering().await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address());
        for round in 0..20 {
            for n in 0..10 {
                rig.get(1, &format!("/{:03}", 10 * round + n));
            }
            sleep(Duration::from_millis(1)).await;
        }
        rig.settle().await;
        let paths = server.paths();
        let expected: Vec<_> = (0..200).map(|n| format!("/{n:03}")).collect();
        assert_eq!(paths, expected);
        assert_eq!(server.connections(), 1);
    });
}

/// Streams above the last one go again elsewhere, those below finish here.
#[test]
fn a_target_that_goes_away_gets_each_copy_once() {
    run(async {
        let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
        let at_server = Rc::clone(&seen);
        let server = Server::start(move |peer| {
            let (number, seen) = (peer.seen.connections.get(), Rc::clone(&at_server));
            async move {
                let mut raw = Raw::greet(peer, &[]).await;
                let mut streams = Vec::new();
                while streams.len() < 4 {
                    let Some((head, _)) = raw.until(Kind::Headers).await else {
                        return;
                    };
                    streams.push(head.stream);
                }
                if number == 1 {
                    raw.goaway(streams[1]).await;
                    streams.truncate(2);
                }
                for stream in streams {
                    seen.borrow_mut().push((number, stream));
                    raw.answer(stream).await;
                }
                raw.drain().await;
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for n in 0..6 {
            // Also those that must not arrive twice.
            rig.stream(n, &grpc("/"), &[b"message"], None, Rest::Complete);
            if n == 3 {
                rig.until(|c| c.sent_again == 2).await;
            }
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (6, 2));
        assert_eq!((counters.sent_again, counters.failed.total()), (2, 0));
        rig.until(|c| c.open == 1).await;
        let first = seen
            .borrow()
            .iter()
            .filter(|(number, _)| *number == 1)
            .count();
        assert_eq!((first, seen.borrow().len()), (2, 6));
    });
}

#[test]
fn a_target_that_always_goes_away_is_not_asked_for_ever() {
    run(async {
        let server = Server::start(|peer| async move {
            let mut raw = Raw::greet(peer, &[]).await;
            raw.goaway(0).await;
            raw.drain().await;
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for n in 0..20 {
            rig.get(n, "/");
        }
        let counters = rig.settle().await;
        assert_eq!(counters.failed.refused, 20);
        assert!(counters.opened <= 68, "{counters:?}");
    });
}

#[test]
fn a_connection_that_dies_takes_only_what_may_have_been_taken() {
    run(async {
        let server = Server::start(|peer| async move {
            let number = peer.seen.connections.get();
            let mut raw = Raw::greet(peer, &[(3, 4)]).await;
            let mut heads = 0;
            while let Some((head, _)) = raw.until(Kind::Headers).await {
                heads += 1;
                if number > 1 || heads == 1 {
                    raw.answer(head.stream).await;
                } else if heads == 4 {
                    return;
                }
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.get(1, "/first");
        rig.settle().await;
        // It is sent once more, since it may be; these may not.
        rig.get(1, "/again");
        rig.stream(1, &grpc("/a"), &[b"x"], None, Rest::Complete);
        rig.stream(1, &grpc("/b"), &[b"x"], None, Rest::Complete);
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.failed.reset), (2, 2));
        assert_eq!((counters.sent_again, counters.opened), (1, 2));
    });
}

#[test]
fn late_copies_are_given_up_alone() {
    run(async {
        let resets = Rc::new(Cell::new(0));
        let at_server = Rc::clone(&resets);
        let server = Server::start(move |peer| {
            let resets = Rc::clone(&at_server);
            async move {
                let mut raw = Raw::greet(peer, &[]).await;
                while let Some((frame, payload)) = raw.frame().await {
                    match frame.kind {
                        Kind::Reset => resets.set(resets.get() + 1),
                        Kind::Headers if payload.windows(5).any(|it| it == b"/slow") => {}
                        Kind::Headers => raw.answer(frame.stream).await,
                        _ => {}
                    }
                }
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.get(1, "/slow");
        rig.until(|c| c.lag.count() == 1).await;
        advance(Duration::from_secs(3));
        rig.get(1, "/");
        rig.until(|c| c.answered.success == 1).await;
        advance(Duration::from_secs(2));
        let counters = rig.settle().await;
        assert_eq!((counters.failed.timeout, counters.open), (1, 1));
        rig.until(|_| resets.get() == 1).await;
        rig.get(1, "/");
        assert_eq!(rig.settle().await.opened, 1, "it said something meanwhile");
        // Silent altogether: the next copy goes on another connection.
        rig.get(1, "/slow");
        rig.until(|c| c.lag.count() == 4).await;
        advance(Duration::from_secs(5));
        let counters = rig.settle().await;
        assert_eq!((counters.failed.timeout, counters.breaker_opened), (2, 0));
        rig.until(|c| c.open == 0).await;
        rig.get(1, "/");
        assert_eq!(rig.settle().await.opened, 2);
        advance(Duration::from_secs(30));
        rig.until(|c| c.open == 0).await;
    });
}

#[test]
fn both_versions_have_their_own_connections_within_one_limit() {
    run(async {
        let config = DispatchConfig {
            connections: 1,
            ..DispatchConfig::default()
        };
        let server = Server::start(|mut peer| async move {
            let mut first = [0; 3];
            let read = peer.stream.peek(&mut first).await;
            if read.is_ok_and(|read| read == 3) && &first == b"PRI" {
                return server::serve(&Builder::new(), peer.stream, Rc::default(), 200).await;
            }
            while peer.request().await.is_some() {
                peer.reply("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        })
        .await;
        let mut rig = Rig::new(config, server.address);
        for _ in 0..3 {
            rig.get(1, "/");
            rig.send(1, GET);
            rig.settle().await;
        }
        let counters = rig.counters();
        assert_eq!((counters.answered.success, counters.failed.total()), (6, 0));
        assert!(counters.opened >= 2 && counters.open <= 1, "{counters:?}");
        // Neither keeps the other one waiting, however much there is of it.
        for n in 0..200 {
            rig.send(n, GET);
            rig.get(n, "/");
        }
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.failed.total()),
            (406, 0)
        );
        let streams: Vec<_> = (0..3)
            .map(|n| rig.stream(n, &grpc("/"), &[], None, Rest::Streamed))
            .collect();
        rig.send(1, GET);
        rig.until(|c| c.in_flight == 3).await;
        streams.into_iter().for_each(|copy| rig.finish(copy));
        assert_eq!(rig.settle().await.answered.success, 410);
    });
}

#[test]
fn copies_are_spread_over_endpoints() {
    run(async {
        let servers = [H2Server::answering().await, H2Server::answering().await];
        let target: TargetSpec = "service/shop/web:80".parse().unwrap();
        let config = DispatchConfig {
            seed: Some(42),
            ..DispatchConfig::default()
        };
        let mut rig = Rig::with(config, target, Rc::new(SystemResolver));
        let addresses = servers.each_ref().map(H2Server::address);
        rig.dispatcher.set_addresses(0, &addresses);
        for n in 0..200 {
            rig.get(n, "/");
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 200);
        for server in &servers {
            let seen = server.seen.borrow().len();
            assert!((50..=150).contains(&seen), "{seen}");
        }
        // One that is gone gets no more.
        rig.dispatcher.set_addresses(0, &addresses[..1]);
        rig.until(|c| c.open < counters.open).await;
        let before = servers[1].seen.borrow().len();
        for n in 0..20 {
            rig.get(n, "/");
        }
        rig.settle().await;
        assert_eq!(servers[1].seen.borrow().len(), before);
    });
}
