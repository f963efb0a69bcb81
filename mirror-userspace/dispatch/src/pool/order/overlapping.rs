//! Copies in HTTP/2 that wait: they overlap, and wait for nothing but a connection.

use std::collections::VecDeque;

use crate::copy::Job;

/// The oldest first. Those that are open-ended do not keep others waiting.
#[derive(Debug, Default)]
pub(super) struct Overlapping {
    others: VecDeque<Job>,
    open_ended: VecDeque<Job>,
}

impl Overlapping {
    pub(super) fn is_empty(&self) -> bool {
        self.others.is_empty() && self.open_ended.is_empty()
    }

    /// How many are open-ended.
    pub(super) fn open_ended(&self) -> usize {
        self.open_ended.len()
    }

    #[cfg(debug_assertions)]
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.others.iter().chain(&self.open_ended)
    }

    fn like(&mut self, job: &Job) -> &mut VecDeque<Job> {
        match job.is_open_ended() {
            true => &mut self.open_ended,
            false => &mut self.others,
        }
    }

    /// Puts a copy where its age puts it: mostly at the end. One that was taken and not sent after all comes back in any
    /// order, as a target that takes some of them at a time would otherwise keep others waiting for ever.
    pub(super) fn push(&mut self, job: Job) {
        let waiting = self.like(&job);
        let place = match waiting.back() {
            Some(last) if last.id.0 > job.id.0 => {
                waiting.partition_point(|other| other.id.0 < job.id.0)
            }
            _ => return waiting.push_back(job),
        };
        waiting.insert(place, job);
    }

    /// The oldest; of those that are not open-ended, unless others may be taken, too.
    pub(super) fn pop(&mut self, open_ended: bool) -> Option<Job> {
        let age = |job: Option<&Job>| job.map_or(u64::MAX, |job| job.id.0);
        let older = age(self.open_ended.front()) < age(self.others.front());
        match open_ended && older {
            true => self.open_ended.pop_front(),
            false => self.others.pop_front(),
        }
    }

    /// Takes out all.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Job> {
        self.others.drain(..).chain(self.open_ended.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::pipeline::CopyId;

    use super::*;
    use crate::{copy::Copies, pool::order::tests::http2};

    #[test]
    fn what_is_open_ended_keeps_nobody_waiting() {
        let copies = &mut Copies::default();
        let mut waiting = Overlapping::default();
        for (number, streamed) in [(1, true), (2, false), (3, true), (4, false)] {
            waiting.push(http2(copies, 1, number, streamed));
        }
        let mut take = |open_ended| {
            let job = waiting.pop(open_ended)?;
            let id = job.id;
            copies.end(job);
            Some(id)
        };
        assert_eq!(take(false), Some(CopyId(2)));
        assert_eq!(take(true), Some(CopyId(1)), "the oldest");
        assert_eq!(take(false), Some(CopyId(4)));
        assert_eq!(take(false), None);
        assert_eq!(take(true), Some(CopyId(3)));
    }
}
