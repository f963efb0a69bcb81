//! The other end of the admin server: what `podmirror set`, `verdict` and `top` say to a running podmirror.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    client::conn::http1,
    header::{CONNECTION, HOST},
};
use hyper_util::rt::TokioIo;
use mirror_core::value::Rate;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
    time,
};

use super::{
    question::NOTHING_ATTACHED,
    token::{TOKEN, TokenFile},
};

/// How long all of it may take: longer than the server gives itself for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may be: verdicts on many groups with their counts are some megabytes.
const ANSWER_BYTES: usize = 32 << 20;

/// Whom a port-forward leads to: what is told to this machine only is told to this name.
const LOCALHOST: &str = "localhost";

/// Where a podmirror is tuned, and asked.
#[derive(Clone, Debug)]
pub enum Server {
    /// At its unix socket.
    Socket(PathBuf),
    /// At `HOST:PORT`, with the token in this file, which tuning takes.
    Network(String, Option<PathBuf>),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "--admin-socket {}", path.display()),
            Self::Network(address, _) => write!(f, "--admin-address {address}"),
        }
    }
}

/// Asks the admin server at the other end of a connection, such as a port-forward. Returns the status and the body.
///
/// # Errors
/// The connection ends, the answer is too long, or the token can't be read.
pub async fn ask_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    question: Over<'_>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let (method, path, body, token) = match question {
        Over::Get(path) => (Method::GET, path, String::new(), None),
        Over::SetSampleRate(rule, rate, token) => {
            (Method::PUT, "/sample-rate", line(rule, rate), Some(token))
        }
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, LOCALHOST);
    if let Some(token) = token {
        request = request.header(TOKEN, TokenFile::open(token)?.read()?);
    }
    exchange(stream, request.body(Full::new(Bytes::from(body)))?).await
}

/// A connection to an admin server, such as a port-forward, on which one question follows another. Dropped, it ends.
pub struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Line {
    /// Begins to speak HTTP.
    ///
    /// # Errors
    /// The connection ends.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            connection: tokio::spawn(connection),
        })
    }

    /// What is at a path: the status and the body. The server is told that there will be more to ask.
    ///
    /// # Errors
    /// The connection ends, or the answer is too long.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::get(path)
            .header(HOST, LOCALHOST)
            .header(CONNECTION, "keep-alive");
        self.exchange(request.body(Full::default())?).await
    }

    /// Whether the server keeps it for another question, as far as it says by now.
    pub async fn is_kept(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), ANSWER_BYTES).collect();
        let answer = answer.await.map_err(anyhow::Error::from_boxed)?;
        Ok((status, answer.to_bytes()))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What is asked over a connection.
#[derive(Clone, Copy, Debug)]
pub enum Over<'a> {
    /// What is at this path.
    Get(&'a str),
    /// This rate for one rule, or for all, with the token in this file.
    SetSampleRate(Option<&'a str>, Rate, &'a Path),
}

/// Sets the rate of one rule, or of all, in the podmirror that listens there. Returns what
/// `GET /sample-rate` does.
///
/// # Errors
/// The server can't be reached, takes longer than ten seconds, or refuses: then with its reason.
pub async fn set_sample_rate(
    server: &Server,
    rule: Option<&str>,
    rate: Rate,
) -> anyhow::Result<String> {
    let line = line(rule, rate);
    let (status, answer) = ask(server, Method::PUT, "/sample-rate", line).await?;
    if !status.is_success() {
        bail!("{server}: {status}: {}", answer.trim_end());
    }
    Ok(answer)
}

/// Whether the podmirror that listens there mirrors nothing at present, as far as it says.
pub async fn is_idle(server: &Server) -> bool {
    let asked = ask(server, Method::GET, "/readyz", String::new()).await;
    asked.is_ok_and(|(_, answer)| answer.contains(NOTHING_ATTACHED))
}

/// What `GET /verdict` says, whatever it is.
///
/// # Errors
/// The server can't be reached, takes longer than ten seconds, or has no verdict: then with its reason.
pub async fn verdict(server: &Server) -> anyhow::Result<String> {
    let (status, answer) = ask(server, Method::GET, "/verdict", String::new()).await?;
    match status {
        StatusCode::OK | StatusCode::CONFLICT | StatusCode::TOO_EARLY => Ok(answer),
        _ => bail!("{server}: {status}: {}", answer.trim_end()),
    }
}

/// What `GET /ledger` says.
///
/// # Errors
/// The server can't be reached, takes longer than ten seconds, or can't say: then with its reason.
pub async fn ledger(server: &Server) -> anyhow::Result<String> {
    let (status, answer) = ask(server, Method::GET, "/ledger", String::new()).await?;
    if !status.is_success() {
        bail!("{server}: {status}: {}", answer.trim_end());
    }
    Ok(answer)
}

/// What `GET /lost` or `/lost.pcapng` says, with this query.
///
/// # Errors
/// The server can't be reached, takes longer than ten seconds, or does not say: then with its reason.
pub async fn lost(server: &Server, path: &str) -> anyhow::Result<Bytes> {
    let asked = time::timeout(PATIENCE, send(server, Method::GET, path, String::new()));
    let (status, answer) = asked
        .await
        .with_context(|| format!("no answer in {} s", PATIENCE.as_secs()))
        .and_then(|answer| answer)
        .with_context(|| server.to_string())?;
    match status {
        StatusCode::OK => Ok(answer),
        StatusCode::NOT_FOUND => bail!("{server}: this podmirror is too old to tell of losses"),
        _ => bail!(
            "{server}: {status}: {}",
            String::from_utf8_lossy(&answer).trim_end()
        ),
    }
}

/// What `GET /differences` says; `None` to those who may not see it, and of a podmirror that does not know it.
///
/// # Errors
/// The server can't be reached, takes longer than ten seconds, or can't say: then with its reason.
pub async fn differences(server: &Server) -> anyhow::Result<Option<String>> {
    let (status, answer) = ask(server, Method::GET, "/differences", String::new()).await?;
    match status {
        StatusCode::OK => Ok(Some(answer)),
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST | StatusCode::NOT_FOUND => Ok(None),
        _ => bail!("{server}: {status}: {}", answer.trim_end()),
    }
}

fn line(rule: Option<&str>, rate: Rate) -> String {
    match rule {
        None => rate.to_string(),
        Some(rule) => format!("{rate}\t{rule}"),
    }
}

async fn ask(
    server: &Server,
    method: Method,
    path: &str,
    body: String,
) -> anyhow::Result<(StatusCode, String)> {
    let answer = time::timeout(PATIENCE, send(server, method, path, body))
        .await
        .with_context(|| format!("no answer in {} s", PATIENCE.as_secs()))
        .and_then(|answer| answer)
        .with_context(|| server.to_string());
    answer.map(|(status, answer)| (status, String::from_utf8_lossy(&answer).into_owned()))
}

async fn send(
    server: &Server,
    method: Method,
    path: &str,
    body: String,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let request = Request::builder().method(method).uri(path);
    let body = Full::new(Bytes::from(body));
    match server {
        Server::Socket(socket) => {
            let request = request.header(HOST, "podmirror").body(body)?;
            let stream = UnixStream::connect(socket).await;
            exchange(stream.context("is a podmirror running here?")?, request).await
        }
        Server::Network(address, token) => {
            let mut request = request.header(HOST, address);
            if let Some(token) = token {
                request = request.header(TOKEN, TokenFile::open(Path::new(token))?.read()?);
            }
            exchange(TcpStream::connect(address).await?, request.body(body)?).await
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    Line::over(stream).await?.exchange(request).await
}
