//! The mirrors of a shard: whose each record is, who has something to do, and who leaves.

use std::{cell::Cell, mem, rc::Rc, time::Duration};

use mirror_capture::{AttachmentId, Mark, Read, RingReader};
use mirror_core::{ledger::Counted, segment::Time};
use tokio::sync::oneshot;

use super::{
    super::{clock, panics},
    BATCH, NOTHING_DUE, TICK,
    control::{Command, Control, Joining, MirrorId},
    member::Member,
    routes::{Routes, Table},
    unclaimed::{Unclaimed, UnclaimedRecords},
};

/// Mirrors that share a thread. Those without traffic or copies cost nothing per turn.
pub(super) struct Members {
    /// Each stays in its place while it is here.
    places: Vec<Option<Member>>,
    table: Table,
    /// The places of those that are seen to at each tick.
    awake: Vec<usize>,
    /// The places of those of which something was read in this turn.
    touched: Vec<usize>,
    ends: Vec<End>,
    unclaimed: Unclaimed,
    /// Whether something of one of them panicked.
    any_panic: Rc<Cell<bool>>,
    /// Held by each that has left and waits for the replies to its last copies.
    leaving: Rc<()>,
    tick: Time,
    /// When all are seen to next, those that sleep included.
    round: Time,
}

/// Something that ends once what is in the ring has been read.
struct End {
    mirror: MirrorId,
    kind: EndOf,
    /// What was in the ring when it was told: what comes meanwhile is not waited for.
    after: Mark,
}

enum EndOf {
    Attachment(AttachmentId, oneshot::Sender<()>),
    Mirror(oneshot::Sender<Counted>),
}

impl Members {
    pub(super) fn new(routes: Routes, unclaimed: UnclaimedRecords) -> Self {
        Self {
            places: Vec::new(),
            table: Table::new(routes),
            awake: Vec::new(),
            touched: Vec::new(),
            ends: Vec::new(),
            unclaimed: Unclaimed::new(unclaimed),
            any_panic: Rc::default(),
            leaving: Rc::default(),
            tick: Time::default(),
            round: Time::default(),
        }
    }

    /// Passes one batch of segments through the pipelines of those whose they are; returns how many records were
    /// read.
    pub(super) fn turn(&mut self, reader: &mut RingReader) -> usize {
        let now = clock::now();
        let Self {
            places,
            table,
            awake,
            touched,
            unclaimed,
            ..
        } = self;
        let count = reader.read(now, BATCH, |read| {
            let place = read
                .attachment()
                .and_then(|attachment| table.place(attachment, |id| place_of(places, id)));
            let Some((place, member)) = place.and_then(|place| {
                let member = places.get_mut(place)?.as_mut()?;
                Some((place, member))
            }) else {
                return unclaimed.count(&read);
            };
            if !member.was_read {
                member.was_read = true;
                touched.push(place);
                if wake(awake, place, member) {
                    member.see_to_timeouts(now);
                }
            }
            read.count(&mut member.ring);
            if let Read::Record(record) = read {
                member.take(record.segment);
            }
        });
        for place in touched.drain(..) {
            if let Some(Some(member)) = places.get_mut(place) {
                member.end_turn();
            }
        }
        count
    }

    /// Sees to what is due, and to those of which something panicked.
    pub(super) fn see_to_timeouts(&mut self, now: Time) {
        if self.any_panic.replace(false) {
            self.drop_panicked();
        }
        if now < self.tick {
            return;
        }
        self.tick = now + TICK;
        if self.round <= now {
            self.round = now + NOTHING_DUE;
            self.unclaimed.tell(now);
            self.wake_all();
        }
        let Self { places, awake, .. } = self;
        awake.retain(|&place| {
            let Some(Some(member)) = places.get_mut(place) else {
                return false;
            };
            member.see_to_timeouts(now);
            member.is_awake = !member.may_sleep(now);
            member.is_awake
        });
    }

    /// Ends what waits for the ring to be read, as far as it is.
    pub(super) fn finish_ends(&mut self, reader: &RingReader) {
        if self.ends.is_empty() {
            return;
        }
        for end in mem::take(&mut self.ends) {
            if !reader.is_past(end.after) {
                self.ends.push(end);
                continue;
            }
            match end.kind {
                EndOf::Attachment(attachment, done) => {
                    self.tell(end.mirror, Command::Ended(attachment, done));
                    self.table.forget(attachment);
                }
                EndOf::Mirror(last) => {
                    if let Some(member) = self.take(end.mirror) {
                        member.leave(last);
                    }
                }
            }
        }
    }

