//! A capture file instead of an interface: the same pipeline and dispatcher, another clock.
//!
//! ```text
//! reader thread ──Read──► pace ─► Playback (Pipeline) ──Output──► Dispatcher
//! ```
//!
//! Files and pipes may block for any length of time, so a thread reads them; it is never more than a few
//! hundred segments ahead. At `--speed max` the target sets the pace: each step waits until there is room
//! for it. If a target makes no progress for as long as a reply may take, nothing waits for it any more;
//! copies are then dropped and counted, as in a live mirror.

mod pace;
mod reader;

use std::{io, path::PathBuf, time::Duration};

use mirror_capture::file::OpenError;
use mirror_core::{
    counters::{FileCounters, NotRead},
    ledger::{Counted, Ledger, Names},
    pipeline::{self, Output},
    policy::PolicyConfig,
    verdict::Terms,
};
use mirror_dispatch::{DispatchConfig, Dispatcher};
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

pub use pace::Speed;
pub use reader::{Position, Select};

use super::{clock, sink::Sink};
use crate::playback::{Playback, Printer, RequestLine};
use pace::Pace;
use reader::{Read, Taken};

/// How often timeouts are handled, and how long one [`turn`](Replay::turn) takes at most.
const TICK: Duration = Duration::from_millis(20);

/// How often to check whether there is room by now.
const ROOM_STEP: Duration = Duration::from_millis(1);

/// Segments taken before connections to the target get their turn.
const BATCH: usize = 64;

/// What is replayed, and how.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// The capture; `-` is standard input.
    pub file: PathBuf,
    /// What of it is read.
    pub select: Select,
    /// The limits of the pipeline.
    pub limits: pipeline::Limits,
    /// Sampling, filters and rewrites.
    pub policy: PolicyConfig,
    /// Whether copies are sent, recorded or only looked at.
    pub sink: Sink,
    /// How they get there.
    pub dispatch: DispatchConfig,
    /// How a baseline is compared with a candidate, where targets are that.
    pub terms: Terms,
    /// How fast requests are sent again.
    pub speed: Speed,
}

/// Takes a line for each request.
pub type Print = Box<dyn FnMut(RequestLine)>;

/// A running replay, which must be driven inside a [`LocalSet`](tokio::task::LocalSet).
pub struct Replay {
    reads: mpsc::Receiver<Read>,
    position: Position,
    playback: Playback,
    dispatcher: Dispatcher,
    names: Names,
    pace: Pace,
    /// The longest wait for room: longer than any copy takes that is not itself waiting for more.
    patience: Duration,
    /// Since when room is waited for.
    waiting: Option<Instant>,
    ticked: Instant,
    /// Read, and its time not yet come.
    next: Option<Box<Taken>>,
    /// Put out by the pipeline, and no room for it yet.
    held: Option<Output>,
    stage: Stage,
    counted: FileCounters,
    /// What else the file had: known at its end.
    beside: NotRead,
    read: u64,
}

#[derive(Debug)]
enum Stage {
    Reading,
    /// The file is read; copies are still in flight.
    Sending(io::Result<()>),
    Done,
}

/// What there is left to do after a turn.
#[derive(Debug)]
pub enum Turn {
    /// The file goes on: take another turn.
    Going,
    /// Nothing: the file ended or could not be read further, and every copy was answered or given up.
    Done(io::Result<()>),
}

impl Replay {
    /// Opens the capture, which for standard input takes until its first bytes arrive.
    ///
    /// # Errors
    /// An [`OpenError`], or a policy or target that can't be used.
    pub async fn open(config: ReplayConfig, print: Option<Print>) -> anyhow::Result<Self> {
        let policy = config.sink.policy(config.policy)?;
        let names = config.sink.names(&policy, &config.dispatch, config.terms);
        let mut pipeline = config
            .sink
            .pipeline(config.limits, policy, &config.dispatch);
        if let Some(print) = print {
            pipeline.observe(Box::new(Printer::new(pipeline.budget().clone(), print)));
        }
        let patience = config.dispatch.connect_timeout + 2 * config.dispatch.reply_timeout;
        let dispatcher = config.sink.dispatcher(config.dispatch)?;
        let pace = match config.sink {
            Sink::Targets(_) => config.speed,
            Sink::Record(_) | Sink::Look => Speed::Max,
        };
        let (reads, position) = reader::start(config.file, config.select).await?;
        Ok(Self {
            reads,
            position,
            playback: Playback::new(pipeline),
            dispatcher,
            names,
            pace: Pace::new(pace),
            patience,
            waiting: None,
            ticked: Instant::now(),
            next: None,
            held: None,
            stage: Stage::Reading,
            counted: FileCounters::default(),
            beside: NotRead::default(),
            read: 0,
        })
    }

