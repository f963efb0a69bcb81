//! A server that writes down every request it gets and behaves as badly as it is told to.
//!
//! As v1 it is the witness of what the client sent; as v2, of what the mirror sent. The two records
//! are to be equal.

mod conversation;
mod record;

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::socket;

use record::Record;
pub use record::RecordedRequest;

use super::Namespace;

/// What the server does with a request. Can be changed while it runs; a connection takes it up
/// with its next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Sends `100 Continue` where it is expected, reads the body, answers `200` with two bytes,
    /// and keeps the connection as HTTP says.
    Answer,
    /// As `Answer`, with another status.
    Status(u16),
    /// Answers as soon as the head is there, and reads the body afterwards.
    AnswerEarly,
    /// Answers after this time.
    Delay(Duration),
    /// Reads requests and never answers.
    Hang,
    /// Accepts and never reads.
    Deaf,
    /// Answers, but reads only so many bytes at a time, with a pause before each.
    SlowRead {
        /// Bytes per read.
        bytes: usize,
        /// The pause before each.
        pause: Duration,
    },
    /// Answers with bytes that are no HTTP.
    Garbage,
    /// Answers with a chunked body that never ends.
    Endless,
    /// Answers so many requests of each connection, then closes it.
    CloseAfter(usize),
    /// Resets the connection instead of answering.
    Reset,
    /// Accepts an Upgrade with `101` and from then on only reads.
    Upgrade,
}

/// The running server; it stops when this value is dropped.
#[derive(Debug)]
pub struct RecordingServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    listener: TcpListener,
}

/// What the server's threads have in common.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    record: Record,
    behaviour: Behaviour,
    stopping: bool,
    open: HashMap<usize, TcpStream>,
}

impl RecordingServer {
    /// Listens on `address` inside the namespace.
    ///
    /// # Errors
    ///
    /// When the address is taken or not the namespace's.
    pub fn start(namespace: &Namespace, address: SocketAddr, behaviour: Behaviour) -> Result<Self> {
        let listener = namespace
            .run(|| listen(address))?
            .with_context(|| format!("listening on {address} in {}", namespace.name()))?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                record: Record::default(),
                behaviour,
                stopping: false,
                open: HashMap::new(),
            }),
            changed: Condvar::new(),
        });
        let accepting = {
            let (listener, shared) = (listener.try_clone()?, Arc::clone(&shared));
            thread::spawn(move || accept(&listener, &shared))
        };
        Ok(Self {
            address: listener.local_addr()?,
            shared,
            accepting: Some(accepting),
            listener,
        })
    }

    /// Where it listens; with the port that the system chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does with the requests to come.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.shared.lock().behaviour = behaviour;
        self.shared.changed.notify_all();
    }

    /// The complete requests so far, in the order in which their heads arrived.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().record.complete()
    }

    /// The requests whose body never came to its end because the connection did.
    pub fn aborted(&self) -> Vec<RecordedRequest> {
        self.shared.lock().record.aborted()
    }

    /// How many requests have begun to arrive, complete or not.
    pub fn begun(&self) -> usize {
        self.shared.lock().record.begun()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.lock().record.connections()
    }

    /// Forgets all requests so far.
    pub fn clear(&self) {
        self.shared.lock().record.clear();
    }

    /// Waits until `count` complete requests are there and returns all there are; after `patience`
    /// it returns what there is, for the caller's assertion to show.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Vec<RecordedRequest> {
        let state = self.shared.lock();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, patience, |state| {
                state.record.complete_count() < count
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.record.complete()
    }

    /// Waits until nothing has arrived for `quiet`, at most `patience`, and returns all there is.
    pub fn wait_until_quiet(&self, quiet: Duration, patience: Duration) -> Vec<RecordedRequest> {
        let deadline = Instant::now() + patience;
        let mut before = usize::MAX;
        while Instant::now() < deadline {
            let now = self.shared.lock().record.events();
            if now == before {
                break;
            }
            before = now;
            thread::sleep(quiet);
        }
        self.requests()
    }
}

impl Drop for RecordingServer {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.stopping = true;
            for stream in state.open.values() {
                // The peer may have closed it already.
                let _closed = stream.shutdown(Shutdown::Both);
            }
        }
        self.shared.changed.notify_all();
        // On Linux this ends a blocked accept.
        let _woken = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ended = accepting.join();
        }
    }
}

impl Shared {
    /// A panic in one connection's thread must not hide what the others recorded.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not past the server's end.
    fn pause(&self, time: Duration) {
        let state = self.lock();
        let _waited = self
            .changed
            .wait_timeout_while(state, time, |state| !state.stopping);
    }

    /// Waits for the end of the server, or for a change of behaviour.
    fn pause_while(&self, behaviour: &Behaviour) {
        let state = self.lock();
        let _waited = self.changed.wait_while(state, |state| {
            !state.stopping && state.behaviour == *behaviour
        });
    }
}

/// Listens. A server before may be closed, and a child that another thread forked at that moment
/// still hold a copy of its socket, until it executes its program.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        let Ok(handle) = stream.try_clone() else {
            continue;
        };
        let connection = {
            let mut state = shared.lock();
            if state.stopping {
                return;
            }
            let connection = state.record.open();
            state.open.insert(connection, handle);
            connection
        };
        shared.changed.notify_all();
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // How a conversation ends is not the server's business: tests break them on purpose.
            let _ended = conversation::hold(stream, connection, &shared);
            shared.lock().open.remove(&connection);
        });
    }
}

#[cfg(test)]
mod tests;
