//! Connections that have had one request answered and now say nothing.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    libc::linger,
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        socket::{setsockopt, sockopt::Linger},
    },
};

use super::reply::{ReplyReader, State};
use crate::Namespace;

/// They are reset when this value is dropped: closed, their ports would be taken for a minute.
#[derive(Debug)]
pub struct IdleConnections {
    _streams: Vec<TcpStream>,
}

impl IdleConnections {
    /// Opens so many from inside the namespace, each with one `request`.
    ///
    /// # Errors
    ///
    /// When one cannot be made or is not answered.
    pub fn open(
        from: &Namespace,
        target: SocketAddr,
        request: &[u8],
        count: usize,
    ) -> Result<Self> {
        raise_open_files()?;
        let streams = from.run(|| {
            (0..count)
                .map(|number| {
                    speak_once(target, request).with_context(|| format!("connection {number}"))
                })
                .collect::<Result<_>>()
        })??;
        Ok(Self { _streams: streams })
    }
}

/// Lets this process, and those that it starts from now on, have as many files open as it may: this many.
///
/// # Errors
///
/// When the kernel refuses.
pub fn raise_open_files() -> Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}

fn speak_once(target: SocketAddr, request: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(target)?;
    let reset = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, Linger, &reset)?;
    stream.write_all(request)?;
    let mut reply = ReplyReader::default();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            bail!("closed without a reply");
        }
        match reply.take(buffer.get(..count).unwrap_or_default()) {
            (State::Complete, _) => return Ok(stream),
            (State::Incomplete, _) => {}
            (State::Unreadable, _) => bail!("a reply without a length"),
        }
    }
}
