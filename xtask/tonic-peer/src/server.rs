//! An echo that writes down what it serves.

use std::{
    convert::Infallible,
    fmt::Write as _,
    fs::{File, OpenOptions},
    future::ready,
    io::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::{BoxFuture, Service, http},
    metadata::{KeyAndValueRef, MetadataMap},
    server::Grpc,
    transport::Server,
};
use tower::service_fn;

use crate::codec::Raw;

/// Serves for ever; connections end after so many milliseconds, if that is not 0.
///
/// # Errors
///
/// When the file cannot be written, or the address is taken.
pub(crate) async fn run(address: SocketAddr, file: &str, age: u64) -> Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(file)?;
    let mut server = Server::builder();
    if age > 0 {
        server = server.max_connection_age(Duration::from_millis(age));
    }
    let echo = Echo(Arc::new(Mutex::new(file)));
    Ok(server.serve(address, echo).await?)
}

#[derive(Clone, Debug)]
struct Echo(Arc<Mutex<File>>);

impl Echo {
    /// Writes a call down as the lab's server on grpcio does.
    fn record(&self, method: &str, metadata: &MetadataMap, messages: &[Bytes]) {
        let mut fields = fields(metadata);
        fields.sort();
        let hashes: Vec<_> = messages.iter().map(|message| hash(message)).collect();
        let line = json!({"method": method, "metadata": fields, "messages": hashes});
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{line}") {
            eprintln!("{error}");
        }
    }
}

/// What the application sees of a call: not the fields that are gRPC's own. Binary values are shown as Latin-1.
fn fields(metadata: &MetadataMap) -> Vec<(String, String)> {
    let all = metadata.iter().map(|field| match field {
        KeyAndValueRef::Ascii(name, value) => {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        }
        KeyAndValueRef::Binary(name, value) => {
            let bytes = value.to_bytes().unwrap_or_default();
            let value = bytes.iter().copied().map(char::from).collect();
            (name.as_str().to_owned(), value)
        }
    });
    let own = |name: &str| name.starts_with("grpc-") || matches!(name, "te" | "content-type");
    all.filter(|(name, _)| !own(name)).collect()
}

fn hash(message: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(message) {
        // A string takes all.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

async fn collected(mut messages: Streaming<Bytes>) -> Result<Vec<Bytes>, Status> {
    let mut all = Vec::new();
    while let Some(message) = messages.message().await? {
        all.push(message);
    }
    Ok(all)
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        let mut grpc = Grpc::new(Raw);
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            Ok(match path.rsplit('/').next() {
                Some("Unary") => {
                    let serve = service_fn(move |request: Request<Bytes>| {
                        let (metadata, _, message) = request.into_parts();
                        echo.record("Unary", &metadata, std::slice::from_ref(&message));
                        ready(Ok::<_, Status>(Response::new(message)))
                    });
                    grpc.unary(serve, request).await
                }
                Some("Collect") => {
                    let serve = service_fn(move |request: Request<Streaming<Bytes>>| {
                        let echo = echo.clone();
                        async move {
                            let (metadata, _, messages) = request.into_parts();
                            let all = collected(messages).await?;
                            echo.record("Collect", &metadata, &all);
                            let len = all.iter().map(Bytes::len).sum::<usize>() as u64;
                            let len = Bytes::copy_from_slice(&len.to_be_bytes());
                            Ok::<_, Status>(Response::new(len))
                        }
                    });
                    grpc.client_streaming(serve, request).await
                }
                Some("Expand") => {
                    let serve = service_fn(move |request: Request<Bytes>| {
                        let (metadata, _, message) = request.into_parts();
                        echo.record("Expand", &metadata, std::slice::from_ref(&message));
                        let messages = tokio_stream::iter(vec![Ok(message); 10]);
                        ready(Ok::<_, Status>(Response::new(messages)))
                    });
                    grpc.server_streaming(serve, request).await
                }
                Some("Chat") => {
                    let serve = service_fn(move |request: Request<Streaming<Bytes>>| {
                        ready(Ok::<_, Status>(chat(echo.clone(), request)))
                    });
                    grpc.streaming(serve, request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// Answers each message as it comes.
fn chat(
    echo: Echo,
    request: Request<Streaming<Bytes>>,
) -> Response<ReceiverStream<Result<Bytes, Status>>> {
    let (say, said) = mpsc::channel(1);
    let (metadata, _, mut messages) = request.into_parts();
    tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Ok(Some(message)) = messages.message().await {
            heard.push(message.clone());
            if say.send(Ok(message)).await.is_err() {
                return;
            }
        }
        echo.record("Chat", &metadata, &heard);
    });
    Response::new(ReceiverStream::new(said))
}
