use std::{cell::RefCell, io};

use super::{server::Server, *};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A name service that a test edits.
#[derive(Clone, Default)]
struct Zone {
    addresses: Rc<RefCell<Vec<SocketAddr>>>,
    asked: Rc<Cell<usize>>,
}

impl Zone {
    fn of(addresses: &[SocketAddr]) -> Self {
        let zone = Self::default();
        *zone.addresses.borrow_mut() = addresses.to_vec();
        zone
    }
}

impl Resolve for Zone {
    fn resolve(&self, host: &str, _: u16) -> Resolving {
        assert_eq!(host, "v2.test");
        self.asked.set(self.asked.get() + 1);
        let addresses = self.addresses.borrow().clone();
        Box::pin(async move {
            if addresses.is_empty() {
                return Err(io::Error::other("no such name"));
            }
            Ok(addresses)
        })
    }
}

fn rig(config: DispatchConfig, zone: &Zone) -> Rig {
    let target = "http://v2.test".parse().unwrap();
    Rig::with(config, target, Rc::new(zone.clone()))
}

#[test]
fn a_name_that_moves_is_followed() {
    run(async {
        let (old, new) = (Server::answering(OK).await, Server::answering(OK).await);
        let zone = Zone::of(&[old.address]);
        let mut rig = rig(DispatchConfig::default(), &zone);
        rig.send(1, GET);
        rig.settle().await;
        *zone.addresses.borrow_mut() = vec![new.address];
        rig.send(1, GET);
        rig.settle().await;
        assert_eq!((old.seen.requests.borrow().len(), zone.asked.get()), (2, 1));
        // Renewed before the connection's idle time-out would have closed it.
        advance(Duration::from_secs(20));
        rig.send(1, GET);
        rig.settle().await;
        advance(Duration::from_secs(10));
        rig.until(|c| zone.asked.get() == 2 && c.open == 0).await;
        rig.send(1, GET);
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 4);
        assert_eq!(
            (
                old.seen.requests.borrow().len(),
                new.seen.requests.borrow().len()
            ),
            (3, 1)
        );
    });
}

#[test]
fn a_name_that_moves_away_from_a_dead_address_is_followed_soon() {
    run(async {
        let old = Server::answering(OK).await;
        let zone = Zone::of(&[old.address]);
        let mut rig = rig(DispatchConfig::default(), &zone);
        drop(old);
        rig.send(1, GET);
        assert_eq!(rig.settle().await.failed.connect, 1);
        let new = Server::answering(OK).await;
        *zone.addresses.borrow_mut() = vec![new.address];
        advance(Duration::from_secs(1));
        rig.until(|_| zone.asked.get() == 2).await;
        rig.send(1, GET);
        assert_eq!(rig.settle().await.answered.success, 1);
    });
}

#[test]
fn a_name_without_addresses_is_a_failure_of_its_own() {
    run(async {
        let zone = Zone::default();
        let mut rig = rig(DispatchConfig::default(), &zone);
        (0..20).for_each(|_| rig.send(1, GET));
        let counters = rig.settle().await;
        assert_eq!(
            (counters.failed.unresolved, counters.dropped.breaker_open),
            (5, 15)
        );
        let server = Server::answering(OK).await;
        *zone.addresses.borrow_mut() = vec![server.address];
        advance(Duration::from_millis(100));
        rig.send(1, GET);
        assert_eq!(rig.settle().await.answered.success, 1);
    });
}

#[test]
fn several_addresses_share_the_work() {
    run(async {
        let servers = [
            Server::answering(OK).await,
            Server::answering(OK).await,
            Server::answering(OK).await,
        ];
        let zone = Zone::of(&servers.each_ref().map(|server| server.address));
        let config = DispatchConfig {
            seed: Some(42),
            ..DispatchConfig::default()
        };
        let mut rig = rig(config, &zone);
        for _ in 0..30 {
            rig.send(1, GET);
            rig.settle().await;
        }
        for server in &servers {
            let requests = server.seen.requests.borrow().len();
            assert!((4..=16).contains(&requests), "{requests}");
        }
    });
}

#[test]
fn an_address_that_refuses_costs_nothing_while_others_answer() {
    run(async {
        let dead = Server::answering(OK).await.address;
        let server = Server::answering(OK).await;
        let zone = Zone::of(&[dead, server.address]);
        let mut rig = rig(DispatchConfig::default(), &zone);
        (0..40).for_each(|connection| rig.send(connection, GET));
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 40, "{counters:?}");
    });
}

#[test]
fn at_the_limit_a_free_connection_is_used_wherever_it_goes() {
    run(async {
        let servers = [Server::answering(OK).await, Server::answering(OK).await];
        let zone = Zone::of(&servers.each_ref().map(|server| server.address));
        let config = DispatchConfig {
            connections: 1,
            ..DispatchConfig::default()
        };
        let mut rig = rig(config, &zone);
        for _ in 0..4 {
            rig.send(1, GET);
            rig.settle().await;
        }
        assert_eq!(
            (rig.counters().answered.success, rig.counters().opened),
            (4, 1)
        );
    });
}

#[test]
fn the_system_resolves_localhost() {
    run(async {
        let found = SystemResolver.resolve("localhost", 81).await.unwrap();
        assert!(
            found
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 81)
        );
        assert!(!found.is_empty());
        assert!(
            SystemResolver
                .resolve("no.such.name.invalid", 81)
                .await
                .is_err()
        );
    });
}
