//! An open-loop load: requests start when the clock says so, not when the last reply has come.
//!
//! A closed-loop client (wrk, ab, curl in a loop) sends less when the server is slow, and so misses
//! the very requests that would have waited: coordinated omission. Here request `i` is due at
//! `start + i / rate` whatever happened to those before, and its latency counts from then, whether
//! or not a connection was free to carry it.
//!
//! One thread, epoll for the sockets and a timerfd for the clock (epoll's own time-out is a
//! millisecond at best, and late by the timer slack). A new connection is made in line; the time
//! that takes is part of the latency of the request that it is made for, and of those due meanwhile.

mod connection;
mod http2;
mod idle;
mod latencies;
mod reply;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

use connection::{Connection, Progress};
pub use http2::{Http2Load, Http2Pace, grpc_frame};
pub use idle::{IdleConnections, raise_open_files};
pub use latencies::Latencies;

use crate::Namespace;

/// How long after the last request is due its reply may still come.
const DRAIN: Duration = Duration::from_secs(5);

/// The timer's mark among the connections' numbers.
const TIMER: u64 = u64::MAX;

/// What to send, where, and how often.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server that requests go to.
    pub target: SocketAddr,
    /// One whole request, head and body; every request is the same.
    pub request: Vec<u8>,
    /// Requests per second, above 0.
    pub rate: f64,
    /// For how long requests become due.
    pub duration: Duration,
    /// How many connections carry them, at least 1; a request that is due while all are busy waits,
    /// and its latency counts the wait.
    pub connections: usize,
    /// How connections are used.
    pub reuse: Reuse,
    /// Requests that become due together and go out in one piece on one connection, at least 1
    /// (default 1; above it is pipelining). The latency of each counts until the last is answered.
    pub depth: u32,
}

/// Whether a connection carries more than one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Connections are kept for the next request.
    KeepAlive,
    /// A connection for each request.
    Never,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Requests that became due.
    pub due: u64,
    /// Requests with a whole reply.
    pub answered: u64,
    /// Requests whose connection could not be made or broke.
    pub failed: u64,
    /// Requests without a reply five seconds after the last was due.
    pub unanswered: u64,
    /// Of the answered ones, from when they were due to the last byte of the reply.
    pub latencies: Latencies,
    /// From the first request to the last reply.
    pub elapsed: Duration,
}

impl Load {
    /// A keep-alive GET of `/` on 16 connections.
    pub fn get(target: SocketAddr, rate: f64, duration: Duration) -> Self {
        Self {
            target,
            request:
                b"GET / HTTP/1.1\r\nHost: v1\r\nUser-Agent: podmirror-load\r\nAccept: */*\r\n\r\n"
                    .to_vec(),
            rate,
            duration,
            connections: 16,
            reuse: Reuse::KeepAlive,
            depth: 1,
        }
    }

    /// Runs the load from inside the namespace; `on_answer` hears how many requests are done,
    /// about ten times per second.
    ///
    /// # Errors
    ///
    /// When the values make no sense, or no first connection can be made. What happens to later
    /// ones is part of the outcome.
    pub fn run(&self, namespace: &Namespace, on_answer: impl FnMut(u64) + Send) -> Result<Outcome> {
        namespace.run(|| Generator::new(self)?.run(on_answer))?
    }

    /// How many requests become due in all, a multiple of the depth.
    pub fn total(&self) -> u64 {
        self.batches() * u64::from(self.depth)
    }

    fn batches(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive count far below 2^53"
        )]
        let total =
            (self.rate * self.duration.as_secs_f64() / f64::from(self.depth)).round() as u64;
        total
    }
}

struct Generator<'a> {
    load: &'a Load,
    /// As many requests as go out at once.
    batch: Vec<u8>,
    epoll: Epoll,
    timer: TimerFd,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    start: Instant,
    /// The next batch to be given to a connection.
    next: u64,
    outcome: Outcome,
}

