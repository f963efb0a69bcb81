//! ALPN: HTTP/2 in TLS (RFC 9113 section 3.2).

use std::{cell::RefCell, rc::Rc, sync::Arc};

use h2::server::Builder;
use rcgen::IsCa;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::{
    server::{Seen, serve},
    *,
};
use crate::{
    tests::{https::self_signed, server::Peer},
    tls::Trust,
};

/// A server of both versions, of these that it offers in TLS.
async fn offering(protocols: &[&str]) -> (Server, Rc<RefCell<Vec<Seen>>>) {
    let (_, acceptor) = self_signed(IsCa::NoCa, "localhost", false);
    let mut config = ServerConfig::clone(acceptor.config());
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let seen = Rc::new(RefCell::new(Vec::new()));
    let at_server = Rc::clone(&seen);
    let server = Server::start(move |peer| {
        let (acceptor, seen) = (acceptor.clone(), Rc::clone(&at_server));
        async move {
            let Ok(stream) = acceptor.accept(peer.stream).await else {
                return;
            };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                return serve(&Builder::new(), stream, seen, 200).await;
            }
            let mut peer = Peer::new(stream, peer.seen);
            while peer.request().await.is_some() {
                peer.reply("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    (server, seen)
}

fn rig(server: &Server) -> Rig {
    let config = DispatchConfig {
        tls: Some(tls::client_config(&Trust::Insecure).unwrap()),
        ..DispatchConfig::default()
    };
    let target = format!("https://{}", server.address).parse().unwrap();
    Rig::with(config, target, Rc::new(SystemResolver))
}

#[test]
fn each_copy_gets_a_connection_of_its_version() {
    run(async {
        let (server, seen) = offering(&["h2", "http/1.1"]).await;
        let mut rig = rig(&server);
        let body = vec![b'x'; 1_000_000];
        rig.stream(
            1,
            &request("POST", "/"),
            &[&body, &body],
            None,
            Rest::Complete,
        );
        rig.send(2, GET);
        rig.get(1, "/");
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.answered.client_error),
            (2, 1)
        );
        assert_eq!((counters.opened, seen.borrow().len()), (2, 2));
        assert!(seen.borrow().iter().any(|it| it.body.len() == 2_000_000));
        assert_eq!(server.seen.texts(), [GET]);
    });
}

#[test]
fn a_target_that_chooses_no_http2_gets_none() {
    run(async {
        for protocols in [&["http/1.1"][..], &[]] {
            let (server, seen) = offering(protocols).await;
            let mut rig = rig(&server);
            rig.get(1, "/");
            rig.settle().await;
            rig.send(2, GET);
            let counters = rig.settle().await;
            let failed = counters.failed;
            assert_eq!((failed.no_http2, failed.total()), (1, 1), "{protocols:?}");
            assert_eq!(
                (counters.answered.client_error, seen.borrow().len()),
                (1, 0)
            );
        }
    });
}
