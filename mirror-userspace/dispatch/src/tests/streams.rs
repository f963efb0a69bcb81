use super::{server::Server, *};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n";

fn body() -> Vec<u8> {
    (0..=250).cycle().take(1_000_000).collect()
}

#[test]
fn a_streamed_copy_arrives_whole_and_keeps_its_turn() {
    run(async {
        let server = Server::answering(OK).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        let copy = rig.open(1, POST);
        rig.send(1, GET);
        for (number, chunk) in body().chunks(33_333).enumerate() {
            rig.chunk(copy, chunk);
            if number % 5 == 0 {
                // The source may be slower than any time-out.
                sleep(Duration::from_millis(2)).await;
                advance(Duration::from_secs(3));
                rig.dispatcher.tick();
            }
            rig.until(|c| c.in_flight == 1 && c.queued == 1).await;
        }
        rig.finish(copy);
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (2, 1));
        let requests = server.seen.requests.borrow();
        assert!(requests[0] == [POST.as_bytes(), &body()].concat());
        assert_eq!(requests[1], GET.as_bytes());
    });
}

#[test]
fn a_copy_that_breaks_is_seen_to_break() {
    run(async {
        let broken = Rc::new(Cell::new(0));
        let at_server = Rc::clone(&broken);
        let server = Server::start(move |mut peer| {
            let broken = Rc::clone(&at_server);
            async move {
                while peer.request().await.is_some() {
                    peer.reply(OK).await;
                }
                broken.set(broken.get() + peer.unfinished().len());
            }
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        let copy = rig.open(1, POST);
        rig.chunk(copy, b"abc");
        rig.send(1, GET);
        rig.until(|c| c.lag.count() == 1).await;
        rig.abort(copy);
        let counters = rig.settle().await;
        assert_eq!((counters.failed.aborted, counters.answered.success), (1, 1));
        rig.until(|_| broken.get() == POST.len() + 3).await;
        assert_eq!(server.seen.texts(), [GET]);
    });
}

#[test]
fn a_copy_that_breaks_before_its_turn_is_never_sent() {
    run(async {
        let server = Server::answering(OK).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.send(1, GET);
        let (a, b) = (rig.open(1, POST), rig.open(1, POST));
        rig.send(1, GET);
        rig.abort(a);
        for _ in 0..20 {
            rig.chunk(b, &[0; 1 << 20]);
        }
        rig.finish(b);
        let counters = rig.settle().await;
        assert_eq!(
            (counters.dropped.aborted, counters.dropped.stream_overflow),
            (1, 1)
        );
        assert_eq!(server.seen.texts(), [GET, GET]);
    });
}

#[test]
fn a_target_too_slow_for_the_window_loses_the_copy() {
    run(async {
        let server = Server::start(|peer| async move {
            sleep(Duration::from_secs(1000)).await;
            drop(peer);
        })
        .await;
        let config = DispatchConfig {
            stream_window: 4 << 20,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        let copy = rig.open(1, POST);
        rig.until(|c| c.lag.count() == 1).await;
        // The sockets between them take some of it, too.
        for _ in 0..200 {
            rig.chunk(copy, &[0; 1 << 20]);
            sleep(Duration::from_millis(1)).await;
            assert!(rig.budget.used() <= 4 << 20, "the window holds");
        }
        let counters = rig.settle().await;
        assert_eq!(counters.failed.stream_overflow, 1);
        rig.finish(copy);
        rig.settle().await;
    });
}

#[test]
fn an_early_reply_counts_and_the_body_goes_on() {
    run(async {
        let server = Server::start(|mut peer| async move {
            while peer.unfinished().is_empty() {
                peer.more().await;
            }
            peer.write(OK).await;
            peer.request().await;
            peer.request().await;
            peer.write(OK).await;
            peer.more().await;
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        let copy = rig.open(1, POST);
        rig.until(|c| c.lag.count() == 1).await;
        sleep(Duration::from_millis(5)).await;
        rig.chunk(copy, &body());
        rig.finish(copy);
        rig.settle().await;
        rig.send(1, GET);
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (2, 1));
        assert!(server.seen.requests.borrow()[0].ends_with(&body()));
    });
}

#[test]
fn an_early_reply_that_closes_ends_the_copy() {
    run(async {
        let server = Server::start(|mut peer| async move {
            peer.more().await;
            peer.write("HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                .await;
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        let copy = rig.open(1, POST);
        let counters = rig.settle().await;
        assert_eq!((counters.answered.client_error, counters.open), (1, 0));
        rig.chunk(copy, &body());
        rig.abort(copy);
        rig.settle().await;
    });
}

#[test]
fn an_early_reply_counts_even_if_the_copy_breaks() {
    run(async {
        let server = Server::start(|mut peer| async move {
            peer.more().await;
            peer.write(OK).await;
            while peer.more().await.is_some() {}
        })
        .await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        let copy = rig.open(1, POST);
        rig.until(|c| c.lag.count() == 1).await;
        sleep(Duration::from_millis(20)).await;
        rig.abort(copy);
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.failed.total()), (1, 0));
        rig.until(|c| c.open == 0).await;
    });
}
