//! The task of one pooled connection: connects, then sends copies and reads their replies.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use mirror_core::segment::Time;
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::{
    exchange::{Exchange, Left},
    outcome::{Failure, Outcome},
    seat::{Seat, Stop},
};
use crate::upstream::Target;

/// Most addresses that are tried for one connection.
const ATTEMPTS: usize = 3;

/// Opens the connection of `seat`, and sends the copies that it is given until it is closed.
pub(super) async fn run(target: Rc<Target>, seat: Rc<Seat>) {
    match connect(&target, &seat).await {
        Ok(Wire::Plain(stream)) => serve(&target, &seat, stream).await,
        Ok(Wire::Tls(stream)) => serve(&target, &seat, *stream).await,
        Err(failure) => {
            while let Some(job) = seat.take_job() {
                target.finish(&seat, job, &Outcome::Failed(failure), target.now());
            }
        }
    }
    target.handle_closed(&seat);
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn connect(target: &Target, seat: &Seat) -> Result<Wire, Failure> {
    let mut socket = seat.address().socket;
    let mut failure = Failure::TargetRefused;
    for _ in 0..ATTEMPTS {
        let tried = try_at(target, seat, socket).await?;
        match tried {
            Ok(wire) => {
                target.handle_connected();
                return Ok(wire);
            }
            // One that could have been connected to says more of the target.
            Err(Failure::TargetRefused) => {}
            Err(other) => failure = other,
        }
        match target.handle_refused(seat, failure) {
            Some(other) => socket = other,
            None => break,
        }
    }
    Err(failure)
}

/// One attempt, if the address may be connected to at all.
async fn try_at(
    target: &Target,
    seat: &Seat,
    socket: SocketAddr,
) -> Result<Result<Wire, Failure>, Stop> {
    if !target.admits(socket) {
        return Ok(Err(Failure::TargetRefused));
    }
    let attempt = timeout(target.shared.config.connect_timeout, open(target, socket));
    match unless_stopped(seat, attempt).await? {
        Ok(Ok(wire)) => return Ok(Ok(wire)),
        Ok(Err(error)) => log::debug!("{}: {socket}: {error}", target.destination),
        Err(_) => log::debug!("{}: {socket}: no connection in time", target.destination),
    }
    Ok(Err(Failure::Connect))
}

async fn open(target: &Target, socket: SocketAddr) -> io::Result<Wire> {
    let unconnected = match socket {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Err(error) = target.shared.config.congestion_control.apply(&unconnected) {
        log::debug!(
            "{}: the system's congestion control: {error}",
            target.destination
        );
    }
    let stream = unconnected.connect(socket).await?;
    stream.set_nodelay(true)?;
    Ok(match &target.tls {
        None => Wire::Plain(stream),
        Some((connector, name)) => {
            Wire::Tls(Box::new(connector.connect(name.clone(), stream).await?))
        }
    })
}

async fn unless_stopped<F: Future>(seat: &Seat, future: F) -> Result<F::Output, Stop> {
    let mut future = pin!(future);
    poll_fn(|cx| match seat.poll_stop(cx) {
        Some(stop) => Poll::Ready(Err(stop)),
        None => future.as_mut().poll(cx).map(Ok),
    })
    .await
}

/// A stream to a target, plain or not.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// The TCP socket that carries the stream.
    fn socket(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn serve<S: Transport>(target: &Rc<Target>, seat: &Rc<Seat>, stream: S) {
    let mut exchange = Exchange::new(target, seat, stream);
    exchange.begin(target.now());
    while let Left::Idle(since) = poll_fn(|cx| exchange.poll(cx)).await {
        match rest(target, seat, &mut exchange.stream, since).await {
            Some(now) => exchange.begin(now),
            None => return,
        }
    }
}

/// A connection that was idle for longer is checked before it is used: the runtime may not have noticed
/// yet that it was closed. After a shorter time that is not worth the system call.
const LONG_REST: Duration = Duration::from_millis(100);

/// Waits for the next copy, and returns when it came; `None` if the connection is no longer usable.
/// Targets close idle connections whenever they like, and a copy sent then would be lost: so the
/// connection is read meanwhile.
async fn rest<S: Transport>(
    target: &Target,
    seat: &Seat,
    stream: &mut S,
    since: Time,
) -> Option<Time> {
    let usable = poll_fn(|cx| {
        if seat.poll_stop(cx).is_some() {
            return Poll::Ready(false);
        }
        let mut scratch = target.shared.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        // Whatever there is to read, it is no reply to anything.
        if Pin::new(&mut *stream).poll_read(cx, &mut buffer).is_ready() {
            return Poll::Ready(false);
        }
        if seat.has_job() {
            return Poll::Ready(true);
        }
        Poll::Pending
    })
    .await;
    let now = target.now();
    if usable && (now.since(since) < LONG_REST || !is_stale(stream.socket())) {
        return Some(now);
    }
    target.give_back_given(seat);
    None
}

/// Whether there is anything to read from an idle connection, including its end.
fn is_stale(socket: &TcpStream) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(socket.as_raw_fd(), &mut [0], flags) != Err(Errno::EAGAIN)
}
