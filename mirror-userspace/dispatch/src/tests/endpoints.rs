//! Several endpoints: who gets how much, and what becomes of those that fail.

use super::{server::Server, *};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn rig(config: DispatchConfig, endpoints: &[SocketAddr]) -> Rig {
    let target = "pods/shop/app=web:80".parse().unwrap();
    let config = DispatchConfig {
        seed: Some(42),
        ..config
    };
    let rig = Rig::with(config, target, Rc::new(SystemResolver));
    rig.dispatcher.set_addresses(0, endpoints);
    rig
}

fn addresses<const N: usize>(servers: &[Server; N]) -> [SocketAddr; N] {
    servers.each_ref().map(|server| server.address)
}

fn requests<const N: usize>(servers: &[Server; N]) -> [usize; N] {
    servers
        .each_ref()
        .map(|server| server.seen.requests.borrow().len())
}

async fn answering() -> [Server; 3] {
    [
        Server::answering(OK).await,
        Server::answering(OK).await,
        Server::answering(OK).await,
    ]
}

async fn hanging() -> Server {
    Server::start(|mut peer| async move { while peer.request().await.is_some() {} }).await
}

/// Breaks each connection at its first request while it is `broken`.
async fn breaking(broken: &Rc<Cell<bool>>) -> Server {
    let broken = Rc::clone(broken);
    Server::start(move |mut peer| {
        let broken = Rc::clone(&broken);
        async move {
            while peer.request().await.is_some() && !broken.get() {
                peer.reply(OK).await;
            }
        }
    })
    .await
}

#[test]
fn one_after_the_other_all_get_their_share() {
    run(async {
        let servers = answering().await;
        let mut rig = rig(DispatchConfig::default(), &addresses(&servers));
        for _ in 0..300 {
            rig.send(1, GET);
            rig.settle().await;
        }
        let requests = requests(&servers);
        assert!(
            requests.iter().all(|count| (75..=125).contains(count)),
            "{requests:?}"
        );
        assert_eq!(rig.counters().opened, 3, "each connection is used again");
    });
}

#[test]
fn what_is_under_way_is_nearly_even() {
    run(async {
        let servers = [hanging().await, hanging().await, hanging().await];
        let mut rig = rig(DispatchConfig::default(), &addresses(&servers));
        (0..60).for_each(|connection| rig.send(connection, GET));
        let under_way = || requests(&servers).iter().sum::<usize>();
        rig.until(|_| under_way() == 60).await;
        let requests = requests(&servers);
        assert!(
            requests.iter().all(|count| (18..=22).contains(count)),
            "{requests:?}"
        );
        advance(Duration::from_secs(5));
        assert_eq!(rig.settle().await.failed.timeout, 60);
    });
}

#[test]
fn one_that_is_slow_gets_less() {
    run(async {
        let servers = [
            Server::answering(OK).await,
            Server::answering(OK).await,
            hanging().await,
        ];
        let mut rig = rig(DispatchConfig::default(), &addresses(&servers));
        for connection in 0..100 {
            rig.send(connection, GET);
            let slow = || requests(&servers)[2] as u64;
            rig.until(|c| c.queued == 0 && c.in_flight == slow()).await;
        }
        assert_eq!(requests(&servers)[2], 1, "whoever else is drawn is free");
        advance(Duration::from_secs(5));
        rig.settle().await;
    });
}

#[test]
fn one_that_breaks_is_left_and_probed_again() {
    run(async {
        let broken = Rc::new(Cell::new(true));
        let servers = [
            Server::answering(OK).await,
            Server::answering(OK).await,
            breaking(&broken).await,
        ];
        let mut rig = rig(DispatchConfig::default(), &addresses(&servers));
        // When, in seconds, and how many copies the broken one has had by then: 1, 2 and 4 s apart.
        for (wait, failed) in [(0, 1), (1, 2), (1, 2), (1, 3), (3, 3), (1, 4)] {
            advance(Duration::from_secs(wait));
            for connection in 0..30 {
                rig.send(connection, GET);
                rig.settle().await;
            }
            let counters = rig.counters();
            assert_eq!((counters.failed.reset, counters.avoided), (failed, failed));
            assert_eq!(requests(&servers)[2] as u64, failed);
        }
        let counters = rig.counters();
        assert_eq!((counters.breaker_opened, counters.dropped.total()), (0, 0));

        broken.set(false);
        advance(Duration::from_secs(8));
        for connection in 0..60 {
            rig.send(connection, GET);
            rig.settle().await;
        }
        assert_eq!(rig.counters().failed.total(), 4);
        let recovered = requests(&servers)[2] - 4;
        assert!((10..=30).contains(&recovered), "{recovered}");
    });
}

