//! What of the contents of replies differs: which header fields, which parts of bodies.
//!
//! A field is called as whoever compares calls it (`header x-total`, `json $.items[].price`), and has
//! counters from the first reply on in which it differed. Whether it differs by itself, a second
//! baseline tells: if all three versions are equal, a field differs between the two baselines alone as
//! often as between the baseline and the candidate alone. Without a second baseline, only presence can
//! be judged: of equal versions, neither lacks a field more often than the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    groups::{Finding, Interval, Question, Verdict, of_shares, verdict},
    mixture::{Shares, real},
    pairs::{Pair, Pairs},
};
use crate::counters::{Sum, sum::counters};

/// Most fields of a group that have counters of their own.
pub(super) const MAX_FIELDS: u32 = 256;
/// Most fields that count as different in one reply.
const MAX_CHANGES: usize = 64;

/// How a field of a reply differs from that of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The baseline's reply has it, the other has not.
    Missing,
    /// The other has it, the baseline's reply has not.
    Added,
    /// Both have it, with different values.
    Changed,
}

/// The fields in which a reply differs from the baseline's; of more than 64 the first 64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(BTreeMap<Box<str>, Change>);

impl Changes {
    /// This field differs. Says whether that is news; a field counts as it was first found.
    pub fn insert(&mut self, field: &str, change: Change) -> bool {
        let is_news = !self.is_full() && !self.0.contains_key(field);
        if is_news {
            self.0.insert(field.into(), change);
        }
        is_news
    }

    /// Whether no more fields are taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_CHANGES
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Change)> {
        self.0.iter().map(|(name, change)| (&**name, *change))
    }

    /// Whether this field differs.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }
}

/// What differed in the candidate's reply to one request, with its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The group of the request.
    pub group: String,
    /// Its method and target, as it was sent.
    pub request: String,
    /// The fields that differ.
    pub values: Vec<Values>,
}

/// What both had in a field; `None` for one that lacks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// What it is called.
    pub field: String,
    /// What the baseline had.
    pub baseline: Option<String>,
    /// What the candidate had.
    pub candidate: Option<String>,
}

counters! {
    /// In how many replies a field differed.
    #[derive(Copy, Serialize, Deserialize)]
    Field {
        /// The candidate's lacked it.
        missing: u64,
        /// Only the candidate's had it.
        added: u64,
        /// The candidate's had another value.
        changed: u64,
        /// It differed between two baselines, and not at the candidate.
        only_baselines: u64,
        /// It differed at the candidate, and not between two baselines.
        only_candidate: u64,
        /// It differed between two baselines and at the candidate.
        both: u64,
    }
}

counters! {
    /// How the contents of replies compared.
    #[derive(Serialize, Deserialize)]
    Contents {
        /// Requests that two baselines and a candidate answered: where contents differed.
        with_second: Pairs,
        /// Requests that one baseline and a candidate answered.
        without_second: u64,
        /// Those of them whose contents differed.
        differing: u64,
        /// Fields that differed at least once, at most 256.
        fields: Fields,
        /// Differences in fields for which there was no room.
        left_out: u64,
    }
}

/// The counters of fields, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(BTreeMap<Box<str>, Field>);

impl Fields {
    /// The fields in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.0.iter().map(|(name, field)| (&**name, field))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no field ever differed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn room_for(&mut self, name: &str) -> Option<&mut Field> {
        if !self.0.contains_key(name) {
            if self.0.len() >= usize::try_from(MAX_FIELDS).unwrap_or(usize::MAX) {
                return None;
            }
            self.0.insert(name.into(), Field::default());
        }
        self.0.get_mut(name)
    }
}

impl Sum for Fields {
    /// Those of one side come first, and what then finds no room is left out.
    fn add(&mut self, more: &Self) {
        for (name, field) in more.iter() {
            if let Some(known) = self.room_for(name) {
                known.add(field);
            }
        }
    }
}

