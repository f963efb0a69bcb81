//! Where the server listens.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use tokio::net::TcpListener;

/// One address, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:9090`, `[::1]:9090`. Port 0 takes any that is free.
    At(SocketAddr),
    /// `:9090`: all addresses of both versions of IP, or of IPv4 where there is no IPv6. A pod does
    /// not know beforehand which of them the kubelet will probe.
    All(u16),
}

impl Listen {
    pub(super) async fn listen(self) -> io::Result<TcpListener> {
        match self {
            Self::At(address) => TcpListener::bind(address).await,
            Self::All(port) => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
                }
                bound => bound,
            },
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let listen = match text.strip_prefix(':') {
            Some(port) => port.parse().ok().map(Self::All),
            None => text.parse().ok().map(Self::At),
        };
        listen.ok_or_else(|| {
            "accepted: an address with its port, such as 127.0.0.1:9090 or [::1]:9090, or :9090 \
             for all addresses"
                .into()
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::All(port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in ["127.0.0.1:9090", "[::1]:9090", "0.0.0.0:0", ":9090"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            ":",
            "9090",
            ":x",
            ":65536",
            "localhost:9090",
            "127.0.0.1",
            "::1:9090",
        ] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }
}
