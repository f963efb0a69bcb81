//! A client that decides itself where its bytes are cut.

use std::{
    io::{self, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::sys::socket::{setsockopt, sockopt::Linger};

use super::{
    Body, Namespace,
    wire::{Framing, Meter, first_line, read_body, read_head},
};

/// How long a client waits for anything before it gives up: a broken test should end.
const PATIENCE: Duration = Duration::from_secs(120);

/// One connection with `TCP_NODELAY`: every write leaves as a segment of its own.
#[derive(Debug)]
pub struct RawClient {
    input: BufReader<TcpStream>,
}

/// A reply as it stood on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The reply's status code.
    pub status: u16,
    /// The status line and the fields.
    pub head: Vec<u8>,
    /// The body with its framing.
    pub body: Body,
}

impl RawClient {
    /// Connects from inside the namespace.
    ///
    /// # Errors
    ///
    /// When nobody answers within ten seconds, or refuses.
    pub fn connect(namespace: &Namespace, address: SocketAddr) -> Result<Self> {
        let stream = namespace
            .run(|| TcpStream::connect_timeout(&address, Duration::from_secs(10)))?
            .with_context(|| format!("connecting to {address} from {}", namespace.name()))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            input: BufReader::new(stream),
        })
    }

    /// The client's own address, which names the connection to the mirror.
    ///
    /// # Errors
    ///
    /// When the socket is broken.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.input.get_ref().local_addr()
    }

    /// Writes the bytes at once.
    ///
    /// # Errors
    ///
    /// When the peer has closed or does not read for 30 s.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.input.get_mut().write_all(bytes)
    }

    /// Writes piece by piece with a pause behind each.
    ///
    /// # Errors
    ///
    /// As [`RawClient::write`].
    pub fn write_pieces<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        pause: Duration,
    ) -> io::Result<()> {
        for piece in pieces {
            self.write(piece)?;
            thread::sleep(pause);
        }
        Ok(())
    }

    /// Reads the reply to a request with this method; a `100 Continue` counts as a reply.
    ///
    /// # Errors
    ///
    /// When the connection ends before the reply does, or nothing comes for 30 s.
    pub fn read_reply(&mut self, method: &str) -> Result<Reply> {
        let Some(head) = read_head(&mut self.input).context("reading a reply's head")? else {
            bail!("the server closed the connection instead of replying");
        };
        let status = first_line(&head).get(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("no status in {}", head.escape_ascii()))?;
        let mut meter = Meter::default();
        let framing = Framing::of_reply(&head, status, method);
        read_body(&mut self.input, framing, &mut meter).context("reading a reply's body")?;
        Ok(Reply {
            status,
            head,
            body: meter.finish(),
        })
    }

    /// Reads until these bytes have come.
    ///
    /// # Errors
    ///
    /// When the connection ends before they do, or nothing comes for 30 s.
    pub fn read_until(&mut self, wanted: &[u8]) -> Result<()> {
        let mut came = Vec::new();
        while !came.ends_with(wanted) {
            let mut byte = [0];
            self.input
                .read_exact(&mut byte)
                .with_context(|| format!("after {}", came.escape_ascii()))?;
            came.extend(byte);
        }
        Ok(())
    }

    /// Sends FIN and goes on reading.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub fn finish_writing(&self) -> io::Result<()> {
        self.input.get_ref().shutdown(Shutdown::Write)
    }

    /// Ends the connection with RST.
    ///
    /// # Errors
    ///
    /// When the socket refuses the option.
    pub fn reset(self) -> io::Result<()> {
        let linger = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(self.input.get_ref(), Linger, &linger)?;
        Ok(())
    }
}