impl Contents {
    /// Counts one request: what differed at the candidate, and at a second baseline, if there is one.
    pub(super) fn count(&mut self, candidate: &Changes, second: Option<&Changes>) {
        match second {
            Some(second) => self.with_second.count(Pair {
                baseline: !second.is_empty(),
                candidate: !candidate.is_empty(),
            }),
            None => {
                self.without_second += 1;
                self.differing += u64::from(!candidate.is_empty());
            }
        }
        for (name, change) in candidate.iter() {
            let Some(field) = self.fields.room_for(name) else {
                self.left_out += 1;
                continue;
            };
            *match change {
                Change::Missing => &mut field.missing,
                Change::Added => &mut field.added,
                Change::Changed => &mut field.changed,
            } += 1;
            match second {
                Some(second) if second.has(name) => field.both += 1,
                Some(_) => field.only_candidate += 1,
                None => {}
            }
        }
        let alone = second.into_iter().flat_map(Changes::iter);
        for (name, _) in alone.filter(|(name, _)| !candidate.has(name)) {
            match self.fields.room_for(name) {
                Some(field) => field.only_baselines += 1,
                None => self.left_out += 1,
            }
        }
    }

    /// How many requests' contents were compared.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.with_second.total() + self.without_second
    }

    /// Whether two baselines tell what differs by itself.
    #[must_use]
    pub const fn has_second(&self) -> bool {
        self.with_second.total() > 0
    }

    pub(super) fn answer(&self, level: f64, margin: f64) -> Finding {
        if self.has_second() {
            return of_shares(&self.with_second, Question::Contents, level, margin);
        }
        let shares = Shares {
            first: self.differing,
            second: self.without_second.saturating_sub(self.differing),
        };
        // As much of it as there is may differ by itself: that it is little can be said, no more.
        let most = *shares.interval(level).end();
        let difference = Interval {
            from: 0.0,
            to: most,
        };
        Finding {
            question: Question::Contents,
            verdict: verdict(difference, margin, false),
            baseline: f64::NAN,
            candidate: share(self.differing, self.without_second),
            difference,
            e_value: 1.0,
        }
    }

    /// The answers about fields that differed at the candidate, at this level each.
    pub(super) fn answers(&self, level: f64, margin: f64) -> impl Iterator<Item = FieldFinding> {
        let differed = |it: &(&str, &Field)| it.1.missing + it.1.added + it.1.changed > 0;
        let fields = self.fields.iter().filter(differed);
        fields.map(move |(name, field)| self.of_field(name, field, level, margin))
    }

    fn of_field(&self, name: &str, field: &Field, level: f64, margin: f64) -> FieldFinding {
        let total = self.total();
        let (missing, added) = (share(field.missing, total), share(field.added, total));
        let (evidence, by_itself, differs) = if self.has_second() {
            let total = self.with_second.total();
            let shares = Shares {
                first: field.only_candidate,
                second: field.only_baselines,
            };
            let by_itself = share(field.only_baselines + field.both, total);
            let differs = share(field.only_candidate + field.both, total);
            (shares.against_half(), Some(by_itself), differs)
        } else {
            let (first, second) = (field.missing, field.added);
            let evidence = Shares { first, second }.against_half();
            let all = field.missing + field.added + field.changed;
            (evidence, None, share(all, total))
        };
        let more = by_itself.map_or((missing - added).abs(), |noise| differs - noise);
        FieldFinding {
            group: None,
            field: name.to_owned(),
            verdict: if evidence.rejects(level) && more > margin {
                Verdict::Differs
            } else {
                Verdict::NotEnough
            },
            differs,
            by_itself,
            missing,
            added,
            e_value: evidence.value(),
        }
    }
}

/// The answer about one field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldFinding {
    /// The group of requests; `None` for all of them.
    pub group: Option<String>,
    /// What it is called.
    pub field: String,
    /// Whether it differs more often than by itself. Never [`Verdict::Same`]: it differed at least once.
    pub verdict: Verdict,
    /// The share (0 to 1) of the candidate's replies in which it differs from the baseline's.
    pub differs: f64,
    /// The share in which it differs between two baselines; `None` without a second one.
    pub by_itself: Option<f64>,
    /// The share of the candidate's replies that lack it while the baseline's has it.
    pub missing: f64,
    /// The share of the candidate's replies that have it while the baseline's lacks it.
    pub added: f64,
    /// The e-value against equality.
    pub e_value: f64,
}

fn share(count: u64, total: u64) -> f64 {
    match total {
        0 => 0.0,
        total => real(count) / real(total),
    }
}
