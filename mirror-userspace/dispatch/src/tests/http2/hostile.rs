//! Targets that speak no HTTP/2, or do so in bad faith.

use super::*;

#[test]
fn a_target_without_http2_gets_no_copy_and_is_named() {
    run(async {
        let server = Server::start(|mut peer| async move {
            peer.request().await;
            peer.reply("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
                .await;
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for n in 0..3 {
            rig.get(n, "/");
        }
        let counters = rig.settle().await;
        assert_eq!((counters.failed.no_http2, counters.failed.total()), (3, 3));
        for request in server.seen.texts() {
            assert_eq!(request, "PRI * HTTP/2.0\r\n\r\n");
        }
        for n in 0..20 {
            rig.get(n, "/");
            rig.settle().await;
        }
        let counters = rig.counters();
        assert!(
            counters.breaker_opened > 0 && counters.opened < 10,
            "{counters:?}"
        );
    });
}

#[test]
fn a_target_that_says_nothing_is_late() {
    run(async {
        let server =
            Server::start(|mut peer| async move { while peer.more().await.is_some() {} }).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.get(1, "/");
        rig.until(|c| c.opened == 1).await;
        advance(Duration::from_secs(5));
        let counters = rig.settle().await;
        assert_eq!((counters.failed.timeout, counters.lag.count()), (1, 0));
        rig.until(|c| c.open == 0).await;
    });
}

#[test]
fn a_target_that_hangs_up_is_left_alone_soon() {
    run(async {
        let server = Server::start(|peer| async move { drop(peer) }).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for n in 0..50 {
            rig.get(n, "/");
        }
        let counters = rig.settle().await;
        assert_eq!((counters.failed.total(), counters.breaker_opened), (5, 1));
        assert_eq!((counters.dropped.breaker_open, counters.opened), (45, 5));
    });
}

/// A server of HTTP/1 may close without an answer to what is no request to it.
#[test]
fn a_target_that_closes_on_the_preface_without_a_word_has_no_http2() {
    run(async {
        let server = Server::start(|mut peer| async move {
            peer.more().await;
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.get(1, "/");
        let counters = rig.settle().await;
        let failed = counters.failed;
        assert_eq!((failed.no_http2, failed.total()), (1, 1));
    });
}

/// The same of one that has spoken it before, on any connection, is a connection that was closed.
#[test]
fn a_target_that_has_spoken_http2_has_not_forgotten_it() {
    run(async {
        let server = Server::start(|peer| {
            let first = peer.seen.connections.get() == 1;
            async move {
                let mut peer = peer;
                if first {
                    let mut raw = Raw::greet(peer, &[]).await;
                    raw.until(mirror_core::http::h2::frame::Kind::Headers).await;
                } else {
                    peer.more().await;
                }
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        for n in 1..=2 {
            rig.get(n, "/");
            rig.until(|c| c.failed.total() == n).await;
        }
        let failed = rig.settle().await.failed;
        assert_eq!((failed.reset, failed.no_http2), (2, 0));
    });
}

#[test]
fn floods_and_broken_frames_cost_the_connection() {
    run(async {
        for (kind, flags, payload, times) in [
            // SETTINGS, PING, CONTINUATION that never ends, PUSH_PROMISE, a window beyond all.
            (4_u8, 0_u8, &[][..], 30_000),
            (6, 0, &[0; 8], 30_000),
            (9, 0, &[0; 10], 1_000),
            (5, 4, &[0; 4], 1),
            (8, 0, &[0x7f, 0xff, 0xff, 0xff], 1),
        ] {
            let server = Server::start(move |peer| async move {
                let mut raw = Raw::greet(peer, &[]).await;
                raw.until(mirror_core::http::h2::frame::Kind::Headers).await;
                if kind == 9 {
                    raw.write(1, 0, 1, &[0x88]).await;
                }
                let stream = if matches!(kind, 5 | 9) { 1 } else { 0 };
                for _ in 0..times {
                    if !raw.write(kind, flags, stream, payload).await {
                        return;
                    }
                }
                raw.drain().await;
            })
            .await;
            let mut rig = Rig::new(DispatchConfig::default(), server.address);
            rig.get(1, "/");
            let counters = rig.settle().await;
            assert_eq!(counters.failed.bad_reply, 1, "frames of kind {kind}");
            rig.until(|c| c.open == 0).await;
        }
    });
}
