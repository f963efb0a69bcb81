//! What is counted of a comparison, in the note of each node, and what all of it comes to.
//!
//! Only what adds up in a few numbers is noted: where requests failed, where they were answered with 4xx, and where contents
//! differed, of all requests together. Latency, groups and fields would take kilobytes; `podmirror verdict` asks for these.
//! The sum is judged as everywhere (`mirror_core::verdict`). It may be looked at at any time, and whatever part of the
//! requests it is of: whether a node's note is there has nothing to do with how its requests went.

use std::collections::BTreeMap;

use mirror_core::{
    fnv::Fnv,
    verdict::{Comparison, Group, Pairs, Report, Terms},
};
use serde::{Deserialize, Serialize};

use super::seen::cut;

/// No count of a note is taken for more: sums of those of all nodes stay far from the end of 64 bits.
const MOST: u64 = 1 << 40;

/// The longest name of a group in a note and in a message.
const LONGEST_NAME: usize = 64;

/// Methods that a group is named by.
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// Which comparison counts are of: a short hash of the mirror's UID, and of all that makes a comparison begin anew. A mirror's
/// generation would not do: a change of its percentage leaves counts what they are, and who makes it again begins at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(u64);

impl Subject {
    /// That of the mirror with this UID, whose comparison is `of` this; the same in all agents, and never the default.
    #[must_use]
    pub fn new(uid: &str, of: &str) -> Self {
        // Whoever finds two alike has made both.
        let mut hash = Fnv::new();
        for bytes in [uid.as_bytes(), &[0xff], of.as_bytes()] {
            hash.write(bytes);
        }
        // As many bits as any reader of JSON takes.
        Self((hash.value() >> 11).max(1))
    }
}

/// What an agent has counted of the comparison that a mirror asks for. Notes of other versions may lack any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Which comparison they are of: those of another one may be of other targets.
    #[serde(rename = "k")]
    pub(super) subject: Subject,
    /// Requests by where they failed: neither, both, only the baseline, only the candidate.
    #[serde(rename = "f")]
    failures: [u64; 4],
    /// Requests by where they were answered with 4xx.
    #[serde(rename = "e")]
    client_errors: [u64; 4],
    /// Requests by where contents differed, beside what does so by itself.
    #[serde(rename = "c")]
    with_second: [u64; 4],
    /// Of those, how many tell what differs by itself by an earlier reply; those of which nothing tells it; and how many of
    /// the latter differed.
    #[serde(rename = "d")]
    contents: [u64; 3],
    /// The group in which the candidate alone failed most.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub(super) worst: Option<Worst>,
}

/// A group of requests, and how much more of them the candidate fails than the baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Worst {
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "x")]
    excess: u64,
}

impl Counts {
    /// Those of a comparison, of no mirror yet.
    #[must_use]
    pub fn of(comparison: &Comparison) -> Self {
        let Group {
            failures,
            client_errors,
            contents,
            latency: _,
        } = &comparison.overall;
        // Of other methods, clients choose the name.
        let groups = comparison.groups.iter();
        let groups = groups.filter(|(name, _)| has_known_method(name));
        let worst = groups.map(|(name, group)| (excess(group), name)).max();
        Self {
            subject: Subject::default(),
            failures: numbers(failures),
            client_errors: numbers(client_errors),
            with_second: numbers(&contents.with_second),
            contents: [
                contents.with_earlier,
                contents.without_second,
                contents.differing,
            ],
            worst: worst
                .filter(|(excess, _)| *excess > 0)
                .map(|(excess, name)| Worst {
                    // People read it in terminals.
                    name: cut(&name.escape_debug().to_string(), LONGEST_NAME),
                    excess,
                }),
        }
    }

    /// The same, of this comparison.
    #[must_use]
    pub fn of_subject(self, subject: Subject) -> Self {
        Self { subject, ..self }
    }

    /// The same without the group in which the candidate fails most: where no paths were named for groups, clients choose what
    /// they are called.
    #[must_use]
    pub fn without_groups(self) -> Self {
        Self {
            worst: None,
            ..self
        }
    }

    /// The same mirror's before anything is counted.
    pub(super) fn of_nothing_yet(&self) -> Self {
        Self {
            subject: self.subject,
            ..Self::default()
        }
    }
}

/// Whether a group is of a method of RFC 9110 or 5789, as nearly all requests are.
fn has_known_method(group: &str) -> bool {
    let method = group.split(' ').next().unwrap_or_default();
    METHODS.contains(&method)
}

/// By how much more requests the candidate failed, or refused, than the baseline.
fn excess(group: &Group) -> u64 {
    let of = |pairs: &Pairs| pairs.only_candidate.saturating_sub(pairs.only_baseline);
    of(&group.failures).saturating_add(of(&group.client_errors))
}

const fn numbers(pairs: &Pairs) -> [u64; 4] {
    let Pairs {
        neither,
        both,
        only_baseline,
        only_candidate,
    } = *pairs;
    [neither, both, only_baseline, only_candidate]
}

fn pairs(numbers: [u64; 4]) -> Pairs {
    let [neither, both, only_baseline, only_candidate] = numbers;
    Pairs {
        neither,
        both,
        only_baseline,
        only_candidate,
    }
}

/// The counts of all nodes, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    sum: Counts,
    /// The excess of each group that a node named.
    groups: BTreeMap<String, u64>,
}

impl Counted {
    /// Adds a node's, unless they are of another comparison than this one.
    pub(super) fn add(&mut self, counts: &Counts, subject: Subject) {
        if counts.subject != subject {
            return;
        }
        let sum = &mut self.sum;
        for (sum, more) in [
            (&mut sum.failures[..], &counts.failures[..]),
            (&mut sum.client_errors[..], &counts.client_errors[..]),
            (&mut sum.with_second[..], &counts.with_second[..]),
            (&mut sum.contents[..], &counts.contents[..]),
        ] {
            for (sum, more) in sum.iter_mut().zip(more) {
                *sum = sum.saturating_add((*more).min(MOST));
            }
        }
        if let Some(Worst { name, excess }) = &counts.worst {
            let name = cut(&name.replace(char::is_control, "?"), LONGEST_NAME);
            let known = self.groups.entry(name).or_default();
            *known = known.saturating_add(*excess);
        }
    }

    /// What it comes to by these terms.
    pub(super) fn judge(&self, terms: &Terms) -> Report {
        let Counts {
            failures,
            client_errors,
            with_second,
            contents: [with_earlier, without_second, differing],
            ..
        } = self.sum;
        let mut comparison = Comparison::default();
        let all = &mut comparison.overall;
        all.failures = pairs(failures);
        all.client_errors = pairs(client_errors);
        all.contents.with_second = pairs(with_second);
        all.contents.with_earlier = with_earlier;
        all.contents.without_second = without_second;
        all.contents.differing = differing;
        Report::new(&comparison, terms)
    }

    /// The group that most of what the candidate alone fails is of, as far as notes name them.
    pub(super) fn worst(&self) -> Option<&str> {
        let worst = self.groups.iter().max_by_key(|(_, excess)| **excess)?;
        Some(worst.0)
    }
}

#[cfg(test)]
mod tests;
