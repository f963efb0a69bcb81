//! Copies written and their replies read, on one connection.
//!
//! Both happen at the same time, since a target may answer before it has the whole body. Copies are
//! written straight from the pieces that they arrived in, as many as possible per system call; replies
//! are read into the shard's scratch buffer and forgotten. A small request on an open connection costs
//! one write and one read; consecutive ones share them.
//!
//! ```text
//! seat --given--> [ turn, turn, turn ] --bytes--> target
//!                    ^ front                         |
//!                    +-------------replies-----------+
//! ```
//!
//! Replies come in the order of the requests (RFC 9112 section 9.3.2), so only the reply of the front
//! is being read, and only the front can time out.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    ops::ControlFlow,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use mirror_core::segment::Time;
use tokio::io::ReadBuf;

use super::{
    connection::Transport,
    job::Source,
    outcome::{After, Answer, Failure, Outcome},
    reply::{Limits, Step},
    seat::Seat,
    turn::{Turn, Writing},
};
use crate::upstream::{Next, Target};

/// Most pieces that one system call writes.
const PIECES: usize = 16;

/// The copies on one connection.
pub(super) struct Exchange<'a, S> {
    target: &'a Rc<Target>,
    seat: &'a Rc<Seat>,
    pub(super) stream: S,
    /// The copies on this connection, in the order of the requests; the front's reply is the next.
    turns: VecDeque<Turn<'a>>,
    /// How many of them, from the front, have been written whole.
    written: usize,
    /// The target does not read any more.
    given_up: bool,
    /// The target said that it takes no more requests.
    closes: bool,
    /// The clock as it was read in this poll.
    now: Option<Time>,
}

/// How a connection is left when there is nothing more to do on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The connection has been waiting for copies since this time.
    Idle(Time),
    /// The connection is no longer usable.
    Closed,
}

impl<'a, S: Transport> Exchange<'a, S> {
    pub(super) const fn new(target: &'a Rc<Target>, seat: &'a Rc<Seat>, stream: S) -> Self {
        Self {
            target,
            seat,
            stream,
            turns: VecDeque::new(),
            written: 0,
            given_up: false,
            closes: false,
            now: None,
        }
    }

    /// Begins to send the copies that the seat was given.
    pub(super) fn begin(&mut self, now: Time) {
        self.now = Some(now);
    }

