//! One copy written and its reply read, on one connection.
//!
//! Both go on at the same time, since a target may answer before it has the whole body. The copy
//! is written straight from the pieces that it came in; the reply is read into the shard's scratch
//! and forgotten. A small request on a connection in use costs one write and one read.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::ReadBuf;

use super::{
    connection::Transport,
    job::{Job, Source},
    meter::Stopwatch,
    outcome::{After, Answer, Failure, Outcome},
    reply::{Limits, Reply, ReplyReader, Step},
    seat::Seat,
    target::Target,
};
use crate::segment::Time;

/// Pieces that one system call writes, at most.
const PIECES: usize = 16;

/// One copy being sent.
pub(super) struct Exchange<'a, S> {
    target: &'a Target,
    seat: &'a Seat,
    stream: &'a mut S,
    job: &'a mut Job,
    writing: Writing,
    reader: ReplyReader,
    /// A reply that was complete before the copy was written.
    early: Option<Reply>,
    /// Since the first byte was written.
    stopwatch: Option<Stopwatch<'a>>,
    /// The clock as it was read in this poll.
    now: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// There is more to write, now or later.
    Bytes,
    /// All is handed over, TLS may still hold some of it.
    Flush,
    Done,
    /// The target does not read any more; it may still have answered.
    GivenUp,
}

impl<'a, S: Transport> Exchange<'a, S> {
    pub(super) fn new(
        target: &'a Target,
        seat: &'a Seat,
        stream: &'a mut S,
        job: &'a mut Job,
        now: Time,
    ) -> Self {
        let config = &target.shared.config;
        let limits = Limits {
            head: config.reply_head,
            body: config.reply_body,
        };
        seat.set_due(Some(now + config.reply_timeout));
        let reader = ReplyReader::new(job.expect, limits);
        Self {
            target,
            seat,
            stream,
            job,
            writing: Writing::Bytes,
            reader,
            early: None,
            stopwatch: None,
            now: Some(now),
        }
    }

    /// How it ended, and when.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Outcome, Time)> {
        let outcome = ready!(self.poll_outcome(cx));
        let now = self.now();
        let outcome = match outcome {
            Ok((status, connection)) => Outcome::Answered(Answer {
                status,
                latency: self.stopwatch.take().and_then(|watch| watch.stop(now)),
                connection,
            }),
            Err(failure) => Outcome::Failed(failure),
        };
        Poll::Ready((outcome, now))
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<(u16, After), Failure>> {
        let stop = self.seat.poll_stop(cx).map(Failure::from);
        let failure = stop.or_else(|| self.write(cx).err());
        // Once it is answered, what becomes of the rest of the copy is between v1 and its client.
        match (failure, self.early) {
            (Some(_), Some(early)) => return Poll::Ready(Ok((early.status, After::Spent))),
            (Some(failure), None) => return Poll::Ready(Err(failure)),
            (None, Some(early)) if self.writing == Writing::Done => {
                return Poll::Ready(Ok((early.status, After::Reusable)));
            }
            (None, Some(early)) if self.writing == Writing::GivenUp => {
                return Poll::Ready(Ok((early.status, After::Spent)));
            }
            (None, _) => {}
        }
        // What follows happens later than what was written.
        self.now = None;
        self.poll_reply(cx)
    }

    /// Writes what there is, until the target or the source makes it wait.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        while self.writing == Writing::Bytes {
            match self.job.source() {
                Source::Bytes => match self.poll_write(cx) {
                    Poll::Ready(Ok(written)) if written > 0 => self.handle_written(),
                    Poll::Ready(_) => self.end_writing(Writing::GivenUp),
                    Poll::Pending => {
                        // The source may break off while the target does not read.
                        self.job.wake_on_more(cx.waker());
                        if self.seat.due().is_none() {
                            self.allow_time();
                        }
                        return Ok(());
                    }
                },
                Source::Later => {
                    // The source may take its time; the target has nothing to be late with.
                    self.seat.set_due(None);
                    self.job.wake_on_more(cx.waker());
                    if let Poll::Ready(Err(_)) = Pin::new(&mut *self.stream).poll_flush(cx) {
                        self.end_writing(Writing::GivenUp);
                    }
                    return Ok(());
                }
                Source::End => self.writing = Writing::Flush,
                Source::Broken(why) => return Err(why.into()),
            }
        }
        if self.writing == Writing::Flush {
            match Pin::new(&mut *self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.end_writing(Writing::Done);
                    self.allow_time();
                }
                Poll::Ready(Err(_)) => self.end_writing(Writing::GivenUp),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    fn end_writing(&mut self, how: Writing) {
        self.writing = how;
        self.job.set_written();
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut *self.stream);
        self.job.write_with(|outgoing| {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let filled = outgoing.fill(&mut slices);
            let written = ready!(match slices.get(..filled).unwrap_or_default() {
                [single] => stream.poll_write(cx, single),
                several => stream.poll_write_vectored(cx, several),
            })?;
            outgoing.advance(written);
            Poll::Ready(Ok(written))
        })
    }

    fn handle_written(&mut self) {
        let now = self.now();
        if self.stopwatch.is_none() {
            self.stopwatch = Some(self.target.shared.meter.start(now));
            self.target.handle_begun(now.since(self.job.at));
        }
        self.allow_time();
    }

    /// Reads until the reply ends or the target makes it wait.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<(u16, After), Failure>> {
        loop {
            let mut scratch = self.target.shared.scratch.borrow_mut();
            let mut buffer = ReadBuf::new(&mut scratch);
            let bytes = match ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) => buffer.filled(),
                // A TLS peer that closes without saying so: the same as without TLS.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => &[],
                Err(_) if self.early.is_none() => return Poll::Ready(Err(Failure::Reset)),
                Err(_) => &[],
            };
            if let Some(early) = self.early {
                // Closed, or more than was asked for.
                return Poll::Ready(Ok((early.status, After::Spent)));
            }
            if bytes.is_empty() {
                return Poll::Ready(match self.reader.handle_close() {
                    Some(reply) => Ok((reply.status, After::Spent)),
                    None => Err(Failure::Reset),
                });
            }
            match self.reader.handle_data(bytes) {
                Ok(Step::More) => {}
                Ok(Step::Complete(reply, used)) => {
                    if !reply.reusable || used < bytes.len() {
                        return Poll::Ready(Ok((reply.status, After::Spent)));
                    }
                    match self.writing {
                        Writing::Done => return Poll::Ready(Ok((reply.status, After::Reusable))),
                        Writing::GivenUp => return Poll::Ready(Ok((reply.status, After::Spent))),
                        // The framing of the connection wants the rest of the copy.
                        Writing::Bytes | Writing::Flush => self.early = Some(reply),
                    }
                }
                Ok(Step::Cut(reply)) => return Poll::Ready(Ok((reply.status, After::Cut))),
                Err(_) => return Poll::Ready(Err(Failure::BadReply)),
            }
        }
    }

    fn allow_time(&mut self) {
        let due = self.now() + self.target.shared.config.reply_timeout;
        self.seat.set_due(Some(due));
    }

    fn now(&mut self) -> Time {
        *self.now.get_or_insert_with(|| self.target.now())
    }
}
