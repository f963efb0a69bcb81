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
    bounds::Bounds,
    groups::{Finding, Interval, Question, Verdict, of_shares, verdict},
    mixture::{Shares, real},
    pairs::{Pair, Pairs},
};
use crate::{
    counters::{Sum, sum::counters},
    segment::Time,
};

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
    /// When about: not before the request, nor after the replies. Nothing for reports, whose readers have other clocks.
    #[serde(skip)]
    pub at: Time,
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

/// What differs by itself in the replies to a request.
#[derive(Clone, Copy, Debug)]
pub enum Noise<'a> {
    /// Nobody knows.
    Unknown,
    /// What differs at a second baseline.
    Second(&'a Changes),
    /// What differs in the baseline's own reply to the same request, asked earlier. Of these, each is in one
    /// comparison only, so that it is to the baseline's as the candidate's is.
    Earlier(&'a Changes),
}

impl<'a> From<Option<&'a Changes>> for Noise<'a> {
    fn from(second: Option<&'a Changes>) -> Self {
        second.map_or(Self::Unknown, Self::Second)
    }
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
        /// Those of them in which the second baseline was the first itself, asked the same earlier.
        with_earlier: u64,
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

    fn room_for(&mut self, name: &str, most: usize) -> Option<&mut Field> {
        if !self.0.contains_key(name) {
            if self.0.len() >= most {
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
        let most = Bounds::default().fields;
        for (name, field) in more.iter() {
            if let Some(known) = self.room_for(name, most) {
                known.add(field);
            }
        }
    }
}

impl Contents {
    /// Counts one request: what differed at the candidate, and by itself, in so many fields at most.
    pub(super) fn count(&mut self, candidate: &Changes, noise: Noise<'_>, most: usize) {
        let second = match noise {
            Noise::Unknown => None,
            Noise::Second(second) | Noise::Earlier(second) => Some(second),
        };
        self.with_earlier += u64::from(matches!(noise, Noise::Earlier(_)));
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
            let Some(field) = self.fields.room_for(name, most) else {
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
            match self.fields.room_for(name, most) {
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
        self.with_second.total() > self.with_earlier
    }

    /// Whether two baselines, or the replies of one to the same requests, tell what differs by itself.
    const fn knows_noise(&self) -> bool {
        self.with_second.total() > 0
    }

    pub(super) fn answer(&self, level: f64, margin: f64) -> Finding {
        if self.has_second() {
            return of_shares(&self.with_second, Question::Contents, level, margin);
        }
        let of_candidate = self.with_second.both + self.with_second.only_candidate;
        let differing = self.differing + of_candidate;
        let shares = Shares {
            first: differing,
            second: self.total().saturating_sub(differing),
        };
        if self.knows_noise() {
            return self.beside_earlier(shares, level, margin);
        }
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

    /// The answer where the baseline's own replies tell what differs by itself. They may well differ more than the
    /// candidate's, which is asked at the same time: only that they differ less says something.
    fn beside_earlier(&self, candidate: Shares, level: f64, margin: f64) -> Finding {
        let level = level / 2.0;
        let finding = of_shares(&self.with_second, Question::Contents, level, margin);
        // All of what differs is more than what does so beyond itself.
        let most = finding.difference.to.min(*candidate.interval(level).end());
        let is_more = finding.candidate > finding.baseline;
        Finding {
            verdict: match finding.verdict {
                Verdict::Differs if is_more => Verdict::Differs,
                _ if most <= margin => Verdict::Same,
                _ => Verdict::NotEnough,
            },
            difference: Interval {
                to: most,
                ..finding.difference
            },
            ..finding
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
        let all = share(field.missing + field.added + field.changed, total);
        let presence = Shares {
            first: field.missing,
            second: field.added,
        };
        let presence = presence.against_half();
        let is_uneven = (missing - added).abs() > margin;
        let (evidence, by_itself, differs, matters) = if self.knows_noise() {
            let total = self.with_second.total();
            let shares = Shares {
                first: field.only_candidate,
                second: field.only_baselines,
            };
            let noise = share(field.only_baselines + field.both, total);
            let differs = share(field.only_candidate + field.both, total);
            let (own, is_more) = (shares.against_half(), differs - noise > margin);
            match self.without_second {
                0 => (own, Some(noise), differs, is_more),
                // Either may tell: each has half of the level.
                _ if is_more && (own > presence || !is_uneven) => {
                    (own.halved(), Some(noise), differs, true)
                }
                _ => (presence.halved(), Some(noise), all, is_uneven),
            }
        } else {
            (presence, None, all, is_uneven)
        };
        FieldFinding {
            group: None,
            field: name.to_owned(),
            verdict: if evidence.rejects(level) && matters {
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
