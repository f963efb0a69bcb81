//! A mirror's share of a shard: its pipeline, its connections, and nothing that another mirror has.
//!
//! Its tasks run in a `LocalSet` of its own, whatever is done for it is done under [`Member::with`], and what it had is
//! dropped by [`panics::let_go`]: a panic is the end of this mirror alone, and with the set all of its tasks are gone.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
    time::Duration,
};

use anyhow::{Result, bail};
use mirror_core::{
    counters::RingCounters,
    ledger::Counted,
    pipeline::Pipeline,
    segment::{Segment, Time},
};
use mirror_dispatch::Dispatcher;
use tokio::{
    sync::oneshot,
    task::{LocalSet, spawn_local},
};

use super::{
    super::{clock, fault::Fault, lost::Lost, notice::Notice, panics, until::Until},
    NOTHING_DUE, TICK,
    control::{Command, Ended, MirrorId, ShardConfig},
};

/// A mirror on a shard.
pub(super) struct Member {
    pub(super) id: MirrorId,
    /// What was read of its attachments.
    pub(super) ring: RingCounters,
    /// Whether it is among those that are seen to at each tick.
    pub(super) is_awake: bool,
    /// Whether something of it was read in this turn.
    pub(super) was_read: bool,
    stages: Stages,
    tasks: Rc<LocalSet>,
    health: Health,
    /// To whoever drives its tasks, and sees to its end.
    ending: oneshot::Sender<Leaving>,
    /// Dropped last.
    ended: Ended,
}

/// What works for a mirror.
struct Stages {
    pipeline: Pipeline,
    dispatcher: Dispatcher,
    until: Until,
    notice: Notice,
    fault: Fault,
}

/// Whether something of a mirror panicked.
#[derive(Clone)]
pub(super) struct Health {
    own: Rc<Cell<bool>>,
    /// Of any mirror of the shard.
    pub(super) any: Rc<Cell<bool>>,
}

impl Health {
    fn of_one(any: &Rc<Cell<bool>>) -> Self {
        Self {
            own: Rc::default(),
            any: Rc::clone(any),
        }
    }

    fn note_panic(&self) {
        self.own.set(true);
        self.any.set(true);
    }
}

impl Member {
    /// A mirror whose tasks run from now on. To be called inside the shard's `LocalSet`.
    ///
    /// # Errors
    /// A target that can't be used.
    pub(super) fn new(
        id: MirrorId,
        config: ShardConfig,
        ended: Ended,
        any_panic: &Rc<Cell<bool>>,
        leaving: Weak<()>,
    ) -> Result<Self> {
        let ShardConfig {
            limits,
            policy,
            sink,
            dispatch,
        } = config;
        let tasks = Rc::new(LocalSet::new());
        let health = Health::of_one(any_panic);
        let built: Option<Result<_>> = panics::caught(|| {
            let _entered = tasks.enter();
            let pipeline = sink.pipeline(limits, policy, &dispatch);
            Ok(Stages {
                pipeline,
                fault: Fault::of(sink.targets()),
                dispatcher: sink.dispatcher(dispatch)?,
                until: Until::default(),
                notice: Notice::default(),
            })
        });
        let Some(stages) = built else {
            bail!("what is to mirror panicked when it was made");
        };
        let (ending, end) = oneshot::channel();
        spawn_local(drive(Rc::clone(&tasks), end, health.clone(), leaving));
        Ok(Self {
            id,
            ring: RingCounters::default(),
            is_awake: false,
            was_read: false,
            stages: stages?,
            tasks,
            health,
            ending,
            ended,
        })
    }

    /// Whether something of it panicked: what it still has is of no use.
    pub(super) fn has_panicked(&self) -> bool {
        self.health.own.get()
    }

    /// A segment was read.
    #[inline]
    pub(super) fn take(&mut self, segment: Segment<'_>) {
        self.with(|stages| {
            let segment = stages.until.cut(segment);
            stages.pipeline.handle_segment(segment.at, &segment);
            stages.hand_over();
        });
    }

    /// Segments were read, and those that brought them are still the last of their connections.
    pub(super) fn end_turn(&mut self) {
        self.was_read = false;
        self.with(|stages| {
            stages.hand_back();
            stages.fault.strike();
        });
    }

    /// Sees to what is due.
    pub(super) fn see_to_timeouts(&mut self, now: Time) {
        self.with(|stages| stages.see_to_timeouts(now));
    }

    /// Whether nothing can be due before the next round of all mirrors.
    pub(super) fn may_sleep(&self, now: Time) -> bool {
        if self.has_panicked() {
            return true;
        }
        let Stages {
            pipeline,
            dispatcher,
            ..
        } = &self.stages;
        let due = pipeline.poll_timeout();
        dispatcher.is_quiet() && due.is_none_or(|due| due.since(now) >= NOTHING_DUE)
    }

    /// The time until the next timeout.
    pub(super) fn until_due(&self, now: Time) -> Duration {
        if self.has_panicked() || !self.stages.dispatcher.is_quiet() {
            return TICK;
        }
        let due = self.stages.pipeline.poll_timeout();
        due.map_or(NOTHING_DUE, |due| due.since(now).clamp(TICK, NOTHING_DUE))
    }