    /// How far the file is read.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Goes on for a short while. Can be cancelled at any time without losing anything.
    pub async fn turn(&mut self) -> Turn {
        // Timeouts of the target are handled however long a file or a pipe keeps us waiting.
        let advanced = time::timeout(TICK, self.advance()).await;
        if self.ticked.elapsed() >= TICK {
            self.ticked = Instant::now();
            self.dispatcher.tick();
        }
        match advanced {
            Ok(Some(outcome)) => Turn::Done(outcome),
            Ok(None) | Err(_) => Turn::Going,
        }
    }

    /// The books as they stand.
    #[must_use]
    pub fn ledger(&mut self) -> Ledger {
        let pipeline = self.playback.pipeline();
        let counted = Counted {
            flow: *pipeline.flow_counters(),
            pipeline: pipeline.counters().clone(),
            targets: self.dispatcher.snapshot(),
            comparison: self.dispatcher.comparison(),
            ..Counted::default()
        };
        Ledger::new(&counted, &self.names).with_file(&self.counted, &self.beside, self.read)
    }

    /// Ends the replay wherever it is; copies in flight may still be answered for a while.
    pub async fn stop(&mut self) -> Ledger {
        self.playback.pipeline().shutdown();
        while let Some(output) = self.next_output() {
            self.dispatcher.handle(output);
        }
        self.dispatcher.shutdown().await;
        self.ledger().at_end()
    }

    /// Some segments on; `Some` when all is done.
    async fn advance(&mut self) -> Option<io::Result<()>> {
        for _ in 0..BATCH {
            self.hand_over().await;
            match &mut self.stage {
                Stage::Reading => self.read_on().await,
                Stage::Sending(_) => {
                    while !self.dispatcher.is_quiet() {
                        time::sleep(ROOM_STEP).await;
                    }
                    match std::mem::replace(&mut self.stage, Stage::Done) {
                        Stage::Sending(outcome) => return Some(outcome),
                        Stage::Reading | Stage::Done => {}
                    }
                }
                Stage::Done => return Some(Ok(())),
            }
        }
        tokio::task::yield_now().await;
        None
    }

    /// The next segment, when its time has come.
    async fn read_on(&mut self) {
        if self.next.is_none() {
            match self.reads.recv().await {
                Some(Read::Segment(segment)) => self.next = Some(segment),
                Some(Read::End(outcome, counted)) => {
                    (self.counted, self.beside) = *counted;
                    self.playback.pipeline().shutdown();
                    self.stage = Stage::Sending(outcome);
                    return;
                }
                None => {
                    self.stage = Stage::Sending(Err(io::Error::other("the reader is gone")));
                    return;
                }
            }
        }
        if let Some(due) = self.next.as_ref().and_then(|next| self.pace.due(next.at())) {
            time::sleep_until(due).await;
        }
        if self.pace.is_targets() {
            self.wait_until(Self::has_memory).await;
        }
        if let Some(next) = self.next.take() {
            next.hand_to(&mut self.playback);
            self.read += u64::from(next.is_from_client());
            self.counted = next.counted;
        }
    }

    async fn hand_over(&mut self) {
        loop {
            self.held = self.next_output();
            if self.held.is_none() {
                return;
            }
            if self.pace.is_targets() {
                self.wait_until(Self::has_room).await;
            }
            if let Some(mut output) = self.held.take() {
                if let Output::Copy(copy) = &mut output {
                    // From here on the clock is ours, not the file's.
                    copy.at = clock::now();
                }
                self.dispatcher.handle(output);
            }
        }
    }

    fn next_output(&mut self) -> Option<Output> {
        self.held
            .take()
            .or_else(|| self.playback.pipeline().poll_output())
    }

    fn has_room(&mut self) -> bool {
        let held = self.held.as_ref();
        held.is_none_or(|output| self.dispatcher.has_room(output))
    }

    /// Half of the memory is for copies that wait for the target, half for requests that wait for segments.
    fn has_memory(&mut self) -> bool {
        let budget = self.playback.pipeline().budget();
        budget.used() <= budget.limit() / 2 || self.dispatcher.is_quiet()
    }

    async fn wait_until(&mut self, is_so: fn(&mut Self) -> bool) {
        while !is_so(self) {
            let since = *self.waiting.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.patience {
                break;
            }
            time::sleep(ROOM_STEP).await;
        }
        self.waiting = None;
    }
}

/// Whether an error says that there is no capture to replay.
#[must_use]
pub fn is_no_capture(error: &anyhow::Error) -> bool {
    error.is::<OpenError>()
}
