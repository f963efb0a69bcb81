//! Services and selectors whose endpoints come, go, or are not there at all.

use super::{
    server::{Peer, Server},
    *,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn rig(config: DispatchConfig) -> Rig {
    let target = "service/shop/web:80".parse().unwrap();
    Rig::with(config, target, Rc::new(SystemResolver))
}

fn requests(server: &Server) -> usize {
    server.seen.requests.borrow().len()
}

/// Answers once it is allowed to.
async fn answer_when(mut peer: Peer<tokio::net::TcpStream>, allowed: Rc<Cell<bool>>) {
    while peer.request().await.is_some() {
        while !allowed.get() {
            sleep(Duration::from_millis(1)).await;
        }
        peer.reply(OK).await;
    }
}

#[test]
fn copies_wait_for_the_first_list() {
    run(async {
        let server = Server::answering(OK).await;
        let mut rig = rig(DispatchConfig::default());
        (0..20).for_each(|connection| rig.send(connection, GET));
        advance(Duration::from_millis(4_999));
        rig.dispatcher.tick();
        assert_eq!(rig.counters().queued, 20);
        rig.dispatcher.set_addresses(0, &[server.address]);
        assert_eq!(rig.settle().await.answered.success, 20);
    });
}

#[test]
fn without_an_endpoint_copies_wait_so_long_and_are_counted() {
    run(async {
        let server = Server::answering(OK).await;
        let mut rig = rig(DispatchConfig::default());
        rig.dispatcher.set_addresses(0, &[server.address]);
        rig.send(1, GET);
        rig.settle().await;
        rig.dispatcher.set_addresses(0, &[]);

        // Known from when the list was empty, not from when it was needed.
        advance(Duration::from_secs(3));
        (0..5).for_each(|_| rig.send(1, GET));
        let streamed = rig.open(2, "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n");
        rig.chunk(streamed, b"ab");
        advance(Duration::from_millis(1_999));
        rig.dispatcher.tick();
        assert_eq!(rig.counters().queued, 6);
        advance(Duration::from_millis(1));
        let counters = rig.settle().await;
        assert_eq!(counters.dropped.no_endpoint, 6);
        rig.chunk(streamed, b"cde");
        rig.finish(streamed);

        // What comes now has nothing to wait for.
        rig.send(1, GET);
        rig.dispatcher.set_addresses(0, &[]);
        rig.send(1, GET);
        let counters = rig.counters();
        assert_eq!((counters.dropped.no_endpoint, counters.queued), (8, 0));

        rig.dispatcher.set_addresses(0, &[server.address]);
        rig.send(1, GET);
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.failed.total()), (2, 0));
        assert_eq!(requests(&server), 2);
    });
}

#[test]
fn a_gap_shorter_than_the_wait_costs_nothing() {
    run(async {
        let (old, new) = (Server::answering(OK).await, Server::answering(OK).await);
        let mut rig = rig(DispatchConfig::default());
        rig.dispatcher.set_addresses(0, &[old.address]);
        rig.send(1, GET);
        rig.settle().await;
        for server in [&new, &old] {
            rig.dispatcher.set_addresses(0, &[]);
            advance(Duration::from_secs(4));
            (0..5).for_each(|connection| rig.send(connection, GET));
            rig.dispatcher.set_addresses(0, &[server.address]);
            assert_eq!(rig.settle().await.dropped.total(), 0);
        }
        assert_eq!((requests(&old), requests(&new)), (6, 5));
    });
}

#[test]
fn the_probe_of_the_breaker_may_be_dropped_for_want_of_an_endpoint() {
    run(async {
        let dead = Server::answering(OK).await.address;
        let mut rig = rig(DispatchConfig::default());
        rig.dispatcher.set_addresses(0, &[dead]);
        for _ in 0..5 {
            rig.send(1, GET);
            rig.settle().await;
        }
        assert_eq!(rig.counters().breaker_opened, 1);
        rig.dispatcher.set_addresses(0, &[]);
        advance(Duration::from_secs(1));
        rig.send(1, GET);
        assert_eq!(rig.counters().queued, 1, "the probe waits");
        advance(Duration::from_secs(5));
        assert_eq!(rig.settle().await.dropped.no_endpoint, 1);
        let server = Server::answering(OK).await;
        rig.dispatcher.set_addresses(0, &[server.address]);
        rig.send(1, GET);
        assert_eq!(rig.settle().await.answered.success, 1);
    });
}

