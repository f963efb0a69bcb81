//! A shard: one OS thread that drains its ring, runs its own pipeline and sends on its own
//! connections. Shards share nothing; they are asked for their counters.

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use anyhow::Context as _;
use mirror_capture::{AttachmentId, Batch, RingReader};
use mirror_core::{
    ledger::Counted,
    pipeline::{self, Pipeline},
    policy::Policy,
    segment::Time,
    value::Rate,
};
use mirror_dispatch::{DispatchConfig, Dispatcher};
use tokio::{
    sync::{mpsc, oneshot},
    task::LocalSet,
    time,
};

use super::{clock, fault::Fault, lost::Lost, notice::Notice, panics, sink::Sink, until::Until};

/// How much is taken from the ring before connections to targets get their turn: enough to pay for the
/// turn, but little enough that a reply waits well under a millisecond, and that a body is still in the
/// CPU's cache when it is written.
const BATCH: Batch = Batch {
    records: 64,
    bytes: 256 * 1024,
};

/// Turns without a record before a shard sleeps: in the first, replies that have arrived are read.
const TURNS_IN_VAIN: u32 = 1;

/// How often a shard handles timeouts while it has connections or copies that may time out.
const TICK: Duration = Duration::from_millis(20);

/// How long it sleeps when nothing can time out: the ring wakes it, and commands do.
const NOTHING_DUE: Duration = Duration::from_secs(1);

/// Between two looks for what the reader withholds, when it is to be read to the end.
const A_MOMENT: Duration = Duration::from_millis(1);

/// What every shard is built from.
#[derive(Clone)]
pub(super) struct ShardConfig {
    pub(super) limits: pipeline::Limits,
    pub(super) policy: Policy,
    pub(super) sink: Sink,
    pub(super) dispatch: DispatchConfig,
}

/// daemon --what to do--> shard
enum Control {
    Snapshot(oneshot::Sender<Counted>),
    Lost(oneshot::Sender<Lost>),
    SampleRate(Rate, oneshot::Sender<()>),
    Policy(Box<Policy>, oneshot::Sender<()>),
    /// Segments of clients that were captured from then on are another one's.
    EndAt(Time, oneshot::Sender<()>),
    /// The endpoints of a target, by its place among the targets.
    Addresses(usize, Arc<[SocketAddr]>),
    /// An attachment is detached: once what it left in the ring is read, its connections end.
    Ended(AttachmentId, oneshot::Sender<()>),
    Stop(oneshot::Sender<Counted>),
}

/// Tells the daemon of the shard's end when it is dropped: last in the thread, even after a panic.
pub(super) struct Ended(pub(super) mpsc::UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // A daemon that is gone need not be told.
        let _gone = self.0.send(());
    }
}

/// The daemon's end of a running shard.
pub(super) struct Shard {
    control: mpsc::Sender<Control>,
    thread: thread::JoinHandle<()>,
}

impl Shard {
    /// Starts the thread, and waits until its pipeline and dispatcher are ready.
    ///
    /// When it ends, however it does, `ended` is told.
    pub(super) async fn start(
        number: usize,
        config: ShardConfig,
        reader: RingReader,
        ended: Ended,
    ) -> anyhow::Result<Self> {
        let (control, commands) = mpsc::channel(4);
        let (ready, started) = oneshot::channel();
        panics::remember();
        let thread = thread::Builder::new()
            .name(format!("shard-{number}"))
            .spawn(move || {
                let _ended = ended;
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                match runtime {
                    Ok(runtime) => {
                        let local = LocalSet::new();
                        local.block_on(&runtime, serve(config, reader, commands, ready));
                    }
                    Err(error) => drop(ready.send(Err(error.into()))),
                }
            })
            .context("starting a shard's thread")?;
        started
            .await
            .context("a shard ended before it was ready")??;
        Ok(Self { control, thread })
    }

    /// The counters now, or `None` if the shard is gone.
    pub(super) async fn snapshot(&self) -> Option<Counted> {
        let (reply, report) = oneshot::channel();
        self.control.send(Control::Snapshot(reply)).await.ok()?;
        report.await.ok()
    }

    /// The last losses; `None` if the shard is gone.
    pub(super) async fn lost(&self) -> Option<Lost> {
        let (reply, lost) = oneshot::channel();
        self.control.send(Control::Lost(reply)).await.ok()?;
        lost.await.ok()
    }

