//! What is sent and what is counted.

use http::Response;
use mirror_core::http::h2::frame::Kind;

use super::{server::calls, *};

#[test]
fn copies_arrive_as_they_were_and_their_replies_are_counted() {
    run(async {
        let server = H2Server::answering().await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address());
        let body: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
        rig.get(1, "/first");
        let pieces: Vec<_> = body.chunks(700_001).collect();
        rig.stream(1, &request("POST", "/large"), &pieces, None, Rest::Complete);
        let trailers = block(&[("x-sum", "7")]);
        rig.stream(
            1,
            &grpc("/svc/Method"),
            &[b"message"],
            Some(&trailers),
            Rest::Complete,
        );
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (3, 1));
        assert_eq!((counters.lag.count(), counters.latency.count()), (3, 3));
        let seen = server.seen.borrow();
        let of = |path: &str| seen.iter().find(|it| it.head.uri().path() == path).unwrap();
        let first = of("/first");
        assert_eq!(first.head.method(), "GET");
        assert_eq!(first.head.uri().authority().unwrap(), "v1.test");
        let crumbs: Vec<_> = first.head.headers().get_all("cookie").iter().collect();
        assert_eq!(crumbs, ["a=1", "b=2"]);
        assert!(of("/large").body == body);
        let unary = of("/svc/Method");
        assert_eq!(unary.body, b"message");
        assert_eq!(unary.trailers.as_ref().unwrap()["x-sum"], "7");
    });
}

#[test]
fn the_status_of_grpc_is_counted_with_trailers_or_without_a_body() {
    run(async {
        let server = calls(|mut call| async move {
            while let Some(Ok(chunk)) = call.body.data().await {
                let _gone = call.body.flow_control().release_capacity(chunk.len());
            }
            let head = Response::builder().status(200);
            if call.path == "/trailers-only" {
                let head = head.header("grpc-status", "14").body(()).unwrap();
                call.respond.send_response(head, true).unwrap();
                return;
            }
            let mut reply = call
                .respond
                .send_response(head.body(()).unwrap(), false)
                .unwrap();
            reply
                .send_data(Bytes::from_static(b"message"), false)
                .unwrap();
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            reply.send_trailers(trailers).unwrap();
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for path in ["/a", "/trailers-only", "/b"] {
            rig.stream(1, &grpc(path), &[b"message"], None, Rest::Complete);
        }
        let counters = rig.until(|c| c.grpc_status.total() == 3).await;
        assert_eq!(counters.answered.success, 3);
        let statuses = counters.grpc_status;
        assert_eq!((statuses.ok, statuses.unavailable), (2, 1));
    });
}

/// It takes ten calls per second.
#[test]
fn a_target_that_refuses_calls_for_want_of_room_is_backed_off_from() {
    for (status, expected) in [("14", true), ("8", true), ("13", false)] {
        run(async move {
            let room = Rc::new(Cell::new(0));
            let at_server = Rc::clone(&room);
            let server = calls(move |mut call| {
                let room = Rc::clone(&at_server);
                async move {
                    while call.body.data().await.is_some() {}
                    let left: i32 = room.replace(room.get() - 1);
                    let said = if left > 0 { "0" } else { status };
                    let head = Response::builder().header("grpc-status", said);
                    let head = head.body(()).unwrap();
                    call.respond.send_response(head, true).unwrap();
                }
            })
            .await;
            let config = DispatchConfig {
                back_off: true,
                ..DispatchConfig::default()
            };
            let mut rig = Rig::new(config, server.address);
            for _ in 0..8 {
                room.set(10);
                for _ in 0..40 {
                    rig.stream(1, &grpc("/a"), &[b"message"], None, Rest::Complete);
                }
                rig.settle().await;
                advance(Duration::from_secs(1));
                rig.dispatcher.tick();
            }
            let counters = rig.settle().await;
            let held_back = counters.dropped.backing_off;
            assert_eq!(held_back > 0, expected, "{status}: {held_back}");
            // From now on it gets all, come what may.
            rig.dispatcher.set_back_off(false);
            for _ in 0..40 {
                rig.get(1, "/b");
            }
            let counters = rig.settle().await;
            assert_eq!(counters.dropped.backing_off, held_back, "{status}");
            assert_eq!(counters.held_back, 0);
        });
    }
}

#[test]
fn streams_that_are_reset_are_counted_by_their_reason() {
    run(async {
        let server = Server::start(|peer| async move {
            let mut raw = Raw::greet(peer, &[]).await;
            for code in [2, 8, 13] {
                let (head, _) = raw.until(Kind::Headers).await.unwrap();
                raw.reset(head.stream, code).await;
            }
            raw.drain().await;
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for path in ["/a", "/b", "/c"] {
            rig.get(1, path);
        }
        let counters = rig.settle().await;
        let failed = counters.failed;
        assert_eq!(
            (failed.stream_reset, failed.no_http2, failed.total()),
            (2, 1, 3)
        );
        assert_eq!((counters.opened, counters.breaker_opened), (1, 0));
    });
}

#[test]
fn a_refused_stream_is_sent_again_a_number_of_times() {
    run(async {
        let server = Server::start(|peer| async move {
            let mut raw = Raw::greet(peer, &[]).await;
            let mut refused = 0;
            while let Some((head, block)) = raw.until(Kind::Headers).await {
                let always = block.windows(7).any(|it| it == b"/always");
                if always || refused < 2 {
                    refused += 1;
                    raw.reset(head.stream, 7).await;
                } else {
                    raw.answer(head.stream).await;
                }
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.get(1, "/a");
        // Whether it is idempotent does not matter: it was not taken.
        rig.stream(1, &grpc("/b"), &[b"body"], None, Rest::Complete);
        rig.settle().await;
        rig.get(1, "/always");
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.failed.refused), (2, 1));
        assert_eq!(counters.sent_again, 2 + 64);

        let config = DispatchConfig {
            retry: Retry::Never,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        rig.get(1, "/a");
        let counters = rig.settle().await;
        assert_eq!((counters.failed.refused, counters.sent_again), (1, 0));
    });
}

#[test]
fn a_client_that_gives_up_has_its_copies_given_up() {
    run(async {
        let resets = Rc::new(Cell::new(0));
        let at_server = Rc::clone(&resets);
        let server = Server::start(move |peer| {
            let resets = Rc::clone(&at_server);
            async move {
                let mut raw = Raw::greet(peer, &[(3, 1)]).await;
                while let Some((_, code)) = raw.until(Kind::Reset).await {
                    assert_eq!(code, [0, 0, 0, 8]);
                    resets.set(resets.get() + 1);
                }
            }
        })
        .await;
        let config = DispatchConfig {
            connections: 1,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        let sent = rig.get(1, "/sent");
        rig.until(|c| c.lag.count() == 1).await;
        let waits = rig.get(2, "/waits");
        let streamed = rig.stream(2, &grpc("/waits"), &[b"x"], None, Rest::Streamed);
        rig.finish(streamed);
        rig.until(|c| c.queued == 2).await;
        for (client, copy) in [(2, waits), (2, streamed), (1, sent), (1, sent), (3, sent)] {
            rig.cancel(client, copy);
        }
        let counters = rig.settle().await;
        assert_eq!(
            (counters.failed.cancelled, counters.dropped.cancelled),
            (1, 2)
        );
        rig.until(|_| resets.get() == 1).await;
    });
}
