//! The congestion control of connections to targets.
//!
//! Where the system's default is BBR, each segment waits for a timer of its own. The timers run on v1's
//! node and take about a quarter of the CPU time of re-sending a large body, for nothing: the network is
//! a cluster's. CUBIC (RFC 9438) sends as soon as the window allows.

use std::io;

use nix::sys::socket::{setsockopt, sockopt::TcpCongestion};
use tokio::net::TcpSocket;

/// The congestion control that connections to targets use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CongestionControl {
    /// The system's default (`net.ipv4.tcp_congestion_control`).
    System,
    /// The algorithm of this name, or the system's default where the kernel lacks or forbids it.
    Named(String),
}

impl Default for CongestionControl {
    /// CUBIC: every kernel has it, and a process that may attach may choose it.
    fn default() -> Self {
        Self::Named("cubic".to_owned())
    }
}

impl CongestionControl {
    /// Sets the algorithm on `socket`. Takes effect only before the socket is connected: afterwards, the
    /// pacing that BBR began with stays.
    ///
    /// # Errors
    ///
    /// If the kernel lacks the algorithm (`ENOENT`), or allows it only with `CAP_NET_ADMIN` (`EPERM`).
    pub fn apply(&self, socket: &TcpSocket) -> io::Result<()> {
        match self {
            Self::System => Ok(()),
            Self::Named(name) => Ok(setsockopt(socket, TcpCongestion, &name.into())?),
        }
    }

    /// Whether connections from here can have it.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply).
    pub fn check(&self) -> io::Result<()> {
        self.apply(&TcpSocket::new_v4()?)
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::getsockopt;

    use super::*;

    fn of(socket: &TcpSocket) -> String {
        let name = getsockopt(socket, TcpCongestion).unwrap();
        let name = name.to_str().unwrap();
        name.trim_end_matches('\0').to_owned()
    }

    #[test]
    fn a_named_one_is_set_and_the_systems_is_left() {
        let (named, left) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v6().unwrap());
        let before = of(&left);
        // Every kernel has Reno, and lets everyone use it.
        CongestionControl::Named("reno".into())
            .apply(&named)
            .unwrap();
        CongestionControl::System.apply(&left).unwrap();
        assert_eq!((of(&named), of(&left)), ("reno".to_owned(), before));
    }

    #[test]
    fn one_that_does_not_exist_is_an_error() {
        let error = CongestionControl::Named("swift".into()).check();
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