    /// Sends and reads until all copies that the seat was given have ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Left> {
        loop {
            self.take_given();
            let early = self.turns.front().and_then(|front| front.early);
            let stop = self.seat.poll_stop(cx).map(Failure::from);
            let failure = stop.or_else(|| self.write(cx).err());
            let writing = self.turns.front().map(|front| front.writing);
            // Once v2 has answered, we no longer care whether the rest of the copy is sent.
            let result = match (failure, early, writing) {
                (Some(_), Some(early), _) | (None, Some(early), Some(Writing::GivenUp)) => {
                    Ok((early.status, After::Spent))
                }
                (Some(failure), None, _) => Err(failure),
                (None, Some(early), Some(Writing::Done)) => Ok((early.status, After::Reusable)),
                (None, ..) => {
                    // Reading happens later than writing did: read the clock again.
                    self.now = None;
                    match ready!(self.poll_replies(cx)) {
                        Some(left) => return Poll::Ready(left),
                        None => continue,
                    }
                }
            };
            if let Some(left) = self.conclude(result) {
                return Poll::Ready(left);
            }
        }
    }

    fn take_given(&mut self) {
        while let Some(mut job) = self.seat.take_job() {
            if self.turns.is_empty() {
                self.allow_time();
            } else {
                job.keep();
            }
            let config = &self.target.shared.config;
            let limits = Limits {
                head: config.reply_head,
                body: config.reply_body,
            };
            self.turns.push_back(Turn::new(job, limits));
        }
    }

    /// Writes what is there, until the target is not ready or the source has nothing more.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        while !self.given_up && self.written < self.turns.len() {
            let Some(turn) = self.turns.get_mut(self.written) else {
                break;
            };
            match turn.job.source() {
                Source::Bytes => match self.poll_write(cx) {
                    Poll::Ready(Ok(bytes)) if bytes > 0 => self.handle_written(bytes),
                    Poll::Ready(_) => self.give_up(),
                    Poll::Pending => {
                        // The source may break off while the target is not reading.
                        self.wake_on_more(cx);
                        if self.seat.due().is_none() {
                            self.allow_time();
                        }
                        break;
                    }
                },
                Source::Later => {
                    // The source may take its time: the target has nothing to time out on.
                    self.seat.set_due(None);
                    self.wake_on_more(cx);
                    if let Poll::Ready(Err(_)) = Pin::new(&mut self.stream).poll_flush(cx) {
                        self.give_up();
                    }
                    return Ok(());
                }
                Source::End => {
                    turn.writing = Writing::Flush;
                    self.written += 1;
                }
                Source::Broken(why) => return Err(why.into()),
            }
        }
        self.flush(cx);
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        let unflushed = |turn: &Turn<'_>| turn.writing == Writing::Flush;
        if !self.turns.iter().any(unflushed) {
            return;
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                if self.turns.front().is_some_and(unflushed) {
                    self.allow_time();
                }
                for turn in self.turns.iter_mut().filter(|turn| unflushed(turn)) {
                    turn.end_writing(Writing::Done);
                }
            }
            Poll::Ready(Err(_)) => self.give_up(),
            Poll::Pending => {}
        }
    }

    /// The target reads nothing any more.
    fn give_up(&mut self) {
        self.given_up = true;
        for turn in &mut self.turns {
            if turn.writing != Writing::Done {
                turn.end_writing(Writing::GivenUp);
            }
        }
    }

    fn wake_on_more(&self, cx: &Context<'_>) {
        if let Some(turn) = self.turns.get(self.written) {
            turn.job.wake_on_more(cx.waker());
        }
    }

    /// Writes what is there, starting with the first copy that is not written whole.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self {
            turns,
            stream,
            written,
            ..
        } = self;
        let mut to_write = turns.iter().skip(*written);
        let Some(first) = to_write.next() else {
            return Poll::Ready(Ok(0));
        };
        first.job.with_outgoing(|outgoing| {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let mut filled = outgoing.fill(&mut slices);
            for outgoing in to_write.map_while(|turn| turn.job.whole()) {
                match slices.get_mut(filled..) {
                    None | Some([]) => break,
                    Some(rest) => filled += outgoing.fill(rest),
                }
            }
            let stream = Pin::new(stream);
            match slices.get(..filled).unwrap_or_default() {
                [single] => stream.poll_write(cx, single),
                several => stream.poll_write_vectored(cx, several),
            }
        })
    }

    fn handle_written(&mut self, bytes: usize) {
        let now = self.now();
        if self.written == 0 {
            self.allow_time();
        }
        let mut left = bytes;
        for (place, turn) in self.turns.iter_mut().enumerate().skip(self.written) {
            if left == 0 {
                break;
            }
            if !turn.is_begun() {
                turn.stopwatch = Some(self.target.shared.meter.start(now));
                self.target.handle_begun(&mut turn.job, place > 0, now);
            }
            left = turn.job.advance(left);
        }
    }

    /// Reads until a reply ends or the target makes it wait.
    fn poll_replies(&mut self, cx: &mut Context<'_>) -> Poll<Option<Left>> {
        let target = self.target;
        loop {
            let mut scratch = target.shared.scratch.borrow_mut();
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            let Some(front) = self.turns.front() else {
                return Poll::Ready(Some(Left::Closed));
            };
            let bytes = match (read, front.early) {
                (Ok(()), None) => buffer.filled(),
                // A TLS peer that closes without saying so: the same as without TLS.
                (Err(error), None) if error.kind() == io::ErrorKind::UnexpectedEof => &[],
                (Err(_), None) => return Poll::Ready(self.conclude(Err(Failure::Reset))),
                // The target closed the connection, or sent more than it was asked for.
                (_, Some(early)) => {
                    return Poll::Ready(self.conclude(Ok((early.status, After::Spent))));
                }
            };
            if bytes.is_empty() {
                let result = match front.reader.handle_close() {
                    Some(reply) => Ok((reply.status, After::Spent)),
                    None => Err(Failure::Reset),
                };
                return Poll::Ready(self.conclude(result));
            }
            if let ControlFlow::Break(left) = self.handle_data(bytes) {
                return Poll::Ready(left);
            }
        }
    }

    /// Takes the bytes that were read. Breaks once a reply ends with them: with how the connection is
    /// left, or with `None` if there is more to do on it.
    fn handle_data(&mut self, mut bytes: &[u8]) -> ControlFlow<Option<Left>> {
        loop {
            let next_is_begun = self.turns.get(1).is_some_and(Turn::is_begun);
            let Some(front) = self.turns.front_mut() else {
                return ControlFlow::Continue(());
            };
            let result = match front.reader.handle_data(bytes) {
                Ok(Step::More) => return ControlFlow::Continue(()),
                Ok(Step::Complete(reply, used)) => {
                    bytes = bytes.get(used..).unwrap_or_default();
                    self.closes = reply.closes;
                    let after = if !reply.reusable || (!bytes.is_empty() && !next_is_begun) {
                        After::Spent
                    } else {
                        match front.writing {
                            Writing::GivenUp => After::Spent,
                            Writing::Done => After::Reusable,
                            // TLS holds some of it, and of the next.
                            Writing::Flush if next_is_begun => After::Reusable,
                            // The rest of the copy must be written first: the connection's framing needs it.
                            Writing::Bytes | Writing::Flush => {
                                front.early = Some(reply);
                                return ControlFlow::Break(None);
                            }
                        }
                    };
                    Ok((reply.status, after))
                }
                Ok(Step::Cut(reply)) => Ok((reply.status, After::Cut)),
                Err(_) => Err(Failure::BadReply),
            };
            let left = self.conclude(result);
            if left.is_some() || bytes.is_empty() {
                return ControlFlow::Break(left);
            }
        }
    }

    /// Takes the front off, which has ended. Returns how the connection is left if there is nothing more
    /// to do on it.
    fn conclude(&mut self, result: Result<(u16, After), Failure>) -> Option<Left> {
        let now = self.now();
        let mut turn = self.turns.pop_front()?;
        self.written = self.written.saturating_sub(1);
        let outcome = match result {
            Ok((status, connection)) => Outcome::Answered(Answer {
                status,
                latency: turn.stopwatch.take().and_then(|watch| watch.stop(now)),
                connection,
            }),
            Err(failure) => Outcome::Failed(failure),
        };
        match self.target.finish(self.seat, turn.job, &outcome, now) {
            Next::More => {
                if let Some(front) = self.turns.front_mut() {
                    front.job.forget();
                    self.allow_time();
                }
                None
            }
            Next::Rest => Some(Left::Idle(now)),
            Next::Close => {
                self.abandon(&outcome, now);
                Some(Left::Closed)
            }
        }
    }

    /// Settles the copies behind the one that ended the connection with `outcome`. Those that the target
    /// has not seen, or has said it does not take, are sent again; nobody knows what became of the others,
    /// so they have failed.
    fn abandon(&mut self, outcome: &Outcome, now: Time) {
        let failure = match outcome {
            Outcome::Answered(_) => Failure::Reset,
            Outcome::Failed(failure) => *failure,
        };
        self.target.give_back_given(self.seat);
        while let Some(turn) = self.turns.pop_back() {
            if self.closes || !turn.is_begun() {
                self.target.give_back(self.seat, turn.job);
            } else {
                self.target.forsake(self.seat, turn.job, failure, now);
            }
        }
    }

    /// Starts the reply timeout anew.
    fn allow_time(&mut self) {
        let due = self.now() + self.target.shared.config.reply_timeout;
        self.seat.set_due(Some(due));
    }

    fn now(&mut self) -> Time {
        *self.now.get_or_insert_with(|| self.target.now())
    }
}