    /// Does what it is told. What is in the ring by now is read first where that matters.
    pub(super) fn obey(&mut self, control: Control, reader: &RingReader) {
        let (mirror, kind) = match control {
            Control::Join(joining) => return self.join(*joining),
            Control::Gone(mirror) => return panics::let_go(self.take(mirror)),
            Control::Tell(mirror, Command::Ended(attachment, done)) => {
                (mirror, EndOf::Attachment(attachment, done))
            }
            Control::Tell(mirror, Command::Stop(last)) => (mirror, EndOf::Mirror(last)),
            Control::Tell(mirror, command) => return self.tell(mirror, command),
        };
        self.ends.push(End {
            mirror,
            kind,
            after: reader.mark(),
        });
    }

    /// Whether the thread may sleep for some milliseconds: all copies are written, and the replies may wait in
    /// their sockets.
    pub(super) fn may_nap(&self) -> bool {
        Rc::strong_count(&self.leaving) == 1 && self.of_awake().all(Member::may_nap)
    }

    /// Whether it may sleep for no longer than that.
    pub(super) fn want_short_naps(&self) -> bool {
        self.of_awake().any(Member::wants_short_naps)
    }

    /// The thread slept.
    pub(super) fn handle_nap(&mut self) {
        for &place in &self.awake {
            if let Some(Some(member)) = self.places.get_mut(place) {
                member.handle_nap();
            }
        }
    }

    /// The time until the next timeout.
    pub(super) fn until_due(&self, now: Time) -> Duration {
        let due = self.of_awake().map(|member| member.until_due(now));
        due.min().unwrap_or(NOTHING_DUE)
    }

    fn of_awake(&self) -> impl Iterator<Item = &Member> {
        let awake = self.awake.iter();
        awake.filter_map(|&place| self.places.get(place)?.as_ref())
    }

    fn join(&mut self, joining: Joining) {
        let Joining {
            id,
            config,
            ended,
            ready,
        } = joining;
        let leaving = Rc::downgrade(&self.leaving);
        let member = match Member::new(id, config, ended, &self.any_panic, leaving) {
            Ok(member) => member,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let place = self.places.iter().position(Option::is_none);
        let place = place.unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        if let Some(vacant) = self.places.get_mut(place) {
            *vacant = Some(member);
        }
        // Whoever gave it up says that it is gone.
        let _gone = ready.send(Ok(()));
    }

    fn tell(&mut self, mirror: MirrorId, command: Command) {
        let Some(place) = place_of(&self.places, mirror) else {
            return;
        };
        if let Some(Some(member)) = self.places.get_mut(place) {
            member.obey(command);
            wake(&mut self.awake, place, member);
        }
    }

    fn wake_all(&mut self) {
        for (place, member) in self.places.iter_mut().enumerate() {
            if let Some(member) = member {
                wake(&mut self.awake, place, member);
            }
        }
    }

    fn drop_panicked(&mut self) {
        let all = self.places.iter().flatten();
        let panicked: Vec<_> = all
            .filter(|member| member.has_panicked())
            .map(|member| member.id)
            .collect();
        for mirror in panicked {
            panics::let_go(self.take(mirror));
        }
    }

    fn take(&mut self, mirror: MirrorId) -> Option<Member> {
        let place = place_of(&self.places, mirror)?;
        self.table.vacate(place);
        self.awake.retain(|&other| other != place);
        self.touched.retain(|&other| other != place);
        self.places.get_mut(place)?.take()
    }
}

/// The mirror at this place is seen to at each tick from now on. Returns whether it slept.
fn wake(awake: &mut Vec<usize>, place: usize, member: &mut Member) -> bool {
    let slept = !mem::replace(&mut member.is_awake, true);
    if slept {
        awake.push(place);
    }
    slept
}

fn place_of(places: &[Option<Member>], id: MirrorId) -> Option<usize> {
    let is_it = |member: &Option<Member>| member.as_ref().is_some_and(|it| it.id == id);
    places.iter().position(is_it)
}
