//! TLS in front of the API server: what a pod finds where its service account leads it.

use std::{net::SocketAddr, sync::Arc};

use cluster_lab::Node;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

/// It listens as long as this value exists.
pub(crate) struct Front {
    /// The port of the node that it listens at.
    pub(crate) port: u16,
    /// The certificate that a client has to trust.
    pub(crate) certificate: String,
    _runtime: Runtime,
}

impl Front {
    /// Listens on the node, and hands everything on to `server`, in our own network.
    pub(crate) fn start(node: &Node, server: SocketAddr) -> Self {
        let names = vec![Node::ADDRESS.to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let listener = node
            .namespace()
            .run(|| std::net::TcpListener::bind(everywhere));
        let listener = listener.unwrap().unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(stream).await?;
                    let mut server = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self {
            port,
            certificate: made.cert.pem(),
            _runtime: runtime,
        }
    }
}
