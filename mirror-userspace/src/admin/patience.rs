//! How long a connection may go on without getting anywhere.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{self, Instant},
};

/// The end of a connection, which is put off whenever its client has taken a part of an answer that has no
/// end, and whenever it is kept for another request. Other connections have one time for all.
#[derive(Debug)]
pub(super) struct Patience {
    time: Duration,
    ends: Mutex<Ends>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    at: Instant,
    renewed: bool,
    stage: Stage,
}

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A request, from its first byte on, or its answer.
    Busy,
    /// The answer of a request after which it is kept, of which something is not sent yet.
    Answered,
    /// Nothing: there may be another request.
    Idle,
}

impl Patience {
    /// Patience for so long.
    pub(super) fn new(time: Duration) -> Self {
        let ends = Ends {
            at: Instant::now() + time,
            renewed: false,
            stage: Stage::Busy,
        };
        Self {
            time,
            ends: Mutex::new(ends),
        }
    }

    /// From now on anew.
    pub(super) fn renew(&self) {
        self.put_off(true, Stage::Busy);
    }

    /// There is an answer, and time for it and for the next request.
    pub(super) fn begin_again(&self) {
        self.put_off(false, Stage::Answered);
    }

    fn put_off(&self, renewed: bool, stage: Stage) {
        let ends = Ends {
            at: Instant::now() + self.time,
            renewed,
            stage,
        };
        *self.lock() = ends;
    }

    /// Something of a request has come.
    pub(super) fn received(&self) {
        self.lock().stage = Stage::Busy;
    }

    /// Something is sent.
    pub(super) fn sends(&self) {
        self.go(Stage::Idle, Stage::Answered);
    }

    /// All is sent that there is by now.
    pub(super) fn sent(&self) {
        self.go(Stage::Answered, Stage::Idle);
    }

    fn go(&self, from: Stage, to: Stage) {
        let mut ends = self.lock();
        if ends.stage == from {
            ends.stage = to;
        }
    }

    /// Whether nothing but another request is waited for: to let go of it is no harm.
    pub(super) fn is_idle(&self) -> bool {
        self.ends().stage == Stage::Idle
    }

    /// When it is lost, if nothing puts that off.
    pub(super) fn end(&self) -> Instant {
        self.ends().at
    }

    /// Whether it has ever been renewed: the answer has no end.
    pub(super) fn is_renewed(&self) -> bool {
        self.ends().renewed
    }

    /// Returns when it is lost.
    pub(super) async fn lost(&self) {
        let mut at = self.ends().at;
        loop {
            time::sleep_until(at).await;
            let now = self.ends().at;
            if now <= at {
                return;
            }
            at = now;
        }
    }

    fn ends(&self) -> Ends {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that tells what goes over it.
pub(super) struct Told<'a, S> {
    pub(super) stream: S,
    pub(super) to: &'a Patience,
}

impl<S: AsyncRead + Unpin> AsyncRead for Told<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.to.received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Told<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.to.sends();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.to.sends();
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.to.sent();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn idle_is_from_the_last_byte_of_an_answer_to_the_first_of_a_request() {
        let patience = Patience::new(Duration::from_secs(1));
        let (stream, mut client) = duplex(4);
        let mut told = Told {
            stream,
            to: &patience,
        };
        told.flush().await.unwrap();
        assert!(!patience.is_idle(), "there was no request");
        patience.begin_again();
        assert!(!patience.is_idle(), "nothing is sent");
        told.write_all(b"head").await.unwrap();
        told.flush().await.unwrap();
        assert!(patience.is_idle());
        let full = time::timeout(Duration::from_millis(10), told.write_all(b"body")).await;
        assert!(full.is_err() && !patience.is_idle(), "nobody takes it");
        client.read_exact(&mut [0; 4]).await.unwrap();
        told.write_all(b"body").await.unwrap();
        told.flush().await.unwrap();
        assert!(patience.is_idle());
        client.write_all(b"G").await.unwrap();
        told.read_exact(&mut [0]).await.unwrap();
        assert!(!patience.is_idle(), "a request");
        told.flush().await.unwrap();
        assert!(!patience.is_idle());
    }
}
