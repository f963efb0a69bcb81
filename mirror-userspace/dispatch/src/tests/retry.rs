//! Copies that meet a connection as the target closes it, and what is sent once more.

use super::{server::Server, *};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn post() -> String {
    GET.replace("GET", "POST")
}

/// Answers `answered` requests on each connection; then it reads one, says `last` and closes.
async fn closing_after(answered: usize, last: &'static str) -> Server {
    Server::start(move |mut peer| async move {
        for _ in 0..answered {
            if peer.request().await.is_none() {
                return;
            }
            peer.reply(OK).await;
        }
        peer.request().await;
        peer.write(last).await;
    })
    .await
}

/// What became of two copies, and how many requests the server read.
async fn fate(server: &Server, retry: Retry, second: &str) -> (TargetCounters, usize) {
    let config = DispatchConfig {
        retry,
        ..DispatchConfig::default()
    };
    let mut rig = Rig::new(config, server.address);
    rig.send(1, GET);
    rig.send(1, second);
    let counters = rig.settle().await;
    (counters, server.seen.requests.borrow().len())
}

#[test]
fn a_copy_that_meets_a_closing_connection_is_sent_once_more() {
    run(async {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            let server = closing_after(1, "").await;
            let again = GET.replace("GET", method);
            let (counters, seen) = fate(&server, Retry::Idempotent, &again).await;
            assert_eq!(counters.answered.success, 2, "{method}: {counters:?}");
            assert_eq!((counters.sent_again, seen), (1, 3));
            assert_eq!((counters.opened, counters.lag.count()), (2, 2));
        }
    });
}

#[test]
fn nothing_else_is_sent_twice() {
    run(async {
        let reset = |counters: &TargetCounters| counters.failed.reset;
        let bad_reply = |counters: &TargetCounters| counters.failed.bad_reply;
        type Count = fn(&TargetCounters) -> u64;
        let cases: [(&str, Retry, usize, &str, String, Count); 6] = [
            ("once", Retry::Idempotent, 1, "", post(), reset),
            ("never", Retry::Never, 1, "", GET.into(), reset),
            ("said", Retry::Idempotent, 1, "H", GET.into(), reset),
            (
                "interim",
                Retry::Idempotent,
                1,
                "HTTP/1.1 103 Hm\r\n\r\n",
                GET.into(),
                reset,
            ),
            (
                "bad",
                Retry::Idempotent,
                1,
                "Hm?\r\n\r\n",
                GET.into(),
                bad_reply,
            ),
            ("new", Retry::Idempotent, 0, "", GET.into(), reset),
        ];
        for (name, retry, answered, last, second, failed) in cases {
            let server = closing_after(answered, last).await;
            let (counters, seen) = fate(&server, retry, &second).await;
            let (ok, not) = (answered as u64, 2 - answered as u64);
            assert_eq!(counters.answered.success, ok, "{name}: {counters:?}");
            assert_eq!(failed(&counters), not, "{name}: {counters:?}");
            assert_eq!((counters.sent_again, seen), (0, 2), "{name}");
        }
    });
}

#[test]
fn a_copy_that_fails_again_has_failed() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                if request.starts_with(b"PUT") {
                    return;
                }
                peer.reply(OK).await;
            }
        })
        .await;
        let config = DispatchConfig {
            pipelining: Pipelining::UpTo(1),
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        let put = GET.replace("GET", "PUT");
        for text in [GET, &put, GET, GET] {
            rig.send(1, text);
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.failed.reset), (3, 1));
        assert_eq!(counters.sent_again, 1);
        let order = [GET, &put, &put, GET, GET];
        assert_eq!(server.seen.texts(), order, "in its place");
    });
}

/// Its bytes are not kept.
#[test]
fn a_streamed_copy_is_not_sent_twice() {
    run(async {
        let server = closing_after(1, "").await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.send(1, GET);
        let copy = rig.open(1, "PUT / HTTP/1.1\r\ncontent-length: 3\r\n\r\n");
        rig.chunk(copy, b"abc");
        rig.finish(copy);
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.failed.reset), (1, 1));
        assert_eq!(server.seen.requests.borrow().len(), 2);
    });
}

/// The target was restarted: connections that rest are as dead as the one that was just used.
#[test]
fn the_second_sending_is_on_a_new_connection() {
    run(async {
        let server = Server::start(|mut peer| async move {
            let number = peer.seen.connections.get();
            while let Some(request) = peer.request().await {
                if number <= 3 && request.starts_with(b"PUT") {
                    return;
                }
                // All three have something to do at the same time.
                while peer.seen.requests.borrow().len() < 3 {
                    sleep(Duration::from_millis(1)).await;
                }
                peer.reply(OK).await;
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for connection in 0..3 {
            rig.send(connection, GET);
        }
        assert_eq!(rig.settle().await.open, 3);
        rig.send(1, &GET.replace("GET", "PUT"));
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (4, 4));
        assert_eq!(counters.sent_again, 1);
    });
}

#[test]
fn copies_that_are_alone_have_a_connection_each_and_others_none_of_theirs() {
    run(async {
        for connections in [1, 2, 64] {
            let server = Server::start(|mut peer| async move {
                let mut first = true;
                while let Some(request) = peer.request().await {
                    let alone = request.starts_with(b"PROXY");
                    assert!(first || !alone, "a connection of others");
                    peer.reply(OK).await;
                    if alone {
                        assert_eq!(peer.request().await, None, "others behind it");
                        return;
                    }
                    first = false;
                }
            })
            .await;
            let config = DispatchConfig {
                connections,
                pipelining: Pipelining::UpTo(8),
                ..DispatchConfig::default()
            };
            let mut rig = Rig::new(config, server.address);
            let alone = format!("PROXY UNKNOWN\r\n{GET}");
            for (connection, copy) in [(1, GET), (2, &alone), (2, &alone), (1, GET), (3, &alone)] {
                rig.send(connection, copy);
            }
            let counters = rig.settle().await;
            assert_eq!(counters.answered.success, 5, "{counters:?}");
            // Those with a header, and at least one for the others.
            assert!(counters.opened >= 4, "{counters:?}");
            let seen = server.seen.requests.borrow();
            let alone = seen.iter().filter(|it| it.starts_with(b"PROXY"));
            assert_eq!((seen.len(), alone.count()), (5, 3));
        }
    });
}
