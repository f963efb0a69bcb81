//! What is counted of a comparison, in the note of each node, and what all of it comes to.
//!
//! Only what adds up in a few numbers is noted: where requests failed, where they were answered with 4xx, and where contents
//! differed, of all requests together. Latency, groups and fields would take kilobytes; `podmirror verdict` asks for these.
//! The sum is judged as everywhere (`mirror_core::verdict`). It may be looked at at any time, and whatever part of the
//! requests it is of: whether a node's note is there has nothing to do with how its requests went.

use std::collections::BTreeMap;

use mirror_core::verdict::{Comparison, Group, Pairs, Report, Terms};
use serde::{Deserialize, Serialize};

use super::seen::cut;

/// No count of a note is taken for more: sums of those of all nodes stay far from the end of 64 bits.
const MOST: u64 = 1 << 40;

/// The longest name of a group in a note and in a message.
const LONGEST_NAME: usize = 64;

/// What an agent has counted of the comparison that a mirror asks for. Notes of other versions may lack any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// The `metadata.generation` of the mirror: counts of another one may be of other targets.
    #[serde(rename = "g")]
    pub(super) generation: i64,
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
    /// Those of a comparison, of no generation yet.
    #[must_use]
    pub fn of(comparison: &Comparison) -> Self {
        let Group {
            failures,
            client_errors,
            contents,
            latency: _,
        } = &comparison.overall;
        let groups = comparison.groups.iter();
        let worst = groups.map(|(name, group)| (excess(group), name)).max();
        Self {
            generation: 0,
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
                    // Clients choose it, and people read it in terminals.
                    name: cut(&name.escape_debug().to_string(), LONGEST_NAME),
                    excess,
                }),
        }
    }

    /// The same, of a mirror of this generation.
    #[must_use]
    pub fn of_generation(self, generation: i64) -> Self {
        Self { generation, ..self }
    }

    /// The same mirror's before anything is counted.
    pub(super) fn of_nothing_yet(&self) -> Self {
        Self {
            generation: self.generation,
            ..Self::default()
        }
    }
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
    /// Adds a node's, unless they are of another generation of the mirror.
    pub(super) fn add(&mut self, counts: &Counts, generation: i64) {
        if counts.generation != generation {
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