    /// Has it decide at this rate; returns once it does. A shard that is gone decides nothing.
    pub(super) async fn set_sample_rate(&self, rate: Rate) {
        let (done, set) = oneshot::channel();
        let command = Control::SampleRate(rate, done);
        if self.control.send(command).await.is_ok() {
            let _gone = set.await;
        }
    }

    /// Has it decide by this policy; returns once it does. A shard that is gone decides nothing.
    pub(super) async fn set_policy(&self, policy: Policy) {
        let (done, set) = oneshot::channel();
        let command = Control::Policy(Box::new(policy), done);
        if self.control.send(command).await.is_ok() {
            let _gone = set.await;
        }
    }

    /// Has it take no requests that come after this moment; returns once it does. A shard that is gone takes none.
    pub(super) async fn end_at(&self, until: Time) {
        let (done, set) = oneshot::channel();
        if self.control.send(Control::EndAt(until, done)).await.is_ok() {
            let _gone = set.await;
        }
    }

    /// Sets the addresses of a target. Does nothing if the shard is gone.
    pub(super) async fn set_addresses(&self, target: usize, addresses: Arc<[SocketAddr]>) {
        let addresses = Control::Addresses(target, addresses);
        let _gone = self.control.send(addresses).await;
    }

    /// Ends the connections of a detached attachment, and returns once they have ended. A shard that is gone
    /// has none.
    pub(super) async fn end_attachment(&self, id: AttachmentId) {
        let (done, ended) = oneshot::channel();
        if self.control.send(Control::Ended(id, done)).await.is_ok() {
            let _gone = ended.await;
        }
    }

    /// Has the shard read what is left in the ring, wait a while for replies to copies in flight, and end.
    pub(super) async fn begin_stop(self) -> Stopping {
        let (last, report) = oneshot::channel();
        // A shard that is gone drops `last` with the command.
        let _gone = self.control.send(Control::Stop(last)).await;
        Stopping {
            report,
            thread: self.thread,
        }
    }
}

/// A shard that is stopping.
pub(super) struct Stopping {
    report: oneshot::Receiver<Counted>,
    thread: thread::JoinHandle<()>,
}

impl Stopping {
    /// Its last report, or `None` if it panicked.
    pub(super) async fn finish(self) -> Option<Counted> {
        let report = self.report.await.ok();
        self.thread.join().ok().and(report)
    }
}

async fn serve(
    config: ShardConfig,
    mut reader: RingReader,
    mut commands: mpsc::Receiver<Control>,
    ready: oneshot::Sender<anyhow::Result<()>>,
) {
    let mut pipeline = config
        .sink
        .pipeline(config.limits, config.policy, &config.dispatch);
    let fault = Fault::of(config.sink.targets());
    let mut dispatcher = match config.sink.dispatcher(config.dispatch) {
        Ok(dispatcher) => dispatcher,
        Err(error) => return drop(ready.send(Err(error))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    let mut until = Until::default();
    let mut tick = Time::default();
    let mut notice = Notice::default();
    let mut turns_in_vain = 0;
    // A task's panic is the shard's end: its connection would never end, nor the copies on it.
    while !panics::here() {
        let read = turn(&mut reader, until, &mut pipeline, &mut dispatcher);
        if read > 0 {
            fault.strike();
        }
        let now = clock::now();
        if tick <= now {
            tick = now + TICK;
            see_to_timeouts(now, &mut pipeline, &mut dispatcher);
            if let Some(line) = notice.line(now, pipeline.counters()) {
                log::warn!("{line}");
            }
        }
        turns_in_vain = if read > 0 { 0 } else { turns_in_vain + 1 };
        let command = if turns_in_vain <= TURNS_IN_VAIN {
            // Connections get their turn; a flood of segments must not keep commands out either.
            tokio::task::yield_now().await;
            commands.try_recv().ok()
        } else if dispatcher.may_nap()
            && let Some(nap) = reader.nap()
        {
            // The thread sleeps, not the task: a reply that comes meanwhile need not wake it.
            thread::sleep(nap);
            dispatcher.handle_nap();
            turns_in_vain = 0;
            None
        } else {
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    command => command,
                },
                () = reader.wait() => None,
                () = time::sleep(until_due(&pipeline, &dispatcher)) => None,
            }
        };
        match command {
            None => {}
            Some(Control::Snapshot(reply)) => {
                drop(reply.send(report(&reader, &pipeline, &dispatcher)))
            }
            Some(Control::Lost(reply)) => {
                hand_back(&mut pipeline, &mut dispatcher);
                drop(reply.send(Lost::of(&pipeline, &dispatcher)));
            }
            Some(Control::SampleRate(rate, done)) => {
                pipeline.policy_mut().set_sample_rate(rate);
                // A daemon that is gone need not be told.
                let _gone = done.send(());
            }
            Some(Control::Policy(policy, done)) => {
                pipeline.policy_mut().replace(*policy);
                // A daemon that is gone need not be told.
                let _gone = done.send(());
            }
            Some(Control::EndAt(end, done)) => {
                until = Until(end);
                // A daemon that is gone need not be told.
                let _gone = done.send(());
            }
            Some(Control::Addresses(target, addresses)) => {
                dispatcher.set_addresses(target, &addresses);
            }
            Some(Control::Ended(attachment, done)) => {
                read_what_is_there(&mut reader, until, &mut pipeline, &mut dispatcher).await;
                pipeline.end_attachment(clock::now(), attachment.0);
                hand_over(&mut pipeline, &mut dispatcher);
                // A daemon that is gone need not be told.
                let _gone = done.send(());
            }
            Some(Control::Stop(last)) => {
                read_what_is_there(&mut reader, until, &mut pipeline, &mut dispatcher).await;
                pipeline.shutdown();
                hand_over(&mut pipeline, &mut dispatcher);
                tokio::select! {
                    () = dispatcher.shutdown() => {}
                    () = panics::wait() => return,
                }
                return drop(last.send(report(&reader, &pipeline, &dispatcher)));
            }
        }
    }
}