#[test]
fn one_that_refuses_costs_nothing_and_is_found_when_it_returns() {
    run(async {
        let gone = Server::answering(OK).await;
        let address = gone.address;
        drop(gone);
        let server = Server::answering(OK).await;
        let mut rig = rig(DispatchConfig::default(), &[address, server.address]);
        for connection in 0..20 {
            rig.send(connection, GET);
            rig.settle().await;
        }
        advance(Duration::from_secs(1));
        (0..20).for_each(|connection| rig.send(connection, GET));
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.avoided), (40, 2));

        let back = [Server::answering_at(address, OK).await];
        advance(Duration::from_secs(2));
        (0..20).for_each(|connection| rig.send(connection, GET));
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.avoided), (60, 2));
        assert_eq!(requests(&back), [1], "the others came while it was probed");
        (0..20).for_each(|connection| rig.send(connection, GET));
        assert_eq!(rig.settle().await.answered.success, 80);
    });
}

#[test]
fn one_that_does_not_answer_in_time_is_left() {
    run(async {
        let servers = [Server::answering(OK).await, hanging().await];
        let mut rig = rig(DispatchConfig::default(), &addresses(&servers));
        (0..10).for_each(|connection| rig.send(connection, GET));
        rig.until(|c| c.answered.success == 5 && requests(&servers)[1] == 5)
            .await;
        advance(Duration::from_secs(5));
        let counters = rig.settle().await;
        assert_eq!((counters.failed.timeout, counters.avoided), (5, 1));
        (0..40).for_each(|connection| rig.send(connection, GET));
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, requests(&servers)[1]), (45, 5));
        assert_eq!(
            counters.breaker_opened, 0,
            "five failed in a row, but only there"
        );
    });
}

#[test]
fn if_all_fail_the_breaker_sees_to_it() {
    run(async {
        let broken = Rc::new(Cell::new(true));
        let servers = [breaking(&broken).await, breaking(&broken).await];
        let mut rig = rig(DispatchConfig::default(), &addresses(&servers));
        for connection in 0..20 {
            rig.send(connection, GET);
            rig.settle().await;
        }
        let counters = rig.counters();
        assert_eq!(
            (counters.failed.reset, counters.dropped.breaker_open),
            (6, 14),
            "the first of them only leads to the other endpoint"
        );
        broken.set(false);
        advance(Duration::from_millis(100));
        for connection in 0..20 {
            rig.send(connection, GET);
            rig.settle().await;
        }
        let counters = rig.counters();
        assert_eq!(
            (counters.answered.success, counters.failed.total()),
            (20, 6)
        );
    });
}

/// An endpoint that comes while all connections are busy or kept for others gets its share; how many of so many
/// connections are opened.
fn share_of_a_new_one(pipelining: Pipelining) -> u64 {
    let opened = Rc::new(Cell::new(0));
    let result = Rc::clone(&opened);
    run(async move {
        let servers = [
            Server::answering_late(OK).await,
            Server::answering_late(OK).await,
        ];
        let both = addresses(&servers);
        let config = DispatchConfig {
            connections: 6,
            pipelining,
            ..DispatchConfig::default()
        };
        let mut rig = rig(config, &both[..1]);
        // Twelve client connections with a long backlog each.
        (0..1200).for_each(|number| rig.send(number % 12, GET));
        rig.until(|c| c.answered.success >= 60).await;
        let before = requests(&servers)[0];
        rig.dispatcher.set_addresses(0, &both);
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 1200);
        let [old, new] = requests(&servers);
        let rest = 1200 - before;
        assert!(new > rest / 4 && new < rest * 3 / 4, "{before} {old} {new}");
        result.set(counters.opened);
    });
    opened.get()
}

#[test]
fn a_new_one_is_given_connections_of_the_others() {
    assert_eq!(share_of_a_new_one(Pipelining::UpTo(1)), 9);
}

#[test]
fn a_new_one_is_given_connections_that_have_many_copies() {
    let opened = share_of_a_new_one(Pipelining::UpTo(16));
    assert!((7..30).contains(&opened), "{opened}");
}

#[test]
fn a_new_one_gets_room_that_others_do_not_need() {
    run(async {
        let servers = [Server::answering(OK).await, Server::answering(OK).await];
        let both = addresses(&servers);
        let config = DispatchConfig {
            connections: 6,
            ..DispatchConfig::default()
        };
        let mut rig = rig(config, &both[..1]);
        (0..6).for_each(|connection| rig.send(connection, GET));
        assert_eq!(rig.settle().await.open, 6);
        rig.dispatcher.set_addresses(0, &both);
        for connection in 0..60 {
            rig.send(connection, GET);
            rig.settle().await;
        }
        let new = requests(&servers)[1];
        assert!((15..=45).contains(&new), "{new}");
        assert_eq!(rig.counters().answered.success, 66);
    });
}
