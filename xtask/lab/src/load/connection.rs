//! One connection of the load: one request at a time, or one batch of them; never blocking after the
//! connect.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::reply::{ReplyReader, State};

const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    number: u64,
    stream: Option<TcpStream>,
    request: Option<InFlight>,
    reply: ReplyReader,
}

struct InFlight {
    due: Instant,
    written: usize,
    /// Replies that are to come.
    replies: u32,
}

/// What an event on the socket meant.
pub(super) enum Progress {
    Waiting,
    Answered {
        due: Instant,
    },
    Broken,
    /// The server closed a connection that carried nothing: it is made anew when needed.
    ClosedIdle,
}

impl Connection {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            stream: None,
            request: None,
            reply: ReplyReader::default(),
        }
    }

    /// Opens the connection, unless it is open.
    pub(super) fn open(&mut self, target: SocketAddr, epoll: &Epoll) -> io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&target, CONNECT_PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, self.number))?;
            self.stream = Some(stream);
            self.reply = ReplyReader::default();
        }
        Ok(())
    }

    /// Closing takes the socket out of the epoll set, too.
    pub(super) fn close(&mut self) {
        self.stream = None;
        self.request = None;
    }

    /// Sends `request`, which so many `replies` answer.
    pub(super) fn start(
        &mut self,
        due: Instant,
        request: &[u8],
        replies: u32,
        epoll: &Epoll,
    ) -> io::Result<()> {
        self.request = Some(InFlight {
            due,
            written: 0,
            replies,
        });
        self.write(request)?;
        if !self.all_written(request) {
            self.listen(epoll, EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT)?;
        }
        Ok(())
    }

    pub(super) fn handle_ready(&mut self, request: &[u8], epoll: &Epoll) -> Progress {
        let idle = self.request.is_none();
        match self.advance(request, epoll) {
            // A server that answers before it has read all leaves no way to reuse the connection.
            Ok(State::Complete) if !self.all_written(request) => Progress::Broken,
            Ok(State::Complete) => match self.request.take() {
                Some(done) => Progress::Answered { due: done.due },
                None => Progress::ClosedIdle,
            },
            Ok(State::Incomplete) => Progress::Waiting,
            Ok(State::Unreadable) | Err(_) if idle => Progress::ClosedIdle,
            Ok(State::Unreadable) | Err(_) => Progress::Broken,
        }
    }

    fn advance(&mut self, request: &[u8], epoll: &Epoll) -> io::Result<State> {
        if self.request.is_some() && !self.all_written(request) {
            self.write(request)?;
            if self.all_written(request) {
                self.listen(epoll, EpollFlags::EPOLLIN)?;
            }
        }
        let mut buffer = [0; 16 * 1024];
        let Some(stream) = &mut self.stream else {
            return Ok(State::Incomplete);
        };
        match stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(self.take(buffer.get(..count).unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(State::Incomplete),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> State {
        loop {
            let (state, rest) = self.reply.take(bytes);
            let left = self
                .request
                .as_mut()
                .map(|in_flight| &mut in_flight.replies);
            match (state, left) {
                (State::Complete, Some(left)) if *left > 1 => {
                    *left -= 1;
                    if rest.is_empty() {
                        return State::Incomplete;
                    }
                    bytes = rest;
                }
                // Bytes that nobody asked for.
                (State::Complete, _) if !rest.is_empty() => return State::Unreadable,
                (state, _) => return state,
            }
        }
    }

    fn write(&mut self, request: &[u8]) -> io::Result<()> {
        let (Some(stream), Some(in_flight)) = (&mut self.stream, &mut self.request) else {
            return Ok(());
        };
        while let Some(rest) = request
            .get(in_flight.written..)
            .filter(|rest| !rest.is_empty())
        {
            match stream.write(rest) {
                Ok(count) => in_flight.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn all_written(&self, request: &[u8]) -> bool {
        self.request
            .as_ref()
            .is_none_or(|in_flight| in_flight.written >= request.len())
    }

    fn listen(&self, epoll: &Epoll, what: EpollFlags) -> io::Result<()> {
        if let Some(stream) = &self.stream {
            epoll.modify(stream, &mut EpollEvent::new(what, self.number))?;
        }
        Ok(())
    }
}
