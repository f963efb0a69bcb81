//! The task of one connection: it opens it, moves bytes, and closes it.
//!
//! Copies are written straight from the pieces that they came in; replies are read into the shard's
//! scratch and forgotten; what is long of a body is discarded where it is, in the socket. A small request on a connection in use costs one write and one read;
//! several that follow each other on it share them.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use mirror_core::segment::Time;
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv},
};
use tokio::{io::ReadBuf, net::TcpStream};

use super::{
    SCRATCH, Shell,
    connect::{Socket, Transport, connect},
    discard::poll_discard,
};
use crate::{
    ids::LinkId,
    pool::{Pool, Work},
};

/// Pieces that one system call writes, at most.
const PIECES: usize = 16;

/// Opens a connection, sends what it is given, and goes on until it is closed.
pub(super) async fn run(shell: Rc<Shell>, link: LinkId, endpoint: SocketAddr) {
    match connect(&shell, link, endpoint).await {
        Ok(Socket::Plain(stream)) => serve(&shell, link, stream).await,
        Ok(Socket::Tls(stream)) => serve(&shell, link, *stream).await,
        Err(why) => shell.tell(|pool, now| pool.handle_unconnected(now, link, why)),
    }
    shell.forget(link);
    shell.tell(|pool, now| pool.handle_closed(now, link));
}

async fn serve<S: Transport>(shell: &Rc<Shell>, link: LinkId, stream: S) {
    let now = shell.now();
    shell.tell(|pool, _| pool.handle_connected(now, link));
    let mut connection = Connection {
        shell,
        link,
        stream,
        now: Some(now),
    };
    poll_fn(|cx| connection.poll(cx)).await;
}

struct Connection<'a, S> {
    shell: &'a Rc<Shell>,
    link: LinkId,
    stream: S,
    /// The clock as it was read since something happened.
    now: Option<Time>,
}

impl<S: Transport> Connection<'_, S> {
    /// Goes on until there is nothing to do but wait, or to close.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shell = self.shell;
        shell.listen(cx, self.link);
        let pool = &mut *shell.pool.borrow_mut();
        let done = self.work(pool, cx);
        shell.act(pool, Some(self.link));
        done
    }

    fn work(&mut self, pool: &mut Pool, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match pool.work(self.link) {
                Work::Exchange => {
                    let wrote = self.write(pool, cx);
                    if !wrote || pool.work(self.link) == Work::Exchange {
                        // What follows happens later than what was written.
                        self.now = None;
                        ready!(self.poll_read(pool, cx));
                    }
                }
                Work::Settle => {
                    let now = self.now();
                    pool.settle(now, self.link);
                }
                Work::Rest { given } => {
                    self.now = None;
                    // Targets close idle connections when they like, and a copy sent then would be
                    // lost.
                    if self.poll_read(pool, cx).is_ready() {
                        continue;
                    }
                    if !given {
                        return Poll::Pending;
                    }
                    match unread(self.stream.socket()) {
                        Unread::Nothing => {
                            let now = self.now();
                            pool.handle_awake(now, self.link);
                        }
                        // A session ticket, or that it is closed: the runtime is about to hear of it.
                        // In HTTP/2 it may say something at any time.
                        Unread::Bytes if S::ENCRYPTED || pool.is_http2(self.link) => {
                            return Poll::Pending;
                        }
                        // Nobody asked for a reply: it is the target's last word.
                        Unread::Bytes | Unread::End => {
                            let now = self.now();
                            pool.handle_eof(now, self.link);
                        }
                    }
                }
                Work::Connect | Work::Close => return Poll::Ready(()),
            }
        }
    }

    /// Writes what there is, until the target or the source makes it wait. Whether there was
    /// anything.
    fn write(&mut self, pool: &mut Pool, cx: &mut Context<'_>) -> bool {
        let mut wrote = false;
        while pool.has_bytes(self.link) {
            wrote = true;
            match self.poll_write(pool, cx) {
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    let now = self.now();
                    pool.handle_written(now, self.link, bytes);
                }
                Poll::Ready(_) => pool.handle_unwritable(self.link),
                Poll::Pending => {
                    let now = self.now();
                    pool.handle_blocked(now, self.link);
                    break;
                }
            }
        }
        if pool.is_unflushed(self.link) {
            wrote = true;
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    let now = self.now();
                    pool.handle_flushed(now, self.link);
                }
                Poll::Ready(Err(_)) => pool.handle_unwritable(self.link),
                Poll::Pending => {}
            }
        }
        wrote
    }

    fn poll_write(&mut self, pool: &Pool, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let filled = pool.fill(self.link, &mut slices);
        let stream = Pin::new(&mut self.stream);
        match slices.get(..filled).unwrap_or_default() {
            [single] => stream.poll_write(cx, single),
            several => stream.poll_write_vectored(cx, several),
        }
    }

    /// Reads what the socket has, once, and hands it to the pool.
    fn poll_read(&mut self, pool: &mut Pool, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = self.shell.scratch.borrow_mut();
        if !S::ENCRYPTED {
            let unread = usize::try_from(pool.discardable(self.link)).unwrap_or(usize::MAX);
            // What fits into one read comes with what follows it.
            if unread >= SCRATCH {
                let room = unread.min(scratch.len());
                let room = scratch.get_mut(..room).unwrap_or_default();
                return self.poll_discard(pool, cx, room);
            }
        }
        let mut buffer = ReadBuf::new(scratch.get_mut(..SCRATCH).unwrap_or_default());
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        let now = self.now();
        match (read, buffer.filled()) {
            (Ok(()), []) => pool.handle_eof(now, self.link),
            (Ok(()), bytes) => pool.handle_read(now, self.link, bytes),
            // A TLS peer that closes without saying so: the same as without TLS.
            (Err(error), _) if error.kind() == io::ErrorKind::UnexpectedEof => {
                pool.handle_eof(now, self.link);
            }
            (Err(_), _) => pool.handle_reset(now, self.link),
        }
        Poll::Ready(())
    }

    /// Discards what the socket has of a body that nobody looks at, once, and tells the pool.
    fn poll_discard(&mut self, pool: &mut Pool, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<()> {
        let discarded = ready!(poll_discard(self.stream.socket(), cx, room));
        let now = self.now();
        match discarded {
            Ok(0) => pool.handle_eof(now, self.link),
            Ok(bytes) => pool.handle_discarded(now, self.link, bytes as u64),
            Err(_) => pool.handle_reset(now, self.link),
        }
        Poll::Ready(())
    }

    fn now(&mut self) -> Time {
        *self.now.get_or_insert_with(|| self.shell.now())
    }
}

/// What lies unread in a connection.
enum Unread {
    Nothing,
    Bytes,
    /// It is closed, or broken.
    End,
}

/// What lies unread in a connection that rests: the runtime may not have heard of it yet.
fn unread(socket: &TcpStream) -> Unread {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    match recv(socket.as_raw_fd(), &mut [0], flags) {
        Err(Errno::EAGAIN) => Unread::Nothing,
        Ok(1..) => Unread::Bytes,
        Ok(0) | Err(_) => Unread::End,
    }
}
