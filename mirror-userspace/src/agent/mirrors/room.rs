//! What the mirrors of documents may take up on this node, and each namespace's fair share of it.
//!
//! A mirror takes memory once its first pod comes, whether or not there are requests, with rings of its own most of all; so
//! of these there are as many as there is room for, and who has most gives way to who has less. What its
//! connections and copies take comes and goes: they draw on a pool, of which each namespace that
//! mirrors has an equal part.

use std::collections::BTreeMap;

use mirror_core::budget::Pool;
use mirror_kubernetes::cluster::{Room as Space, RuleId, Shares};

/// What the mirrors of documents may take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rooms {
    /// Bytes of memory: half for daemons and rings of their own, half for connections and copies. Default: 224 MiB.
    pub memory: usize,
    /// The most interfaces that the mirrors of one namespace are attached to. Default: 128.
    pub attachments: usize,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            memory: 224 << 20,
            attachments: 128,
        }
    }
}

/// Who has how much of it.
#[derive(Debug)]
pub(super) struct Room {
    daemons: Shares,
    running: BTreeMap<RuleId, Running>,
    attachments: BTreeMap<String, usize>,
    most_attachments: usize,
    copies: Pool,
    parts: BTreeMap<String, Part>,
    started: u64,
}

/// What a namespace may take of it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// For connections, copies, and replies.
    pub(super) copies: Pool,
    /// What of that may be replies that wait to be compared: whatever they are, the rest is there for copies.
    pub(super) replies: Pool,
}

impl Part {
    /// How much of it may be replies: a quarter.
    const REPLIES: usize = 4;

    fn set_limit(&self, limit: usize) {
        self.copies.set_limit(limit);
        self.replies.set_limit(limit / Self::REPLIES);
    }
}

#[derive(Debug)]
struct Running {
    namespace: String,
    bytes: usize,
    /// Which of them started last.
    order: u64,
}

/// Whether a mirror may start.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has what it needs.
    Admitted,
    /// Once this other one has stopped.
    After(RuleId),
    /// For this reason, not.
    Refused(String),
}

impl Room {
    pub(super) fn new(rooms: Rooms) -> Self {
        let half = rooms.memory / 2;
        Self {
            daemons: Shares::new(half, half),
            running: BTreeMap::new(),
            attachments: BTreeMap::new(),
            most_attachments: rooms.attachments,
            copies: Pool::new(rooms.memory - half),
            parts: BTreeMap::new(),
            started: 0,
        }
    }

    /// Takes what the mirror of a rule needs, so many bytes, unless it has it already.
    pub(super) fn admit(&mut self, rule: RuleId, namespace: &str, bytes: usize) -> Admission {
        if self.running.contains_key(&rule) {
            return Admission::Admitted;
        }
        match self.daemons.room(namespace, bytes) {
            Space::Enough => {}
            Space::After(greedy) => {
                let last = self.running.iter().filter(|(_, it)| it.namespace == greedy);
                if let Some((last, _)) = last.max_by_key(|(_, it)| it.order) {
                    return Admission::After(*last);
                }
                return Admission::Refused(self.full(namespace));
            }
            Space::None => return Admission::Refused(self.full(namespace)),
        }
        self.daemons.take(namespace, bytes);
        self.started += 1;
        let running = Running {
            namespace: namespace.to_owned(),
            bytes,
            order: self.started,
        };
        self.running.insert(rule, running);
        self.share_copies();
        Admission::Admitted
    }

    fn full(&self, namespace: &str) -> String {
        let whole = self.daemons.whole() >> 20;
        format!(
            "the mirrors of namespace {namespace} have their share of the {whole} MiB for \
             documents' mirrors on a node: see --documents-memory, --max-memory and --rings"
        )
    }

    /// The mirror has stopped.
    pub(super) fn leave(&mut self, rule: RuleId) {
        if let Some(Running {
            namespace, bytes, ..
        }) = self.running.remove(&rule)
        {
            self.daemons.give_back(&namespace, bytes);
            self.share_copies();
        }
    }

