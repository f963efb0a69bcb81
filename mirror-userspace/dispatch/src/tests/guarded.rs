//! Targets that documents name, at addresses that documents may not have: nobody is connected to.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, Ipv6Addr},
};

use super::{server::Server, *};
use mirror_core::destination::Origin;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn of_document(destination: &str) -> TargetSpec {
    TargetSpec {
        origin: Origin::Document,
        ..destination.parse().unwrap()
    }
}

/// A name service whose answer is another one each time.
struct Turning(RefCell<Vec<Vec<SocketAddr>>>);

impl Resolve for Turning {
    fn resolve(&self, _: &str, _: u16) -> Resolving {
        let mut answers = self.0.borrow_mut();
        let next = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        };
        Box::pin(async move { Ok::<_, io::Error>(next) })
    }
}

fn resolving(config: DispatchConfig, answers: Vec<Vec<SocketAddr>>) -> Rig {
    let target = of_document("http://v2.test");
    Rig::with(config, target, Rc::new(Turning(RefCell::new(answers))))
}

async fn refuses_all(mut rig: Rig, server: &Server) {
    let copies = 20;
    (0..copies).for_each(|connection| rig.send(connection, GET));
    let counters = rig.settle().await;
    assert_eq!(counters.failed.target_refused, copies, "{counters:?}");
    assert_eq!((counters.failed.total(), counters.opened), (copies, 0));
    assert_eq!(counters.dropped.total(), 0, "each is counted as refused");
    assert_eq!(server.seen.connections.get(), 0);
}

#[test]
fn a_document_reaches_no_loopback_address_that_it_writes() {
    run(async {
        let server = Server::answering(OK).await;
        let port = server.address.port();
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]"] {
            let target = of_document(&format!("http://{host}:{port}"));
            let rig = Rig::with(DispatchConfig::default(), target, Rc::new(SystemResolver));
            refuses_all(rig, &server).await;
        }
        let mut rig = Rig::new(DispatchConfig::default(), server.address);
        rig.send(1, GET);
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 1, "the operator may");
    });
}

#[test]
fn a_document_reaches_no_loopback_address_that_a_name_has() {
    run(async {
        let server = Server::answering(OK).await;
        let mapped = match server.address.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mapped = SocketAddr::from((mapped, server.address.port()));
        let rig = resolving(
            DispatchConfig::default(),
            vec![vec![server.address, mapped]],
        );
        refuses_all(rig, &server).await;
        let localhost = of_document(&format!("http://localhost:{}", server.address.port()));
        let rig = Rig::with(
            DispatchConfig::default(),
            localhost,
            Rc::new(SystemResolver),
        );
        refuses_all(rig, &server).await;
    });
}

#[test]
fn a_document_reaches_no_loopback_address_that_an_endpoint_has() {
    run(async {
        let server = Server::answering(OK).await;
        let target = of_document("service/evil/sink:80");
        let rig = Rig::with(DispatchConfig::default(), target, Rc::new(SystemResolver));
        rig.dispatcher.set_addresses(0, &[server.address]);
        refuses_all(rig, &server).await;
    });
}

#[test]
fn a_name_that_turns_to_loopback_later_is_refused_at_each_connect() {
    run(async {
        let server = Server::answering(OK).await;
        // Nobody listens at the first answer, and nobody ever can: it is for documentation (RFC 5737).
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], server.address.port()));
        let config = DispatchConfig {
            connect_timeout: Duration::from_millis(1),
            ..DispatchConfig::default()
        };
        let mut rig = resolving(config, vec![vec![elsewhere], vec![server.address]]);
        rig.send(1, GET);
        assert_eq!(rig.settle().await.failed.connect, 1);
        advance(Duration::from_secs(1));
        // The failure has the name resolved again.
        let mut refused = 0;
        for connection in 2..1_000 {
            rig.send(connection, GET);
            refused = rig.settle().await.failed.target_refused;
            if refused > 0 {
                break;
            }
            advance(Duration::from_secs(1));
        }
        assert_eq!(refused, 1);
        assert_eq!(server.seen.connections.get(), 0);
    });
}

#[test]
fn our_own_addresses_are_refused_wherever_they_are() {
    /// All of documentation's networks are ours.
    struct Own(Vec<IpAddr>);
    impl OwnAddresses for Own {
        fn read(&self) -> anyhow::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }
    run(async {
        let server = Server::answering(OK).await;
        let own: Vec<IpAddr> = vec![[192, 0, 2, 1].into(), Ipv6Addr::LOCALHOST.into()];
        let config = DispatchConfig {
            guard: Guard::new(Own(own), vec!["198.51.100.0/24".parse().unwrap()]),
            ..DispatchConfig::default()
        };
        for address in ["192.0.2.1:9090", "198.51.100.7:80", "[::ffff:192.0.2.1]:80"] {
            let rig = resolving(config.clone(), vec![vec![address.parse().unwrap()]]);
            refuses_all(rig, &server).await;
        }
    });
}
