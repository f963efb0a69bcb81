//! How the probability of a mistake is divided among questions.

use super::{contents::MAX_FIELDS, groups::Question};

/// Most groups of which each is asked for itself; requests of others count overall.
pub(super) const MAX_GROUPS: u32 = 64;

/// The probability (0 to 1) with which something may be found that is not there, in one question or
/// another. Default: 0.05.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level(pub f64);

impl Default for Level {
    fn default() -> Self {
        Self(0.05)
    }
}

/// The parts of all fields, overall and in groups. Groups and fields have the same parts whenever they
/// were first seen, so that counts of several places add up.
const FIELDS: f64 = 0.02;
const GROUPS_FIELDS: f64 = 0.02;

impl Level {
    /// The part of a question asked of all requests. Failures of all are what matters most; the parts
    /// of all questions, with those of the groups and fields, add up to the whole.
    pub(super) fn overall(self, question: Question) -> f64 {
        self.0
            * match question {
                Question::Failures => 0.75,
                Question::ClientErrors => 0.03,
                Question::Contents => 0.02,
                Question::Latency(_) => 0.06 / 2.0,
            }
    }

    /// The part of a question asked of one of the groups.
    pub(super) fn group(self, question: Question) -> f64 {
        let all = self.0
            * match question {
                Question::Failures => 0.06,
                Question::ClientErrors => 0.015,
                Question::Contents => 0.01,
                Question::Latency(_) => 0.015 / 2.0,
            };
        all / f64::from(MAX_GROUPS)
    }

    /// The part of one field of all requests.
    pub(super) fn field(self) -> f64 {
        self.0 * FIELDS / f64::from(MAX_FIELDS)
    }

    /// The part of one field of one of the groups.
    pub(super) fn group_field(self) -> f64 {
        self.0 * GROUPS_FIELDS / f64::from(MAX_GROUPS) / f64::from(MAX_FIELDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_make_the_whole() {
        let questions = [
            Question::Failures,
            Question::ClientErrors,
            Question::Contents,
            Question::Latency(0.5),
            Question::Latency(0.99),
        ];
        let level = Level(0.05);
        let (groups, fields) = (f64::from(MAX_GROUPS), f64::from(MAX_FIELDS));
        let parts = questions.map(|it| level.overall(it) + groups * level.group(it));
        let all =
            parts.iter().sum::<f64>() + fields * (level.field() + groups * level.group_field());
        assert!((all - level.0).abs() < 1e-12, "{all}");
    }
}
