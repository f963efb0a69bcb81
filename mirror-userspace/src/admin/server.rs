//! The listener: accepts within limits, an end for each connection, one request on each but where it is
//! [kept](Answers::keeps).

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt::SndBuf};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixListener,
    task::{AbortHandle, JoinHandle, JoinSet},
    time,
};

use super::{
    door::{Client, Door},
    limits::{ACCEPT_PAUSE, FIELDS, HEAD_BYTES, Limits, SEND_BUFFER},
    listen::Listen,
    metrics::IstioNames,
    page::{Page, Tuning},
    patience::{Patience, Told},
    question::{self, Questions},
    routes::Routes,
    socket::{self, SocketFile},
    token::TokenFile,
};

/// Where the server listens, and whom it obeys.
#[derive(Clone, Debug, Default)]
pub struct AdminConfig {
    /// The address at which everyone may look. Default: none.
    pub listen: Option<Listen>,
    /// The file with the token of those who may tune at the address, 16 bytes to 4 KiB. It is read
    /// again each time that one is presented. Default: nobody may.
    pub token: Option<PathBuf>,
    /// The address of the page for browsers, at which everyone may look. Default: none.
    pub page: Option<Listen>,
    /// Whether browsers that have the token may change the sample rate on the page. Default: no.
    pub page_tunes: bool,
    /// What v1 and v2 of the flags' rule are called in a mesh, for its graphs. Default: nobody knows.
    pub istio: Option<IstioNames>,
}

/// A listening server. Dropped, it stops, and so do its connections.
#[derive(Debug)]
pub struct Admin {
    routes: Arc<Routes>,
    limits: Limits,
    address: Option<SocketAddr>,
    page_address: Option<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
    sockets: Vec<SocketFile>,
}

impl Admin {
    /// Listens, and serves from the current tokio runtime, whichever kind it is.
    ///
    /// Until someone takes its questions, `/readyz` says 503.
    ///
    /// # Errors
    /// It can't listen, or there is no token where one should be.
    pub async fn start(config: AdminConfig) -> anyhow::Result<(Self, Questions)> {
        Self::within(Limits::default(), config).await
    }

    pub(super) async fn within(
        limits: Limits,
        config: AdminConfig,
    ) -> anyhow::Result<(Self, Questions)> {
        let token = config.token.as_deref().map(TokenFile::open).transpose()?;
        let (asker, questions) = question::channel();
        let mut admin = Self {
            routes: Arc::new(Routes::new(asker, token, limits, config.istio)),
            limits,
            address: None,
            page_address: None,
            tasks: Vec::new(),
            sockets: Vec::new(),
        };
        if let Some(listen) = config.listen {
            let listener = listen
                .listen()
                .await
                .with_context(|| format!("--admin-address {listen}"))?;
            admin.address = Some(listener.local_addr()?);
            admin.serve(listener, Arc::clone(&admin.routes));
        }
        if let Some(listen) = config.page {
            let listener = listen
                .listen()
                .await
                .with_context(|| format!("--ui {listen}"))?;
            // Connections inherit it.
            setsockopt(&listener, SndBuf, &SEND_BUFFER)?;
            admin.page_address = Some(listener.local_addr()?);
            let tuning = match config.page_tunes {
                true => Tuning::Token(admin.routes.token.clone()),
                false => Tuning::Off,
            };
            let page = Arc::new(Page::new(Arc::clone(&admin.routes), limits, tuning));
            admin.tasks.push(tokio::spawn(Arc::clone(&page).watch()));
            admin.serve(listener, page);
        }
        Ok((admin, questions))
    }

    /// Listens at a unix socket as well, where our own user and root may look and tune. It is made
    /// with mode 0600, in a folder that is ours alone (made, with mode 0700, if there is none), and
    /// replaces one of ours that nobody listens at.
    ///
    /// # Errors
    /// There is something else at `path`, or a podmirror that listens; or others may write to the folder.
    pub fn open_socket(&mut self, path: &Path) -> anyhow::Result<()> {
        let (listener, file) = socket::listen_at(path)
            .with_context(|| format!("--admin-socket {}", path.display()))?;
        self.sockets.push(file);
        self.serve(UnixListener::from_std(listener)?, Arc::clone(&self.routes));
        Ok(())
    }

    /// Each way in has connections of its own: nobody from the network keeps out who has the socket.
    fn serve(&mut self, door: impl Door, answers: Arc<impl Answers>) {
        let accepting = accept(door, answers, self.limits);
        self.tasks.push(tokio::spawn(accepting));
    }

    /// Where it listens in the network.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where it has its page for browsers.
    #[must_use]
    pub const fn page_address(&self) -> Option<SocketAddr> {
        self.page_address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.sockets.clear();
    }
}

/// What answers those who come in.
pub(super) trait Answers: Send + Sync + 'static {
    /// What an answer consists of.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers a request. An answer without an end renews the connection's patience with each part of it.
    fn answer(
        &self,
        client: Client,
        request: Request<Incoming>,
        patience: &Arc<Patience>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Whether the connection stays open for another request once this one is answered.
    fn keeps(&self, _client: Client, _request: &Request<Incoming>) -> bool {
        false
    }

    /// A connection had to give way to a newer one.
    fn count_evicted(&self);

    /// A connection was too slow.
    fn count_timed_out(&self);
}

/// Accepts connections, for ever.
pub(super) async fn accept(door: impl Door, answers: Arc<impl Answers>, limits: Limits) {
    let mut connections = JoinSet::new();
    let mut open: Vec<(AbortHandle, Arc<Patience>)> = Vec::new();
    loop {
        let (stream, client) = match door.accept().await {
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
        // Those that are told again and again are bounded for themselves.
        open.retain(|(connection, patience)| !connection.is_finished() && !patience.is_renewed());
        if open.len() >= limits.connections {
            // The one that has asked last at the earliest time.
            let ends = |(_, (_, patience)): &(usize, &(AbortHandle, Arc<Patience>))| patience.end();
            if let Some((oldest, _)) = open.iter().enumerate().min_by_key(ends) {
                let (oldest, _) = open.remove(oldest);
                oldest.abort();
                answers.count_evicted();
            }
        }
        let answers = Arc::clone(&answers);
        let patience = Arc::new(Patience::new(limits.connection_time));
        let ends = Arc::clone(&patience);
        let connection = connections.spawn(async move {
            tokio::select! {
                () = serve(stream, client, &answers, &patience) => {}
                () = patience.lost() => if !patience.is_idle() {
                    answers.count_timed_out();
                },
            }
        });
        open.push((connection, ends));
    }
}

async fn serve<A: Answers>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    client: Client,
    answers: &Arc<A>,
    patience: &Arc<Patience>,
) {
    let service = service_fn(|request| async move {
        let keeps = answers.keeps(client, &request);
        let mut response = answers.answer(client, request, patience).await;
        if keeps {
            patience.begin_again();
        } else {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Ok::<_, Infallible>(response)
    });
    let told = Told {
        stream,
        to: patience,
    };
    let served = http1::Builder::new()
        // The caller bounds the time for all of it.
        .header_read_timeout(None)
        .max_headers(FIELDS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(told), service)
        .await;
    if let Err(error) = served {
        // Theirs, not ours: they sent no request, or left before its answer.
        log::debug!("admin client {client}: {error}");
    }
}
