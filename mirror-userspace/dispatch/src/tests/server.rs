//! Servers that do exactly what a test says, and remember what they read.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, spawn_local},
    time::{sleep, timeout},
};

/// What a server saw.
#[derive(Default)]
pub(super) struct Seen {
    /// The requests, in the order in which they were complete.
    pub(super) requests: RefCell<Vec<Vec<u8>>>,
    /// Connections that the server has accepted.
    pub(super) connections: Cell<usize>,
    /// Requests read and not answered yet, and the most there ever were.
    pub(super) open: Cell<usize>,
    pub(super) most_open: Cell<usize>,
}

impl Seen {
    pub(super) fn texts(&self) -> Vec<String> {
        let requests = self.requests.borrow();
        requests
            .iter()
            .map(|request| String::from_utf8_lossy(request).into())
            .collect()
    }
}

/// A server on loopback; it ends, with its connections, when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) seen: Rc<Seen>,
    tasks: Rc<RefCell<Vec<JoinHandle<()>>>>,
}

impl Server {
    /// Serves each connection as `serve` says.
    pub(super) async fn start<F: Future<Output = ()> + 'static>(
        serve: impl Fn(Peer<TcpStream>) -> F + 'static,
    ) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), serve).await
    }

    pub(super) async fn start_at<F: Future<Output = ()> + 'static>(
        address: SocketAddr,
        serve: impl Fn(Peer<TcpStream>) -> F + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Rc::new(Seen::default());
        let tasks = Rc::new(RefCell::new(Vec::new()));
        let accept = {
            let (seen, tasks) = (Rc::clone(&seen), Rc::clone(&tasks));
            spawn_local(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    // Else pipelined replies wait for acknowledgements.
                    stream.set_nodelay(true).unwrap();
                    seen.connections.set(seen.connections.get() + 1);
                    let serving = spawn_local(serve(Peer::new(stream, Rc::clone(&seen))));
                    tasks.borrow_mut().push(serving);
                }
            })
        };
        tasks.borrow_mut().push(accept);
        Self {
            address,
            seen,
            tasks,
        }
    }

    /// Answers every request with `reply`.
    pub(super) async fn answering(reply: &'static str) -> Self {
        Self::answering_at(([127, 0, 0, 1], 0).into(), reply).await
    }

    pub(super) async fn answering_at(address: SocketAddr, reply: &'static str) -> Self {
        Self::start_at(address, move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.reply(reply).await;
            }
        })
        .await
    }

    /// Answers every request with `reply` after a while.
    pub(super) async fn answering_late(reply: &'static str) -> Self {
        Self::start(move |mut peer| async move {
            while peer.request().await.is_some() {
                sleep(Duration::from_millis(1)).await;
                peer.reply(reply).await;
            }
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in self.tasks.take() {
            task.abort();
        }
    }
}

/// The server's side of one connection.
pub(super) struct Peer<S> {
    pub(super) stream: S,
    pub(super) seen: Rc<Seen>,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(super) fn new(stream: S, seen: Rc<Seen>) -> Self {
        Self {
            stream,
            seen,
            read: Vec::new(),
        }
    }

    /// Reads a request: a head and a body of its Content-Length. `None` if the client closes.
    pub(super) async fn request(&mut self) -> Option<Vec<u8>> {
        let head = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let text = String::from_utf8_lossy(&self.read[..head]).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1);
        let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        while self.read.len() < head + length {
            self.more().await?;
        }
        let rest = self.read.split_off(head + length);
        let request = std::mem::replace(&mut self.read, rest);
        let seen = &self.seen;
        seen.requests.borrow_mut().push(request.clone());
        seen.open.set(seen.open.get() + 1);
        seen.most_open
            .set(seen.most_open.get().max(seen.open.get()));
        Some(request)
    }

    /// The next request, if it is here; does not wait for one.
    pub(super) async fn next_that_is_here(&mut self) -> Option<Vec<u8>> {
        let next = timeout(Duration::ZERO, self.request());
        next.await.ok().flatten()
    }

    /// Reads more into the buffer; `None` at the end.
    pub(super) async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.read).await.ok()?;
        (read > 0).then_some(())
    }

    /// All that was read of a request that is not complete.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.read
    }

    pub(super) async fn reply(&mut self, text: &str) {
        self.seen.open.set(self.seen.open.get() - 1);
        self.write(text).await;
    }

    /// Writes, and does not mind if nobody listens.
    pub(super) async fn write(&mut self, text: &str) -> bool {
        self.stream.write_all(text.as_bytes()).await.is_ok() && self.stream.flush().await.is_ok()
    }
}