    /// What the copies of a namespace draw on, and the replies to them.
    pub(super) fn part(&mut self, namespace: &str) -> Part {
        if let Some(part) = self.parts.get(namespace) {
            return part.clone();
        }
        let copies = self.copies.part(self.copies.limit());
        let replies = copies.part(copies.limit() / Part::REPLIES);
        let part = Part { copies, replies };
        self.parts.insert(namespace.to_owned(), part.clone());
        self.share_copies();
        part
    }

    /// Whether a namespace's mirrors may be attached to one more interface.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check_attachment(&self, namespace: &str) -> Result<(), String> {
        let count = self.attachments.get(namespace).copied();
        let most = self.most_attachments;
        if count.unwrap_or_default() < most {
            return Ok(());
        }
        Err(format!(
            "the mirrors of namespace {namespace} are attached to {most} interfaces of this node: see \
             --namespace-attachments"
        ))
    }

    /// So many interfaces more or less.
    pub(super) fn set_attachments(&mut self, namespace: &str, count: usize) {
        if count == 0 {
            self.attachments.remove(namespace);
        } else {
            self.attachments.insert(namespace.to_owned(), count);
        }
    }

    /// An equal part for each namespace that mirrors.
    fn share_copies(&mut self) {
        let count = self.daemons.namespaces().count().max(1);
        let part = self.copies.limit() / count;
        let mirrors = |namespace: &str| self.daemons.namespaces().any(|it| it == namespace);
        self.parts
            .retain(|namespace, part| part.copies.used() > 0 || mirrors(namespace));
        self.parts.values().for_each(|it| it.set_limit(part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIRROR: usize = 2 << 20;

    fn room() -> Room {
        Room::new(Rooms {
            // Four daemons.
            memory: 8 * MIRROR,
            attachments: 2,
        })
    }

    #[test]
    fn who_has_most_daemons_gives_way() {
        let mut room = room();
        for rule in 0..4 {
            assert_eq!(room.admit(RuleId(rule), "aaa", MIRROR), Admission::Admitted);
            assert_eq!(
                room.admit(RuleId(rule), "aaa", MIRROR),
                Admission::Admitted,
                "again"
            );
        }
        let refused = room.admit(RuleId(4), "aaa", MIRROR);
        let Admission::Refused(why) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("--documents-memory"), "{why}");
        for (rule, last) in [(10, 3), (11, 2)] {
            let rule = RuleId(rule);
            assert_eq!(
                room.admit(rule, "bank", MIRROR),
                Admission::After(RuleId(last))
            );
            room.leave(RuleId(last));
            assert_eq!(room.admit(rule, "bank", MIRROR), Admission::Admitted);
        }
        for namespace in ["aaa", "bank"] {
            let more = room.admit(RuleId(20), namespace, MIRROR);
            assert!(matches!(more, Admission::Refused(_)), "all have the same");
        }
    }

    #[test]
    fn copies_of_each_namespace_have_an_equal_part() {
        let mut room = room();
        let whole = room.copies.limit();
        assert_eq!(room.admit(RuleId(1), "aaa", MIRROR), Admission::Admitted);
        let Part {
            copies: aaa,
            replies,
        } = room.part("aaa");
        assert_eq!((aaa.limit(), replies.limit()), (whole, whole / 4));
        assert_eq!(room.admit(RuleId(2), "bank", MIRROR), Admission::Admitted);
        assert_eq!(
            (aaa.limit(), room.part("bank").copies.limit()),
            (whole / 2, whole / 2)
        );
        assert_eq!(replies.limit(), whole / 8);
        room.leave(RuleId(1));
        assert_eq!(room.part("bank").copies.limit(), whole);
    }

    #[test]
    fn interfaces_are_counted_by_namespace() {
        let mut room = room();
        assert_eq!(room.check_attachment("aaa"), Ok(()));
        room.set_attachments("aaa", 2);
        let why = room.check_attachment("aaa").unwrap_err();
        assert!(why.contains("--namespace-attachments"), "{why}");
        assert_eq!(room.check_attachment("bank"), Ok(()));
        room.set_attachments("aaa", 0);
        assert_eq!(room.check_attachment("aaa"), Ok(()));
    }
}
