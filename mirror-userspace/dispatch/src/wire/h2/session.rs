//! The copies on one HTTP/2 connection.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use mirror_core::segment::Time;

use super::{
    block::Blocks,
    compose::Mark,
    flood::Flood,
    frames::{self, Code, FIRST_WINDOW},
    hearing::Heard,
    input::Input,
    settings::Settings,
    turn::{Turn, Writing},
};
use crate::{
    copy::{Copies, Job},
    wire::h1::reply,
};

/// Most copies on one connection, whatever the target allows: what a lost segment holds up.
pub(crate) const STREAMS: usize = 256;
/// Most of them before a target has said how many it allows: what it is to allow at least (RFC 9113 section
/// 6.5.2).
pub(crate) const STREAMS_AT_FIRST: usize = 100;
/// The highest stream number (section 5.1.1).
const LAST_STREAM: u32 = (1 << 31) - 1;

/// What a reply may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a reply; of its head by the measure of section 6.5.2.
    pub(crate) reply: reply::Limits,
    /// How long the target may take for each step until a reply's head is there.
    pub(crate) head_time: Duration,
    /// How long the rest of the reply may take, once the copy is written.
    pub(crate) body_time: Duration,
    /// Copies on the connection until the target says how many it allows.
    pub(crate) streams: usize,
}

/// What is under way on a connection. Holds, beside the copies, at most 64 KiB of frames that are to be written and
/// a header block of their largest size, 64 KiB of frames that answer the target's, a frame of 16 KiB and a header
/// block of 128 KiB that come in pieces, and the fields of a reply.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) limits: Limits,
    /// The copies that are under way, by their streams.
    pub(super) turns: BTreeMap<u32, Box<Turn>>,
    /// The stream of the next copy.
    pub(super) next: u32,
    /// Streams that are to be opened, in order.
    pub(super) unopened: VecDeque<u32>,
    /// How many are open.
    pub(super) opened: usize,
    /// How many of the copies are open-ended.
    open_ended: usize,
    /// Streams that have something to write, as far as is known.
    pub(super) ready: VecDeque<u32>,
    /// Streams that wait for the connection's window.
    pub(super) starved: VecDeque<u32>,
    /// Bytes of body that the connection's flow control lets through.
    pub(super) window: i64,
    pub(super) settings: Settings,
    /// Whether the target's settings have come.
    pub(super) greeted: bool,
    /// The target takes no more streams.
    pub(super) retired: bool,
    /// Frames that are to be written, from `at` on.
    pub(super) out: Vec<u8>,
    pub(super) at: usize,
    /// Bytes that were ever written.
    pub(super) written: u64,
    /// Nothing can be written any more.
    pub(super) mute: bool,
    /// Bytes were written that a layer below may hold.
    pub(super) unflushed: bool,
    /// What it means that bytes are written, in their order.
    pub(super) marks: VecDeque<Mark>,
    pub(super) input: Input,
    pub(super) blocks: Blocks,
    pub(super) heard: VecDeque<Heard>,
    /// Bytes of bodies that came since the connection's window was refreshed.
    pub(super) received: i64,
    pub(super) flood: Flood,
    dues: BTreeSet<(Time, u32)>,
}

impl Session {
    /// A connection begins: there is a greeting to write.
    pub(crate) fn new(limits: Limits) -> Self {
        let mut out = Vec::new();
        frames::greeting(&mut out, limits.reply.head);
        Self {
            limits,
            turns: BTreeMap::new(),
            next: 1,
            unopened: VecDeque::new(),
            opened: 0,
            open_ended: 0,
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            window: FIRST_WINDOW,
            settings: Settings::default(),
            greeted: false,
            retired: false,
            out,
            at: 0,
            written: 0,
            mute: false,
            unflushed: false,
            marks: VecDeque::new(),
            input: Input::default(),
            blocks: Blocks::new(limits.reply.head),
            heard: VecDeque::new(),
            received: 0,
            flood: Flood::default(),
            dues: BTreeSet::new(),
        }
    }

