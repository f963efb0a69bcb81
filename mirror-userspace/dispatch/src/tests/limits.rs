use super::{server::Server, *};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

async fn hanging() -> Server {
    Server::start(|mut peer| async move { while peer.request().await.is_some() {} }).await
}

#[test]
fn a_full_queue_drops_the_newest() {
    run(async {
        let server = Server::answering(OK).await;
        let config = DispatchConfig {
            queue: 3,
            connections: 2,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        for number in 0..10 {
            rig.send(number, &format!("GET /{number} HTTP/1.1\r\n\r\n"));
        }
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.dropped.queue_full),
            (5, 5)
        );
        let want: Vec<_> = (0..5)
            .map(|n| format!("GET /{n} HTTP/1.1\r\n\r\n"))
            .collect();
        let mut got = server.seen.texts();
        got.sort();
        assert_eq!(got, want);
    });
}

#[test]
fn above_the_rate_the_newest_are_dropped() {
    run(async {
        let server = Server::answering(OK).await;
        let config = DispatchConfig {
            max_rps: Some(SharedCap::new(100.0, 1)),
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        for _ in 0..3 {
            (0..25).for_each(|_| rig.send(1, GET));
            rig.settle().await;
            advance(Duration::from_secs(1));
        }
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.dropped.max_rps),
            (30, 45)
        );
    });
}

#[test]
fn a_shutdown_lets_what_is_there_finish() {
    run(async {
        let server = Server::answering_late(OK).await;
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        (0..20).for_each(|_| rig.send(1, GET));
        rig.dispatcher.shutdown().await;
        rig.send(1, GET);
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.dropped.shutdown),
            (20, 1)
        );
    });
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    run(async {
        let server = hanging().await;
        let config = DispatchConfig {
            drain_timeout: Duration::from_millis(50),
            connections: 2,
            ..DispatchConfig::default()
        };
        let mut rig = Rig::new(config, server.address);
        (0..20).for_each(|connection| rig.send(connection % 5, GET));
        let open = rig.open(9, "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n");
        rig.chunk(open, b"ab");
        rig.dispatcher.shutdown().await;
        rig.chunk(open, b"c");
        let counters = rig.settle().await;
        assert_eq!(
            (counters.failed.shutdown, counters.dropped.shutdown),
            (2, 19)
        );
        rig.until(|c| c.open == 0).await;
    });
}
