//! The container runtime interface, spoken to containerd as a kubelet does.
//!
//! gRPC over a Unix socket, without a gRPC library: a call is an HTTP/2 request whose body is one message
//! after a prefix of five bytes, and the status is in the trailers. Code generated from the interface's
//! definition would need `protoc` wherever this workspace is built.

pub(crate) mod messages;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::UnixStream, runtime::Runtime};

/// A client of a container runtime, at its socket.
#[derive(Debug)]
pub(crate) struct Cri {
    socket: PathBuf,
    runtime: Runtime,
}

impl Cri {
    pub(crate) fn at(socket: &Path) -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        Ok(Self {
            socket: socket.to_owned(),
            runtime: builder.enable_all().build()?,
        })
    }

    /// Calls a method of the service `RuntimeService`.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the runtime refuses: with its words.
    pub(crate) fn call<R: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<R> {
        self.runtime
            .block_on(self.exchange(method, request))
            .with_context(|| format!("CRI: {method}"))
    }

    /// One connection per call: calls are rare, so no connection has to be kept alive in between.
    async fn exchange<R: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> Result<R> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::post(format!("http://cri/runtime.v1.RuntimeService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(frame(request)?))?;
        let response = sender.send_request(request).await?;
        // Without a message, the status is among the header fields.
        let in_head = response.headers().clone();
        let body = response.into_body().collect().await?;
        let status = |name: &str| {
            let trailers = body.trailers();
            let value = trailers.and_then(|trailers| trailers.get(name));
            let value = value.or_else(|| in_head.get(name))?;
            Some(value.to_str().ok()?.to_owned())
        };
        let code = status("grpc-status").context("a reply without grpc-status")?;
        if code != "0" {
            let why = status("grpc-message").unwrap_or_default();
            bail!("status {code}: {why}");
        }
        connection.abort();
        let body = body.to_bytes();
        let message = body.get(5..).context("a reply without a message")?;
        Ok(R::decode(message)?)
    }
}

/// Not compressed, and its length.
fn frame(message: &impl Message) -> Result<Bytes> {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(5 + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length)?);
    message.encode(&mut frame)?;
    Ok(frame.freeze())
}
