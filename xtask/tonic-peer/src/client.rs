//! Calls of each kind.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

use crate::codec::Raw;

/// How long a call may take: a broken test should end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes `count` calls of one kind on one connection, one after the other; how many were answered as they should be.
///
/// # Errors
///
/// When there is no connection, no such scene, or a call fails.
pub(crate) async fn play(target: &str, scene: &str, count: u64) -> Result<u64> {
    let endpoint = Endpoint::from_shared(format!("http://{target}"))?;
    let channel = endpoint.connect().await.context("connecting")?;
    let mut well = 0;
    for number in 0..count {
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await?;
        let right = match scene {
            "unary" => unary(&mut grpc, number).await,
            "collect" => collect(&mut grpc, number).await,
            "expand" => expand(&mut grpc, number).await,
            "chat" => chat(&mut grpc, number).await,
            _ => bail!("no scene {scene}"),
        };
        well += u64::from(right.with_context(|| format!("call {number}"))?);
    }
    Ok(well)
}

fn path(method: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(method)
}

fn message(number: u64, len: usize) -> Bytes {
    let pattern = format!("{number:08}");
    pattern.bytes().cycle().take(len).collect()
}

fn request<T>(number: u64, content: T) -> Request<T> {
    let mut request = Request::new(content);
    request.set_timeout(PATIENCE);
    let metadata = request.metadata_mut();
    metadata.insert("x-number", number.into());
    metadata.append("x-twice", MetadataValue::from_static("a"));
    metadata.append("x-twice", MetadataValue::from_static("b"));
    let all: Vec<u8> = (0..=255).collect();
    metadata.insert_bin("x-blob-bin", MetadataValue::from_bytes(&all));
    request
}

async fn unary(grpc: &mut Grpc<Channel>, number: u64) -> Result<bool, Status> {
    let sent = message(number, 1_000);
    let request = request(number, sent.clone());
    let reply = grpc.unary(request, path("/lab.Echo/Unary"), Raw).await?;
    Ok(reply.into_inner() == sent)
}

async fn collect(grpc: &mut Grpc<Channel>, number: u64) -> Result<bool, Status> {
    let messages = tokio_stream::iter((0..20).map(|n| message(n, 100)));
    let request = request(number, messages);
    let reply = grpc.client_streaming(request, path("/lab.Echo/Collect"), Raw);
    Ok(reply.await?.into_inner().len() == 8)
}

async fn expand(grpc: &mut Grpc<Channel>, number: u64) -> Result<bool, Status> {
    let request = request(number, message(number, 1_000));
    let reply = grpc.server_streaming(request, path("/lab.Echo/Expand"), Raw);
    let mut messages = reply.await?.into_inner();
    let mut count = 0;
    while messages.message().await?.is_some() {
        count += 1;
    }
    Ok(count == 10)
}

/// Each message waits for the answer to the one before.
async fn chat(grpc: &mut Grpc<Channel>, number: u64) -> Result<bool, Status> {
    let (say, said) = mpsc::channel(1);
    let closed = |_| Status::unavailable("the call is over");
    say.send(message(number, 10)).await.map_err(closed)?;
    let request = request(number, ReceiverStream::new(said));
    let reply = grpc.streaming(request, path("/lab.Echo/Chat"), Raw);
    let mut heard = reply.await?.into_inner();
    for round in 0..10 {
        let Some(answer) = heard.next().await.transpose()? else {
            return Ok(false);
        };
        if answer != message(number + round, 10) {
            return Ok(false);
        }
        if round < 9 {
            let next = message(number + round + 1, 10);
            say.send(next).await.map_err(closed)?;
        }
    }
    drop(say);
    Ok(heard.next().await.is_none())
}