    /// Whether the thread may sleep for some milliseconds, as far as this mirror goes.
    pub(super) fn may_nap(&self) -> bool {
        !self.has_panicked() && self.stages.dispatcher.may_nap()
    }

    /// Whether a long sleep would do harm where a short one does none.
    pub(super) fn wants_short_naps(&self) -> bool {
        !self.has_panicked() && self.stages.dispatcher.wants_short_naps()
    }

    /// The thread slept.
    pub(super) fn handle_nap(&mut self) {
        self.with(|stages| stages.dispatcher.handle_nap());
    }

    /// Does what it is told, but for what waits for the ring.
    pub(super) fn obey(&mut self, command: Command) {
        let ring = self.ring;
        // Whoever is gone need not be told.
        self.with(|stages| match command {
            Command::Snapshot(reply) => drop(reply.send(stages.report(ring))),
            Command::Lost(reply) => {
                stages.hand_back();
                drop(reply.send(Lost::of(&stages.pipeline, &stages.dispatcher)));
            }
            Command::SampleRate(rate, done) => {
                stages.pipeline.policy_mut().set_sample_rate(rate);
                let _gone = done.send(());
            }
            Command::Policy(policy, done) => {
                stages.pipeline.policy_mut().replace(*policy);
                let _gone = done.send(());
            }
            Command::EndAt(end, done) => {
                stages.until = Until(end);
                let _gone = done.send(());
            }
            Command::Addresses(target, addresses, done) => {
                stages.dispatcher.set_addresses(target, &addresses);
                let _gone = done.send(());
            }
            Command::MaxRps(most, done) => {
                stages.dispatcher.set_max_rps(most);
                let _gone = done.send(());
            }
            Command::BackOff(back_off, done) => {
                stages.dispatcher.set_back_off(back_off);
                let _gone = done.send(());
            }
            Command::Ended(attachment, done) => {
                stages.pipeline.end_attachment(clock::now(), attachment.0);
                stages.hand_over();
                let _gone = done.send(());
            }
            // See `leave`, which takes the mirror away.
            Command::Stop(last) => drop(last),
        });
    }

    /// Takes no more segments; what is in flight ends beside the shard's other mirrors.
    pub(super) fn leave(mut self, last: oneshot::Sender<Counted>) {
        self.with(|stages| {
            stages.pipeline.shutdown();
            stages.hand_over();
        });
        if self.has_panicked() {
            return panics::let_go(self);
        }
        let Self {
            stages,
            ring,
            ending,
            ended,
            ..
        } = self;
        // Nobody drives its tasks any more if one of them has just panicked.
        panics::let_go(ending.send(Leaving {
            stages,
            ring,
            last,
            _ended: ended,
        }));
    }

    /// Does something for this mirror; what panics there ends it.
    #[inline]
    fn with(&mut self, work: impl FnOnce(&mut Stages)) {
        if self.has_panicked() {
            return;
        }
        let _entered = self.tasks.enter();
        let stages = &mut self.stages;
        if panics::caught(|| work(stages)).is_none() {
            self.health.note_panic();
        }
    }
}

impl Stages {
    fn see_to_timeouts(&mut self, now: Time) {
        let due = self.pipeline.poll_timeout();
        if due.is_some_and(|due| due <= now) {
            self.pipeline.handle_timeout(now);
            self.hand_over();
        }
        self.dispatcher.tick();
        self.hand_back();
        if let Some(addresses) = self.dispatcher.poll_addresses() {
            self.pipeline.policy_mut().set_target_addresses(addresses);
        }
        if let Some(line) = self.notice.line(now, self.pipeline.counters()) {
            log::warn!("{line}");
        }
    }

    fn hand_over(&mut self) {
        while let Some(output) = self.pipeline.poll_output() {
            self.dispatcher.handle(output);
        }
    }

    /// What was lost of the copies goes back to the pipeline, which knows where they came from.
    fn hand_back(&mut self) {
        while let Some(lost) = self.dispatcher.poll_lost() {
            self.pipeline.handle_lost(lost);
        }
    }

    fn report(&self, ring: RingCounters) -> Counted {
        Counted {
            ring,
            flow: *self.pipeline.flow_counters(),
            pipeline: self.pipeline.counters().clone(),
            targets: self.dispatcher.snapshot(),
            comparison: self.dispatcher.comparison(),
            ..Counted::default()
        }
    }
}

/// A mirror that takes no more segments.
struct Leaving {
    stages: Stages,
    ring: RingCounters,
    last: oneshot::Sender<Counted>,
    _ended: Ended,
}

impl Leaving {
    async fn finish(mut self) {
        self.stages.dispatcher.shutdown().await;
        // Whoever is gone need not be told.
        drop(self.last.send(self.stages.report(self.ring)));
    }
}

/// Runs a mirror's tasks until it has left, or something of it panicked; `leaving` is held meanwhile.
async fn drive(
    tasks: Rc<LocalSet>,
    end: oneshot::Receiver<Leaving>,
    health: Health,
    leaving: Weak<()>,
) {
    let until_left = async {
        if let Ok(member) = end.await {
            let _leaves = leaving.upgrade();
            member.finish().await;
        }
    };
    let mut left = Box::pin(tasks.run_until(until_left));
    if panics::watched(left.as_mut()).await.is_none() {
        health.note_panic();
    }
    panics::let_go(left);
    panics::let_go(tasks);
}