    /// How many copies there are.
    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }

    /// Whether there is no copy.
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// How many copies are open-ended.
    pub(crate) const fn open_ended(&self) -> usize {
        self.open_ended
    }

    /// Whether anything was written, and not a word of HTTP/2 has come.
    pub(crate) const fn is_unheard(&self) -> bool {
        self.written > 0 && !self.greeted && self.input.is_untouched()
    }

    /// Whether the target has spoken HTTP/2.
    pub(crate) const fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// Copies whose reply's head has not come.
    #[cfg(debug_assertions)]
    pub(crate) fn unanswered(&self) -> usize {
        let turns = self.turns.values();
        turns.filter(|turn| !turn.answered).count()
    }

    /// The copies that are under way or wait for their stream.
    #[cfg(debug_assertions)]
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.turns.values().map(|turn| &turn.job)
    }

    /// Whether it takes no more copies. Those that it has go on.
    pub(crate) const fn is_retired(&self) -> bool {
        self.retired
    }

    /// It takes no more copies.
    pub(crate) const fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether it takes one more copy.
    pub(crate) fn has_room(&self) -> bool {
        let limit = match self.greeted {
            true => self.settings.streams.min(STREAMS),
            false => self.limits.streams.min(STREAMS),
        };
        !self.retired && self.turns.len() < limit && self.next < LAST_STREAM
    }

    /// The stream that the next copy will be on.
    pub(crate) const fn next_stream(&self) -> u32 {
        self.next
    }

    /// Puts a copy behind the others, which the target has time for from `now` on, if there is a connection.
    pub(crate) fn push(&mut self, job: Job, now: Option<Time>) {
        let stream = self.next;
        self.next = stream.saturating_add(2);
        self.open_ended += usize::from(job.is_open_ended());
        self.turns.insert(stream, Box::new(Turn::new(job)));
        self.unopened.push_back(stream);
        if let Some(now) = now {
            self.allow_time(stream, now, self.limits.head_time);
        }
    }

    /// There is a connection: the target has time for all that it was given from now on.
    pub(crate) fn handle_connected(&mut self, now: Time) {
        let streams: Vec<_> = self.turns.keys().copied().collect();
        for stream in streams {
            self.allow_time(stream, now, self.limits.head_time);
        }
    }

    /// The copy on a stream.
    pub(crate) fn turn_mut(&mut self, stream: u32) -> Option<&mut Turn> {
        self.turns.get_mut(&stream).map(|turn| &mut **turn)
    }

    /// Takes out a copy that is over.
    pub(crate) fn remove(&mut self, stream: u32) -> Option<Box<Turn>> {
        let turn = self.turns.remove(&stream)?;
        self.open_ended -= usize::from(turn.job.is_open_ended());
        if let Some(due) = turn.due {
            self.dues.remove(&(due, stream));
        }
        if turn.writing == Writing::Unopened {
            self.unopened.retain(|other| *other != stream);
        } else {
            self.opened -= 1;
        }
        Some(turn)
    }

    /// Takes out a copy that is given up, and tells the target so, if it knows of it.
    pub(crate) fn cancel(&mut self, stream: u32) -> Option<Box<Turn>> {
        self.reset(stream, Code::CANCEL);
        self.remove(stream)
    }

    /// Takes out the last copy, when the connection is over.
    pub(crate) fn pop_last(&mut self) -> Option<Box<Turn>> {
        let stream = *self.turns.last_key_value()?.0;
        self.remove(stream)
    }

    /// Closes a stream, if it is open.
    pub(super) fn reset(&mut self, stream: u32, code: Code) {
        let turn = self.turns.get(&stream);
        if turn.is_some_and(|turn| turn.writing != Writing::Unopened) {
            frames::reset(&mut self.out, stream, code);
        }
    }

    /// There is more of a streamed copy, or its end.
    pub(crate) fn handle_source(&mut self, stream: u32, now: Time, copies: &mut Copies) {
        let Some(turn) = self.turns.get_mut(&stream) else {
            return;
        };
        copies.set_unwritten(&mut turn.job);
        if turn.writing == Writing::Open && !turn.listed {
            turn.listed = true;
            self.ready.push_back(stream);
        }
        if turn.due.is_none() {
            self.allow_time(stream, now, self.limits.head_time);
        }
    }

    /// When the next copy is late.
    pub(crate) fn due(&self) -> Option<Time> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// A stream on which the target is late.
    pub(crate) fn late(&self, now: Time) -> Option<u32> {
        let (due, stream) = self.dues.first()?;
        (*due <= now).then_some(*stream)
    }

    /// The target has this long from now on.
    pub(super) fn allow_time(&mut self, stream: u32, now: Time, time: Duration) {
        self.set_due(stream, now, Some(now + time));
    }

    fn set_due(&mut self, stream: u32, now: Time, due: Option<Time>) {
        let Some(turn) = self.turns.get_mut(&stream) else {
            return;
        };
        turn.since = now;
        if turn.due == due {
            return;
        }
        if let Some(before) = turn.due {
            self.dues.remove(&(before, stream));
        }
        if let Some(due) = due {
            self.dues.insert((due, stream));
        }
        turn.due = due;
    }

    /// Bytes of a copy were written: the target has time for the next step, unless the source is to make it.
    pub(super) fn handle_progress(&mut self, stream: u32, now: Time, copies: &mut Copies) {
        let Some(turn) = self.turns.get_mut(&stream) else {
            return;
        };
        let Limits {
            head_time,
            body_time,
            ..
        } = self.limits;
        let due = match turn.writing {
            Writing::Ended if turn.written && turn.answered => Some(now + body_time),
            Writing::Open if copies.body(&turn.job).is_later() => {
                // It may be hours until more comes.
                copies.set_written(&mut turn.job);
                None
            }
            _ => Some(now + head_time),
        };
        self.set_due(stream, now, due);
    }
}