/// Passes one batch of segments through the pipeline; returns how many records were read.
fn turn(
    reader: &mut RingReader,
    until: Until,
    pipeline: &mut Pipeline,
    dispatcher: &mut Dispatcher,
) -> usize {
    let read = reader.drain(clock::now(), BATCH, |segment| {
        pipeline.handle_segment(segment.at, &until.cut(segment));
        hand_over(pipeline, dispatcher);
    });
    if read > 0 {
        // While the last segments of their connections are those that brought them.
        hand_back(pipeline, dispatcher);
    }
    read
}

/// Reads what is in the ring now, and at most as much again as a ring holds of what arrives meanwhile.
async fn read_what_is_there(
    reader: &mut RingReader,
    until: Until,
    pipeline: &mut Pipeline,
    dispatcher: &mut Dispatcher,
) {
    let mut left = reader.capacity();
    while left > 0 {
        match turn(reader, until, pipeline, dispatcher) {
            0 if reader.withholds() => time::sleep(A_MOMENT).await,
            0 => return,
            read => left = left.saturating_sub(read),
        }
        tokio::task::yield_now().await;
    }
}

fn see_to_timeouts(now: Time, pipeline: &mut Pipeline, dispatcher: &mut Dispatcher) {
    if pipeline.poll_timeout().is_some_and(|due| due <= now) {
        pipeline.handle_timeout(now);
        hand_over(pipeline, dispatcher);
    }
    dispatcher.tick();
    hand_back(pipeline, dispatcher);
    if let Some(addresses) = dispatcher.poll_addresses() {
        pipeline.policy_mut().set_target_addresses(addresses);
    }
}

fn hand_over(pipeline: &mut Pipeline, dispatcher: &mut Dispatcher) {
    while let Some(output) = pipeline.poll_output() {
        dispatcher.handle(output);
    }
}

/// What was lost of the copies goes back to the pipeline, which knows where they came from.
fn hand_back(pipeline: &mut Pipeline, dispatcher: &mut Dispatcher) {
    while let Some(lost) = dispatcher.poll_lost() {
        pipeline.handle_lost(lost);
    }
}

/// The time until the next timeout.
fn until_due(pipeline: &Pipeline, dispatcher: &Dispatcher) -> Duration {
    if !dispatcher.is_quiet() {
        return TICK;
    }
    let due = pipeline.poll_timeout();
    due.map_or(NOTHING_DUE, |due| {
        due.since(clock::now()).clamp(TICK, NOTHING_DUE)
    })
}

fn report(reader: &RingReader, pipeline: &Pipeline, dispatcher: &Dispatcher) -> Counted {
    Counted {
        ring: reader.counters,
        flow: *pipeline.flow_counters(),
        pipeline: pipeline.counters().clone(),
        targets: dispatcher.snapshot(),
        comparison: dispatcher.comparison(),
        ..Counted::default()
    }
}
