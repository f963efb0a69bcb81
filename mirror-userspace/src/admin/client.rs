//! The other end of the admin server: what `podmirror set` says to a running podmirror.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use mirror_core::value::Rate;
use tokio::{net::TcpStream, time};

/// How long all of it may take: longer than the server gives itself for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may be: a line for each rule.
const ANSWER_BYTES: usize = 1 << 20;

/// Sets the rate of one rule, or of all, in the podmirror whose admin server is at `address`
/// (`HOST:PORT`). Returns what `GET /sample-rate` does.
///
/// # Errors
/// The server can't be reached, takes longer than ten seconds, or refuses: then with its reason.
pub async fn set_sample_rate(
    address: &str,
    rule: Option<&str>,
    rate: Rate,
) -> anyhow::Result<String> {
    let line = match rule {
        None => rate.to_string(),
        Some(rule) => format!("{rate}\t{rule}"),
    };
    time::timeout(PATIENCE, put(address, "/sample-rate", line))
        .await
        .with_context(|| format!("no answer in {} s", PATIENCE.as_secs()))
        .and_then(|answer| answer)
        .with_context(|| format!("--admin-address {address}"))
}

async fn put(address: &str, path: &str, body: String) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::PUT)
        .uri(path)
        .header(HOST, address)
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), ANSWER_BYTES)
        .collect()
        .await
        .map_err(anyhow::Error::from_boxed)?
        .to_bytes();
    connection.abort();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if !status.is_success() {
        bail!("{status}: {}", answer.trim_end());
    }
    Ok(answer)
}
