//! Opens connections.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    task::Poll,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::{Shell, Site, tls, trouble::Trouble};
use crate::{ids::LinkId, pool::Unconnected};

/// Endpoints that are tried for one connection, at most.
const ATTEMPTS: usize = 3;

/// An open connection to a target, encrypted or not.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream to a target, plain or not.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Whether what lies unread in the socket need not be for us.
    const ENCRYPTED: bool;

    /// The TCP socket below whatever encrypts.
    fn socket(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    const ENCRYPTED: bool = false;

    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    const ENCRYPTED: bool = true;

    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Connects to `endpoint`, or to another one that the pool names.
pub(super) async fn connect(
    shell: &Rc<Shell>,
    link: LinkId,
    endpoint: SocketAddr,
) -> Result<Socket, Unconnected> {
    let site = shell.site(link.target).ok_or(Unconnected::Failed)?;
    let (mut socket, mut why) = (endpoint, Unconnected::Forbidden);
    for _ in 0..ATTEMPTS {
        if admits(shell, site, socket) {
            let attempt = timeout(shell.connect_timeout, open(shell, site, link, socket));
            let trouble = match unless_stopped(shell, link, attempt).await.ok_or(why)? {
                Ok(Ok(socket)) => return Ok(socket),
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Late,
            };
            shell.said.tell(&site.destination, &trouble, shell.now());
            why = trouble.why();
            if why == Unconnected::Local {
                return Err(why);
            }
        } else {
            why = Unconnected::Forbidden;
        }
        let another = shell.tell(|pool, now| pool.handle_refused(now, link, why));
        socket = another.ok_or(why)?;
    }
    Err(why)
}

/// Whether `socket` may be connected to; what may not is named in the log.
fn admits(shell: &Shell, site: &Site, socket: SocketAddr) -> bool {
    let now = shell.now();
    match shell.guard.refusal(site.origin, socket.ip(), now) {
        None => true,
        Some(why) => {
            let Site { destination, .. } = site;
            shell.guard.tell(destination, socket.ip(), why, now);
            false
        }
    }
}

async fn open(
    shell: &Shell,
    site: &Site,
    link: LinkId,
    socket: SocketAddr,
) -> Result<Socket, Trouble> {
    let stream = connected(shell, site, socket);
    let stream = stream.await.map_err(Trouble::Socket)?;
    Ok(match &site.tls {
        None => Socket::Plain(stream),
        Some(tls) => {
            let http2 = shell.ask(|pool| pool.is_http2(link));
            let connector = if http2 { &tls.http2 } else { &tls.http1 };
            let stream = connector.connect(tls.name.clone(), stream);
            let stream = stream.await.map_err(|error| match http2 {
                true if tls::has_no_protocol(&error) => Trouble::NoHttp2,
                _ => Trouble::Tls(error),
            })?;
            if http2 && stream.get_ref().1.alpn_protocol() != Some(tls::HTTP2) {
                return Err(Trouble::NoHttp2);
            }
            if http2 {
                shell.pool.borrow_mut().handle_agreed(link);
            }
            Socket::Tls(Box::new(stream))
        }
    })
}

async fn connected(shell: &Shell, site: &Site, socket: SocketAddr) -> io::Result<TcpStream> {
    let unconnected = match socket {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Err(error) = shell.congestion_control.apply(&unconnected) {
        log::debug!(
            "{}: the system's congestion control: {error}",
            site.destination
        );
    }
    let stream = unconnected.connect(socket).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// `None` if the connection is not wanted any more.
async fn unless_stopped<F: Future>(shell: &Shell, link: LinkId, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        shell.listen(cx, link);
        if shell.ask(|pool| pool.is_stopped(link)) {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
