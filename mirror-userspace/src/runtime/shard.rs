//! A shard: one OS thread that drains its ring, runs its own pipeline and sends on its own
//! connections. Shards share nothing; they are asked for their counters.

use std::{rc::Rc, thread, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::{mpsc, oneshot},
    task::LocalSet,
    time,
};

use super::{addresses::addresses, clock};
use crate::{
    capture::RingReader,
    dispatch::{DispatchConfig, Dispatcher, SystemResolver},
    ledger::Counted,
    pipeline::{Limits, Pipeline},
    policy::{Policy, PolicyConfig, Rate},
    record::{RecordTo, Recorder},
    segment::Time,
    target::TargetSpec,
};

/// Records taken from the ring before connections to the target get their turn. Large enough to
/// pay for the turn, small enough that a reply waits well under a millisecond.
const BATCH: usize = 64;

/// How long a shard that has nothing to do sleeps at most: its timers are no finer than this.
const COARSEST_TICK: Duration = Duration::from_millis(100);

/// What every shard is built from.
#[derive(Clone)]
pub(super) struct ShardConfig {
    pub(super) limits: Limits,
    pub(super) policy: PolicyConfig,
    pub(super) targets: Vec<TargetSpec>,
    pub(super) dispatch: DispatchConfig,
    pub(super) record: Option<RecordTo>,
}

/// daemon --what to do--> shard
enum Control {
    Snapshot(oneshot::Sender<Counted>),
    SetRate(Rate),
    Stop(oneshot::Sender<Counted>),
}

/// The daemon's end of a running shard.
pub(super) struct Shard {
    control: mpsc::Sender<Control>,
    thread: thread::JoinHandle<()>,
}

impl Shard {
    /// Starts the thread, and waits until its pipeline and dispatcher stand.
    pub(super) async fn start(
        number: usize,
        config: ShardConfig,
        reader: RingReader,
    ) -> anyhow::Result<Self> {
        let (control, commands) = mpsc::channel(4);
        let (ready, started) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("shard-{number}"))
            .spawn(move || {
                let run = || -> anyhow::Result<_> {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?;
                    Ok((runtime, Policy::new(config.policy.clone())?))
                };
                match run() {
                    Ok((runtime, policy)) => {
                        let local = LocalSet::new();
                        local.block_on(&runtime, serve(config, policy, reader, commands, ready));
                    }
                    Err(error) => drop(ready.send(Err(error))),
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

    /// Changes the rate of every target that has none of its own.
    pub(super) async fn set_rate(&self, rate: Rate) {
        // A shard that is gone has nothing to sample.
        let _gone = self.control.send(Control::SetRate(rate)).await;
    }

    /// Reads what is left in the ring, lets copies under way be answered for a while, and ends.
    pub(super) async fn stop(self) -> Option<Counted> {
        let (last, report) = oneshot::channel();
        self.control.send(Control::Stop(last)).await.ok()?;
        let report = report.await.ok();
        if self.thread.join().is_err() {
            log::error!("a shard panicked while it ended");
        }
        report
    }
}

async fn serve(
    config: ShardConfig,
    policy: Policy,
    mut reader: RingReader,
    mut commands: mpsc::Receiver<Control>,
    ready: oneshot::Sender<anyhow::Result<()>>,
) {
    let mut pipeline = match config.record {
        None => Pipeline::new(config.limits, policy),
        Some(to) => {
            let mut pipeline = Pipeline::observing(config.limits, policy);
            pipeline.observe(Box::new(Recorder::new(to)));
            pipeline
        }
    };
    let mut dispatcher = match Dispatcher::new(
        config.dispatch,
        addresses(&config.targets),
        clock::now,
        Rc::new(SystemResolver),
    ) {
        Ok(dispatcher) => dispatcher,
        Err(error) => return drop(ready.send(Err(error))),
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    loop {
        let read = turn(&mut reader, &mut pipeline, &mut dispatcher);
        let command = if read > 0 {
            // Connections get their turn; a flood of segments must not keep commands out either.
            tokio::task::yield_now().await;
            commands.try_recv().ok()
        } else {
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    command => command,
                },
                () = reader.wait() => None,
                () = time::sleep(until(pipeline.poll_timeout())) => None,
            }
        };
        match command {
            None => {}
            Some(Control::Snapshot(reply)) => {
                drop(reply.send(report(&reader, &pipeline, &dispatcher)))
            }
            Some(Control::SetRate(rate)) => pipeline.policy_mut().set_sample_rate(rate),
            Some(Control::Stop(last)) => {
                while turn(&mut reader, &mut pipeline, &mut dispatcher) > 0 {
                    tokio::task::yield_now().await;
                }
                pipeline.shutdown();
                hand_over(&mut pipeline, &mut dispatcher);
                dispatcher.shutdown().await;
                return drop(last.send(report(&reader, &pipeline, &dispatcher)));
            }
        }
    }
}

/// One batch of segments through the pipeline. Says how many records were read.
fn turn(reader: &mut RingReader, pipeline: &mut Pipeline, dispatcher: &mut Dispatcher) -> usize {
    let read = reader.drain(BATCH, |segment| {
        pipeline.handle_segment(segment.at, &segment);
        hand_over(pipeline, dispatcher);
    });
    let now = clock::now();
    if pipeline.poll_timeout().is_some_and(|due| due <= now) {
        pipeline.handle_timeout(now);
        hand_over(pipeline, dispatcher);
    }
    read
}

fn hand_over(pipeline: &mut Pipeline, dispatcher: &mut Dispatcher) {
    while let Some(output) = pipeline.poll_output() {
        dispatcher.handle(output);
    }
}

fn until(due: Option<Time>) -> Duration {
    due.map_or(COARSEST_TICK, |due| {
        due.since(clock::now()).min(COARSEST_TICK)
    })
}

fn report(reader: &RingReader, pipeline: &Pipeline, dispatcher: &Dispatcher) -> Counted {
    Counted {
        ring: reader.counters,
        flow: *pipeline.flow_counters(),
        pipeline: pipeline.counters().clone(),
        targets: dispatcher.snapshot(),
        ..Counted::default()
    }
}
