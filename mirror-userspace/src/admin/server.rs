//! The listener: accepts within limits, one request a connection, an end for each.

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinHandle, JoinSet},
    time,
};

use super::{
    limits::{ACCEPT_PAUSE, FIELDS, HEAD_BYTES, Limits},
    listen::Listen,
    question::{self, Questions},
    routes::Routes,
};

/// Where the server listens, and whom it obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Its address.
    pub listen: Listen,
    /// Who may change the sample rate.
    pub tuning: TuneFrom,
}

/// Who may change the sample rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TuneFrom {
    /// Clients at 127.0.0.1 and ::1, which are those in the same pod: `kubectl exec` and
    /// `kubectl port-forward`, whose users the API server has authorised. Not all of 127.0.0.0/8: a
    /// mesh's sidecar passes remote clients on from 127.0.0.6.
    #[default]
    Loopback,
    /// Everyone who can connect.
    Anywhere,
}

/// A listening server. Dropped, it stops, and so do its connections.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Admin {
    /// Listens, and serves from the current tokio runtime, whichever kind it is.
    ///
    /// Until someone takes its questions, `/readyz` says 503.
    ///
    /// # Errors
    /// The address can't be listened at.
    pub async fn start(config: AdminConfig) -> anyhow::Result<(Self, Questions)> {
        Self::within(Limits::default(), config).await
    }

    pub(super) async fn within(
        limits: Limits,
        config: AdminConfig,
    ) -> anyhow::Result<(Self, Questions)> {
        let listen = config.listen;
        let listener = listen
            .listen()
            .await
            .with_context(|| format!("--admin-address {listen}"))?;
        let address = listener.local_addr()?;
        let (asker, questions) = question::channel();
        let routes = Arc::new(Routes::new(asker, config.tuning, limits));
        let task = tokio::spawn(accept(listener, routes, limits));
        Ok((Self { address, task }, questions))
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, routes: Arc<Routes>, limits: Limits) {
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The client's own doing, accept(2): the next one may be fine.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                log::warn!("admin server: {error}");
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() >= limits.connections
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
            routes.count_evicted();
        }
        let routes = Arc::clone(&routes);
        oldest_first.push_back(connections.spawn(async move {
            let served = serve(stream, peer, &routes);
            if time::timeout(limits.connection_time, served).await.is_err() {
                routes.count_timed_out();
            }
        }));
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, routes: &Arc<Routes>) {
    let service = service_fn(|request| {
        let routes = Arc::clone(routes);
        async move { routes.answer(peer.ip().to_canonical(), request).await }
    });
    let served = http1::Builder::new()
        // The caller bounds the time for all of it.
        .header_read_timeout(None)
        .keep_alive(false)
        .max_headers(FIELDS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        // Theirs, not ours: they sent no request, or left before its answer.
        log::debug!("admin client {peer}: {error}");
    }
}
