//! Servers in HTTP/2.

use std::{cell::RefCell, future::Future, net::SocketAddr, rc::Rc};

use bytes::Bytes;
use h2::{
    RecvStream,
    server::{Builder, SendResponse},
};
use http::{HeaderMap, Request, Response};
use mirror_core::http::h2::{
    PREFACE,
    frame::{FrameHeader, HEADER, Kind},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::spawn_local,
};

use super::super::server::{Peer, Server};

/// A request that the server has read.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) head: Request<()>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
    /// Whether it broke off.
    pub(super) reset: Option<h2::Reason>,
}

/// What a handler has to answer a request.
pub(super) struct Call {
    pub(super) path: String,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) body: RecvStream,
}

/// A server of the `h2` crate.
pub(super) struct H2Server {
    server: Server,
    pub(super) seen: Rc<RefCell<Vec<Seen>>>,
}

impl H2Server {
    /// Reads requests whole and answers them with an empty reply.
    pub(super) async fn answering() -> Self {
        Self::with(&Builder::new(), 200).await
    }

    /// The same with these settings and this status.
    pub(super) async fn with(builder: &Builder, status: u16) -> Self {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (builder, at_server) = (builder.clone(), Rc::clone(&seen));
        let server = Server::start(move |peer| {
            let (builder, seen) = (builder.clone(), Rc::clone(&at_server));
            async move { serve(&builder, peer.stream, seen, status).await }
        })
        .await;
        Self { server, seen }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(super) fn connections(&self) -> usize {
        self.server.seen.connections.get()
    }

    /// The paths of the requests, in the order in which they were complete.
    pub(super) fn paths(&self) -> Vec<String> {
        let seen = self.seen.borrow();
        seen.iter()
            .map(|seen| seen.head.uri().path().to_owned())
            .collect()
    }
}

/// Serves one connection: reads requests whole, and answers each with this status and an empty reply.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    builder: &Builder,
    stream: S,
    seen: Rc<RefCell<Vec<Seen>>>,
    status: u16,
) {
    let Ok(mut h2) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    while let Some(Ok((request, mut respond))) = h2.accept().await {
        let seen = Rc::clone(&seen);
        spawn_local(async move {
            let (head, mut body) = request.into_parts();
            let mut got = Seen {
                head: Request::from_parts(head, ()),
                body: Vec::new(),
                trailers: None,
                reset: None,
            };
            while let Some(chunk) = body.data().await {
                match chunk {
                    Ok(chunk) => {
                        got.body.extend(&chunk);
                        let _gone = body.flow_control().release_capacity(chunk.len());
                    }
                    Err(error) => {
                        got.reset = error.reason();
                        break;
                    }
                }
            }
            if got.reset.is_none() {
                got.trailers = body.trailers().await.ok().flatten();
            }
            seen.borrow_mut().push(got);
            let reply = Response::builder().status(status).body(()).unwrap();
            let _gone = respond.send_response(reply, true);
        });
    }
}

/// A server of the `h2` crate that does with each request what the test says.
pub(super) async fn calls<F: Future<Output = ()> + 'static>(
    handle: impl Fn(Call) -> F + Clone + 'static,
) -> Server {
    Server::start(move |peer| {
        let handle = handle.clone();
        async move {
            let Ok(mut h2) = h2::server::handshake(peer.stream).await else {
                return;
            };
            while let Some(Ok((request, respond))) = h2.accept().await {
                let path = request.uri().path().to_owned();
                let body = request.into_body();
                spawn_local(handle(Call {
                    path,
                    respond,
                    body,
                }));
            }
        }
    })
    .await
}

/// A server's side of a connection, frame by frame.
pub(super) struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Reads the preface; says these settings.
    pub(super) async fn greet(peer: Peer<TcpStream>, settings: &[(u16, u32)]) -> Self {
        let mut stream = peer.stream;
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, PREFACE);
        let mut raw = Self { stream };
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        raw.write(4, 0, 0, &payload).await;
        raw
    }

    /// Reads a frame; `None` if the peer closes.
    pub(super) async fn frame(&mut self) -> Option<(FrameHeader, Vec<u8>)> {
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header).await.ok()?;
        let header = FrameHeader::parse(header);
        let mut payload = vec![0; header.len as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((header, payload))
    }

    /// Reads up to the next frame of this kind.
    pub(super) async fn until(&mut self, kind: Kind) -> Option<(FrameHeader, Vec<u8>)> {
        loop {
            let frame = self.frame().await?;
            if frame.0.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Writes a frame, and does not mind if nobody listens.
    pub(super) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![len[1], len[2], len[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        self.stream.write_all(&bytes).await.is_ok()
    }

    /// Answers a stream with 200 and nothing else.
    pub(super) async fn answer(&mut self, stream: u32) {
        self.write(1, 5, stream, &[0x88]).await;
    }

    pub(super) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(3, 0, stream, &code.to_be_bytes()).await;
    }

    pub(super) async fn goaway(&mut self, last: u32) {
        let payload = [&last.to_be_bytes()[..], &[0; 4]].concat();
        self.write(7, 0, 0, &payload).await;
    }

    /// Reads on until the peer closes.
    pub(super) async fn drain(&mut self) {
        while self.frame().await.is_some() {}
    }
}