impl<'a> Generator<'a> {
    fn new(load: &'a Load) -> Result<Self> {
        ensure!(load.rate > 0.0, "a rate above 0 is needed");
        ensure!(load.connections > 0, "at least one connection is needed");
        ensure!(load.depth > 0, "at least one request at once is needed");
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        epoll.add(timer.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        let mut connections = Vec::with_capacity(load.connections);
        for number in 0..load.connections {
            let connection = Connection::new(number as u64);
            connections.push(connection);
        }
        if load.reuse == Reuse::KeepAlive {
            for connection in &mut connections {
                connection
                    .open(load.target, &epoll)
                    .with_context(|| format!("connecting to {}", load.target))?;
            }
        }
        Ok(Self {
            load,
            batch: load.request.repeat(usize::try_from(load.depth)?),
            epoll,
            timer,
            idle: (0..connections.len()).collect(),
            connections,
            start: Instant::now(),
            next: 0,
            outcome: Outcome::default(),
        })
    }

    fn run(mut self, mut on_answer: impl FnMut(u64)) -> Result<Outcome> {
        let total = self.load.batches();
        self.start = Instant::now();
        let last_due = self.start + self.load.duration;
        let mut told = self.start;
        let mut events = vec![EpollEvent::empty(); 256];
        loop {
            let now = Instant::now();
            self.start_due(now, total);
            let busy = self.connections.len() - self.idle.len();
            if (self.next == total && busy == 0) || now > last_due + DRAIN {
                break;
            }
            if now - told > Duration::from_millis(100) {
                told = now;
                on_answer(self.outcome.answered);
            }
            self.arm(now, total)?;
            let timeout = EpollTimeout::from(100_u8);
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in events.iter().take(count) {
                self.handle(event.data());
            }
        }
        self.outcome.due = self.load.total();
        self.outcome.unanswered = self.outcome.due - self.outcome.answered - self.outcome.failed;
        self.outcome.elapsed = self.start.elapsed();
        on_answer(self.outcome.answered);
        Ok(self.outcome)
    }

    fn due(&self, batch: u64) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
        let offset = batch as f64 * f64::from(self.load.depth) / self.load.rate;
        self.start + Duration::from_secs_f64(offset)
    }

    fn start_due(&mut self, now: Instant, total: u64) {
        while self.next < total && self.due(self.next) <= now {
            // The longest idle first: all connections stay in use.
            let Some(number) = self.idle.pop_front() else {
                return;
            };
            let due = self.due(self.next);
            self.next += 1;
            if let Some(connection) = self.connections.get_mut(number) {
                let started = connection
                    .open(self.load.target, &self.epoll)
                    .and_then(|()| {
                        connection.start(due, &self.batch, self.load.depth, &self.epoll)
                    });
                if started.is_err() {
                    connection.close();
                    self.outcome.failed += u64::from(self.load.depth);
                    self.idle.push_back(number);
                }
            }
        }
    }

    /// Sets the timer to the next request, if a connection is free to take it.
    fn arm(&self, now: Instant, total: u64) -> Result<()> {
        if self.next < total && !self.idle.is_empty() {
            let wait = self.due(self.next).saturating_duration_since(now);
            // Zero would disarm it.
            let wait = wait.max(Duration::from_nanos(1)).into();
            self.timer
                .set(Expiration::OneShot(wait), TimerSetTimeFlags::empty())?;
        }
        Ok(())
    }

    fn handle(&mut self, number: u64) {
        if number == TIMER {
            // Reading clears it; that it is due is seen by the clock.
            let _expired = self.timer.wait();
            return;
        }
        let Ok(index) = usize::try_from(number) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        match connection.handle_ready(&self.batch, &self.epoll) {
            Progress::Waiting => {}
            Progress::Answered { due } => {
                self.outcome.answered += u64::from(self.load.depth);
                for _ in 0..self.load.depth {
                    self.outcome.latencies.record(due.elapsed());
                }
                if self.load.reuse == Reuse::Never {
                    connection.close();
                }
                self.idle.push_back(index);
            }
            Progress::Broken => {
                connection.close();
                self.outcome.failed += u64::from(self.load.depth);
                self.idle.push_back(index);
            }
            Progress::ClosedIdle => connection.close(),
        }
    }
}

#[cfg(test)]
mod tests;
