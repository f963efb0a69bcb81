//! Replies whose bodies go on: event streams, large downloads, and those that break off.

use super::{server::Server, *};

const ENDLESS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// Begins a reply with `start`, goes on with `more` for as long as anyone reads it.
async fn going_on(start: &'static str, more: &'static str) -> Server {
    Server::start(move |mut peer| async move {
        peer.request().await;
        peer.reply(start).await;
        while peer.write(more).await {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
}

/// Lets time pass, in small steps.
async fn wait(rig: &Rig, time: Duration) {
    for _ in 0..10 {
        sleep(Duration::from_millis(2)).await;
        advance(time / 10);
        rig.dispatcher.tick();
    }
}

#[test]
fn the_head_answers_and_the_body_has_its_own_time() {
    run(async {
        for (start, more) in [
            (ENDLESS, "1\r\nx\r\n"),
            ("HTTP/1.1 200 OK\r\n\r\n", "x"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", "x"),
        ] {
            let server = going_on(start, more).await;
            let config = DispatchConfig {
                reply_body_timeout: Duration::from_secs(20),
                ..DispatchConfig::default()
            };
            let mut rig = Rig::new(config, server.address);
            rig.send(1, GET);
            let counters = rig.settle().await;
            assert_eq!((counters.answered.success, counters.open), (1, 1));
            assert_eq!(counters.latency.count(), 1);
            wait(&rig, Duration::from_secs(19)).await;
            assert_eq!((rig.counters().open, rig.counters().replies_cut), (1, 0));
            wait(&rig, Duration::from_secs(1)).await;
            let counters = rig.until(|c| c.open == 0).await;
            assert_eq!((counters.replies_cut, counters.failed.total()), (1, 0));
            assert_eq!(counters.answered.total(), 1, "once");
        }
    });
}

/// Serves this reply, again and again, in pieces of so many bytes.
async fn serving(reply: String, piece: usize) -> Server {
    let reply: Rc<str> = reply.into();
    Server::start(move |mut peer| {
        let reply = Rc::clone(&reply);
        async move {
            while peer.request().await.is_some() {
                let mut rest = &*reply;
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(rest.len().min(piece));
                    peer.write(now).await;
                    rest = later;
                }
            }
        }
    })
    .await
}

/// Long bodies are discarded in the socket, and what follows them must not be.
#[test]
fn behind_a_long_body_the_connection_goes_on() {
    run(async {
        for len in [16_383, 16_384, 16_385, 70_000, 3_000_000] {
            let body = "x".repeat(len);
            let known = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n{body}");
            let chunked = format!("{ENDLESS}1\r\nx\r\n{len:x}\r\n{body}\r\n0\r\n\r\n");
            for reply in [known, chunked] {
                for piece in [1_001, 20_000, usize::MAX] {
                    let server = serving(reply.clone(), piece).await;
                    let mut rig = Rig::new(DispatchConfig::default(), server.address);
                    for number in 0..12 {
                        rig.send(number % 3, GET);
                        if number < 4 {
                            rig.settle().await;
                        }
                    }
                    let counters = rig.settle().await;
                    let what = format!("{len} in {piece}: {counters:?}");
                    assert_eq!(counters.answered.success, 12, "{what}");
                    assert_eq!(counters.replies_cut + counters.replies_broken, 0, "{what}");
                    assert_eq!(counters.opened, counters.open, "{what}");
                }
            }
        }
    });
}

#[test]
fn a_long_body_that_breaks_off_breaks_its_connection_only() {
    run(async {
        for part in [
            "content-length: 5000000\r\n\r\n",
            "transfer-encoding: chunked\r\n\r\n4c4b40\r\n",
        ] {
            let reply = format!("HTTP/1.1 200 OK\r\n{part}{}", "x".repeat(4_000_000));
            let reply: Rc<str> = reply.into();
            let server = Server::start(move |mut peer| {
                let reply = Rc::clone(&reply);
                async move {
                    peer.request().await;
                    peer.reply(&reply).await;
                }
            })
            .await;
            let mut rig = Rig::new(DispatchConfig::default(), server.address);
            for connection in 0..3 {
                rig.send(connection, GET);
            }
            rig.settle().await;
            let counters = rig.until(|c| c.open == 0).await;
            assert_eq!((counters.answered.success, counters.replies_broken), (3, 3));
        }
    });
}

#[test]
fn bodies_that_are_cut_or_break_off_are_no_failures_of_the_target() {
    run(async {
        for part in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            let server = Server::start(move |mut peer| async move {
                peer.request().await;
                peer.reply(part).await;
            })
            .await;
            let mut rig = Rig::new(DispatchConfig::default(), server.address);
            for connection in 0..10 {
                rig.send(connection, GET);
            }
            rig.settle().await;
            let counters = rig.until(|c| c.open == 0).await;
            assert_eq!(counters.answered.success, 10, "{counters:?}");
            assert_eq!((counters.replies_broken, counters.breaker_opened), (10, 0));
        }
    });
}

#[test]
fn what_waits_for_the_reply_waits_for_its_end() {
    run(async {
        let server = Server::start(|mut peer| async move {
            let number = peer.seen.connections.get();
            while peer.request().await.is_some() {
                peer.reply("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
                    .await;
                if number == 1 {
                    sleep(Duration::from_millis(20)).await;
                }
                peer.write("body").await;
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.send(1, GET);
        rig.until(|c| c.answered.success == 1).await;
        rig.send(1, GET);
        assert_eq!(rig.counters().queued, 1, "its body is not there");
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (2, 1));
    });
}

#[test]
fn a_shutdown_does_not_wait_for_bodies() {
    run(async {
        let server = going_on(ENDLESS, "1\r\nx\r\n").await;
        let config = DispatchConfig {
            // Longer than the test may take.
            drain_timeout: Duration::from_secs(600),
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        rig.send(1, GET);
        rig.settle().await;
        rig.dispatcher.shutdown().await;
        let counters = rig.counters();
        assert_eq!((counters.answered.success, counters.failed.total()), (1, 0));
    });
}

/// Event streams and long polls, more than there may be connections, beside ordinary requests.
#[test]
fn copies_that_take_long_do_not_keep_others_from_the_target() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                if request.starts_with(b"GET /poll") {
                    // The answer comes when there is one.
                    peer.more().await;
                } else if request.starts_with(b"GET /events") {
                    peer.reply(ENDLESS).await;
                    while peer.write("1\r\nx\r\n").await {
                        sleep(Duration::from_millis(20)).await;
                    }
                } else {
                    peer.reply("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                        .await;
                }
            }
        })
        .await;
        // Long enough that nothing ends by being late.
        let patience = Duration::from_secs(3_600);
        let config = DispatchConfig {
            reply_timeout: patience,
            reply_body_timeout: patience,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        for connection in 0..200 {
            let path = if connection % 2 == 0 {
                " /events "
            } else {
                " /poll "
            };
            rig.send(connection, &GET.replace(" / ", path));
        }
        for number in 0..50 {
            rig.send(1_000 + number % 5, GET);
        }
        while rig.counters().answered.success < 150 {
            advance(Duration::from_millis(20));
            rig.until(|_| true).await;
        }
        let counters = rig.counters();
        assert_eq!((counters.in_flight, counters.queued), (100, 0), "the polls");
        assert!(counters.open <= 128, "{counters:?}");
        advance(patience);
        let counters = rig.settle().await;
        assert_eq!(counters.failed.timeout, 100, "{counters:?}");
    });
}

/// The polls begin to be late while others are answered.
#[test]
fn polls_that_are_late_do_not_stop_the_mirror() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                if request.starts_with(b"GET /poll") {
                    peer.more().await;
                }
                peer.reply("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for connection in 0..20 {
            rig.send(connection, &GET.replace(" / ", " /poll "));
        }
        rig.until(|c| c.lag.count() == 20).await;
        advance(Duration::from_secs(1));
        rig.send(100, GET);
        rig.until(|c| c.answered.success == 1).await;
        advance(Duration::from_secs(4));
        let counters = rig.settle().await;
        assert_eq!((counters.failed.timeout, counters.breaker_opened), (20, 0));
        rig.send(100, GET);
        assert_eq!(rig.settle().await.answered.success, 2);
    });
}
