//! Whole Ethernet frames, as they are on a link: for what no socket of ours would send.

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::{
        socket::{
            AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send,
            setsockopt, socket,
            sockopt::{RcvBufForce, ReceiveTimeout},
        },
        time::TimeVal,
    },
};

use super::Namespace;

/// Room for everything that a test sends, however seldom it reads.
const ROOM: usize = 64 << 20;
/// The longest frame: one of a jumbo MTU, or of a segment that was to be cut later.
const LONGEST: usize = 70_000;

/// An interface's frames: what it sends and receives can be read, and others sent from it.
#[derive(Debug)]
pub struct Frames(OwnedFd);

impl Frames {
    /// All frames of this interface from now on, but for those that are sent here.
    ///
    /// # Errors
    ///
    /// Without root, or when the namespace has no such interface.
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        let socket = namespace
            .run(|| Self::socket(interface))?
            .with_context(|| format!("reading frames of {interface} in {}", namespace.name()))?;
        Ok(Self(socket))
    }

    fn socket(interface: &str) -> Result<OwnedFd> {
        let mut all = getifaddrs()?.filter(|one| one.interface_name == interface);
        let address = all.find_map(|one| one.address?.as_link_addr().copied());
        let Some(address) = address else {
            bail!("no such interface");
        };
        let every = SockProtocol::EthAll;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            every,
        )?;
        setsockopt(&socket, RcvBufForce, &ROOM)?;
        bind(socket.as_raw_fd(), &address)?;
        Ok(socket)
    }

    /// The next frame, or `None` if none comes for so long.
    ///
    /// # Errors
    ///
    /// When the interface is gone.
    pub fn receive(&self, patience: Duration) -> Result<Option<Vec<u8>>> {
        let mut frame = vec![0; LONGEST];
        let micros = i64::try_from(patience.as_micros())?;
        let patience = TimeVal::new(micros / 1_000_000, micros % 1_000_000);
        setsockopt(&self.0, ReceiveTimeout, &patience)?;
        match recv(self.0.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(len) => {
                frame.truncate(len);
                Ok(Some(frame))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a frame out of the interface. The network may lose it.
    ///
    /// # Errors
    ///
    /// When it is longer than the interface takes, or the interface is gone.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        match send(self.0.as_raw_fd(), frame, MsgFlags::empty()) {
            Ok(_) | Err(Errno::ENOBUFS) => Ok(()),
            Err(error) => Err(error).context("sending a frame"),
        }
    }
}
