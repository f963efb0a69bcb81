use std::{io::Write, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::{
    server::{Peer, Seen, Server},
    *,
};
use crate::tls::Trust;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A CA in a file, and what a server with its certificate for `localhost` needs.
fn certified() -> (NamedTempFile, TlsAcceptor) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let mut file = NamedTempFile::new().unwrap();
    let root = ca.self_signed(&ca_key).unwrap();
    file.write_all(root.pem().as_bytes()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &Issuer::new(ca, ca_key))
        .unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (file, accepting(leaf.der().clone(), key))
}

/// A certificate that nobody issued, as `openssl req -x509` makes it, in a file and for a server.
pub(super) fn self_signed(ca: IsCa, name: &str, expired: bool) -> (NamedTempFile, TlsAcceptor) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = ca;
    if expired {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(certificate.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (file, accepting(certificate.der().clone(), key))
}

fn accepting(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Sends a large copy and a small one to a server with `acceptor`, trusting `trust`.
async fn sent_to(
    host: &str,
    acceptor: TlsAcceptor,
    trust: &Trust,
) -> (TargetCounters, Vec<Vec<u8>>) {
    let seen = Rc::new(Seen::default());
    let at_server = Rc::clone(&seen);
    let server = Server::start(move |peer| {
        let (acceptor, seen) = (acceptor.clone(), Rc::clone(&at_server));
        async move {
            let Ok(stream) = acceptor.accept(peer.stream).await else {
                return;
            };
            let mut peer = Peer::new(stream, seen);
            while peer.request().await.is_some() {
                peer.reply(OK).await;
            }
        }
    })
    .await;
    let config = DispatchConfig {
        tls: Some(tls::client_config(trust).unwrap()),
        ..DispatchConfig::default()
    };
    let target = format!("https://{host}:{}", server.address.port());
    let target = target.parse().unwrap();
    let mut rig = Rig::with(config, target, Rc::new(Here));
    let head = b"POST / HTTP/1.1\r\ncontent-length: 3000000\r\n\r\n";
    let body = vec![b'x'; 1_000_000];
    rig.give(
        1,
        &[head, &body, &body, &body],
        Rest::Complete,
        Expect::Body,
    );
    rig.send(1, GET);
    (rig.settle().await, seen.requests.take())
}

/// Every name is here.
struct Here;

impl Resolve for Here {
    fn resolve(&self, _: &str, port: u16) -> Resolving {
        Box::pin(async move { Ok(vec![([127, 0, 0, 1], port).into()]) })
    }
}

#[test]
fn a_target_that_the_ca_vouches_for_gets_everything() {
    run(async {
        let (ca, acceptor) = certified();
        let trust = Trust::CaFile(ca.path().to_owned());
        let (counters, requests) = sent_to("localhost", acceptor, &trust).await;
        assert_eq!((counters.answered.success, counters.opened), (2, 1));
        assert_eq!(requests[0].len(), 44 + 3_000_000);
        assert_eq!(requests[1], GET.as_bytes());
    });
}

/// It says in TLS that it closes, right behind the reply.
#[test]
fn a_connection_that_tls_closes_behind_the_reply_is_not_used() {
    run(async {
        let (ca, acceptor) = certified();
        let server = Server::start(move |peer| {
            let acceptor = acceptor.clone();
            async move {
                let stream = acceptor.accept(peer.stream).await.unwrap();
                let mut peer = Peer::new(stream, peer.seen);
                peer.request().await;
                peer.reply(OK).await;
                let _gone = peer.stream.shutdown().await;
            }
        })
        .await;
        let config = DispatchConfig {
            tls: Some(tls::client_config(&Trust::CaFile(ca.path().to_owned())).unwrap()),
            ..DispatchConfig::default()
        };
        let target = format!("https://localhost:{}", server.address.port());
        let mut rig = Rig::with(config, target.parse().unwrap(), Rc::new(Here));
        for _ in 0..10 {
            rig.send(1, "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        }
        let counters = rig.settle().await;
        assert_eq!((counters.answered.success, counters.opened), (10, 10));
    });
}

#[test]
fn a_target_that_nobody_vouches_for_gets_nothing() {
    run(async {
        let (_, acceptor) = certified();
        let (other_ca, _) = certified();
        let trust = Trust::CaFile(other_ca.path().to_owned());
        let (counters, requests) = sent_to("localhost", acceptor, &trust).await;
        assert_eq!((counters.failed.tls, requests.len()), (2, 0));
    });
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    run(async {
        let (ca, acceptor) = certified();
        let trust = Trust::CaFile(ca.path().to_owned());
        let (counters, requests) = sent_to("v2.test", acceptor, &trust).await;
        assert_eq!((counters.failed.tls, requests.len()), (2, 0));
    });
}

#[test]
fn a_certificate_that_is_named_itself_is_accepted_in_its_time_and_for_its_name() {
    run(async {
        let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
        for (is_ca, name, expired, accepted) in [
            (ca(), "localhost", false, true),
            (IsCa::ExplicitNoCa, "localhost", false, true),
            (IsCa::NoCa, "localhost", false, true),
            (ca(), "v2.test", false, false),
            (IsCa::ExplicitNoCa, "v2.test", false, false),
            (ca(), "localhost", true, false),
            (IsCa::ExplicitNoCa, "localhost", true, false),
        ] {
            let what = format!("{is_ca:?} for {name}, expired: {expired}");
            let (file, acceptor) = self_signed(is_ca, name, expired);
            let trust = Trust::CaFile(file.path().to_owned());
            let (counters, _) = sent_to("localhost", acceptor, &trust).await;
            let answered = if accepted { 2 } else { 0 };
            assert_eq!(counters.answered.success, answered, "{what}: {counters:?}");
            assert_eq!(counters.failed.tls, 2 - answered, "{what}: {counters:?}");
        }
        let (file, _) = self_signed(ca(), "localhost", false);
        let (_, another) = self_signed(ca(), "localhost", false);
        let trust = Trust::CaFile(file.path().to_owned());
        let (counters, _) = sent_to("localhost", another, &trust).await;
        assert_eq!(
            counters.failed.tls, 2,
            "one that looks the same: {counters:?}"
        );
    });
}

#[test]
fn who_trusts_anyone_sends_to_anyone() {
    run(async {
        let (_, acceptor) = certified();
        let (counters, requests) = sent_to("127.0.0.1", acceptor, &Trust::Insecure).await;
        assert_eq!((counters.answered.success, requests.len()), (2, 2));
    });
}

#[test]
fn what_cannot_work_is_said_at_once() {
    let missing = Trust::CaFile("/nowhere/ca.pem".into());
    let error = format!("{:#}", tls::client_config(&missing).unwrap_err());
    assert!(error.contains("/nowhere/ca.pem"), "{error}");
    let empty = NamedTempFile::new().unwrap();
    assert!(tls::client_config(&Trust::CaFile(empty.path().to_owned())).is_err());
    let target = "https://v2.test".parse().unwrap();
    let config = DispatchConfig::default();
    let refused = Dispatcher::new(config, vec![target], now, Rc::new(Here)).err();
    let error = format!("{:#}", refused.unwrap());
    assert!(error.contains("https://v2.test"), "{error}");
}
