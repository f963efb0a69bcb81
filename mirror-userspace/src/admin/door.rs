//! The two ways in: a network address, where one may look, and a unix socket, where one may tune.

use std::{fmt, io, net::IpAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

/// By which way a client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// From this address (an IPv4 one not as IPv6).
    Network(IpAddr),
    /// By the unix socket, which the kernel lets nobody but our own user and root open.
    Socket,
}

impl Client {
    /// Whether it is on this machine, or at the end of a port-forward to it.
    pub(super) const fn is_here(self) -> bool {
        match self {
            Self::Network(address) => address.is_loopback(),
            Self::Socket => true,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Socket => f.write_str("the admin socket"),
        }
    }
}

/// Where connections come in.
pub(super) trait Door: Send + 'static {
    /// The type of an accepted connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one, and whose it is.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Client)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Client)> {
        let (stream, peer) = self.accept().await?;
        Ok((stream, Client::Network(peer.ip().to_canonical())))
    }
}

impl Door for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Client)> {
        let (stream, _) = self.accept().await?;
        Ok((stream, Client::Socket))
    }
}