#[test]
fn a_shutdown_does_not_wait_for_an_endpoint() {
    run(async {
        let mut rig = rig(DispatchConfig {
            drain_timeout: Duration::from_millis(20),
            ..DispatchConfig::default()
        });
        (0..5).for_each(|_| rig.send(1, GET));
        rig.dispatcher.shutdown().await;
        assert_eq!(rig.settle().await.dropped.shutdown, 5);
        let server = Server::answering(OK).await;
        rig.dispatcher.set_addresses(0, &[server.address]);
        rig.send(1, GET);
        assert_eq!(rig.settle().await.dropped.shutdown, 6);
        assert_eq!(requests(&server), 0);
    });
}

#[test]
fn an_endpoint_that_leaves_finishes_and_gets_nothing_new() {
    run(async {
        let allowed = Rc::new(Cell::new(false));
        let leaving = {
            let allowed = Rc::clone(&allowed);
            Server::start(move |peer| answer_when(peer, Rc::clone(&allowed))).await
        };
        let staying = Server::answering(OK).await;
        let mut rig = rig(DispatchConfig::default());
        rig.dispatcher.set_addresses(0, &[leaving.address]);
        // Three under way, one of them streamed, each with another one of its client behind it.
        (0..2).for_each(|connection| rig.send(connection, GET));
        let streamed = rig.open(2, "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n");
        rig.chunk(streamed, b"ab");
        (0..3).for_each(|connection| rig.send(connection, GET));
        rig.until(|c| c.in_flight == 3 && c.open == 3 && requests(&leaving) == 2)
            .await;

        rig.dispatcher.set_addresses(0, &[staying.address]);
        rig.chunk(streamed, b"cde");
        rig.finish(streamed);
        (10..20).for_each(|connection| rig.send(connection, GET));
        rig.until(|c| c.answered.success == 10 && requests(&leaving) == 3)
            .await;
        allowed.set(true);
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.failed.total()),
            (16, 0)
        );
        assert_eq!((requests(&leaving), requests(&staying)), (3, 13));
        let last = leaving.seen.texts().pop().unwrap();
        assert!(last.ends_with("abcde"), "{last}");
    });
}

#[test]
fn an_endpoint_that_leaves_may_break_what_it_has() {
    run(async {
        let leaving =
            Server::start(|mut peer| async move { while peer.request().await.is_some() {} }).await;
        let mut rig = rig(DispatchConfig::default());
        rig.dispatcher.set_addresses(0, &[leaving.address]);
        (0..10).for_each(|connection| rig.send(connection, GET));
        rig.until(|_| requests(&leaving) == 10).await;
        rig.dispatcher.set_addresses(0, &[]);
        (0..10).for_each(|connection| rig.send(connection, GET));
        drop(leaving);
        let counters = rig.until(|c| c.in_flight == 0).await;
        assert_eq!((counters.failed.reset, counters.queued), (10, 10));
        let new = Server::answering(OK).await;
        rig.dispatcher.set_addresses(0, &[new.address]);
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.breaker_opened),
            (10, 0)
        );
    });
}

#[test]
fn free_connections_to_an_endpoint_that_leaves_are_closed_and_it_may_return() {
    run(async {
        let servers = [Server::answering(OK).await, Server::answering(OK).await];
        let both = servers.each_ref().map(|server| server.address);
        let mut rig = rig(DispatchConfig::default());
        rig.dispatcher.set_addresses(0, &both);
        (0..20).for_each(|connection| rig.send(connection, GET));
        assert_eq!(rig.settle().await.open, 20);
        rig.dispatcher.set_addresses(0, &both[..1]);
        rig.until(|c| c.open == 10).await;
        rig.dispatcher.set_addresses(0, &both);
        (0..20).for_each(|connection| rig.send(connection, GET));
        let counters = rig.settle().await;
        assert_eq!((counters.open, counters.answered.success), (20, 40));
        assert_eq!((requests(&servers[0]), requests(&servers[1])), (20, 20));
    });
}

#[test]
fn addresses_are_for_targets_that_have_none_of_their_own() {
    run(async {
        let (own, other) = (Server::answering(OK).await, Server::answering(OK).await);
        let mut rig = Rig::new(DispatchConfig::default(), own.address);
        rig.dispatcher.set_addresses(0, &[other.address]);
        rig.dispatcher.set_addresses(1, &[other.address]);
        rig.send(1, GET);
        rig.settle().await;
        assert_eq!((requests(&own), requests(&other)), (1, 0));
    });
}
