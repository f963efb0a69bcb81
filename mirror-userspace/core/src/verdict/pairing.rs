//! Puts together what both versions did with the same request.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::Hash,
    str::FromStr,
};

use super::{
    bounds::Bounds,
    groups::{Comparison, Measured},
};
use crate::value::BadValue;

/// What a target is to a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the candidate is compared with.
    Baseline,
    /// What is asked about.
    Candidate,
}

impl Role {
    /// Whether targets with these roles are compared; with `v1` the baseline is v1 itself.
    #[must_use]
    pub fn are_compared(roles: &[Option<Self>], v1: bool) -> bool {
        let has = |role| roles.contains(&Some(role));
        (v1 || has(Self::Baseline)) && has(Self::Candidate)
    }
}

impl FromStr for Role {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text {
            "baseline" => Ok(Self::Baseline),
            "candidate" => Ok(Self::Candidate),
            _ => Err(BadValue::new(text, "is no role", "baseline, candidate")),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Candidate => "candidate",
        })
    }
}

/// A request of which a copy is under way.
#[derive(Debug)]
struct Open {
    group: Box<str>,
    baseline: Option<Measured>,
    candidate: Option<Measured>,
}

/// The requests that are under way at a baseline and a candidate, known by `K`, and the comparison of
/// those that both have ended. Memory is bounded, as [`Bounds`] say.
#[derive(Debug)]
pub struct Pairing<K> {
    open: HashMap<K, Open, foldhash::fast::RandomState>,
    /// In the order in which they began. Those that have ended may still be here.
    began: VecDeque<K>,
    comparison: Comparison,
}

impl<K> Default for Pairing<K> {
    fn default() -> Self {
        Self {
            open: HashMap::default(),
            began: VecDeque::new(),
            comparison: Comparison::default(),
        }
    }
}

impl<K: Copy + Eq + Hash> Pairing<K> {
    /// One that keeps so much.
    #[must_use]
    pub fn within(bounds: Bounds) -> Self {
        let mut pairing = Self::default();
        pairing.comparison.bounds = bounds;
        pairing
    }

    /// A copy of this request is taken for one of both. `group` is asked for the first of them, and
    /// returned.
    pub fn begin(&mut self, key: K, group: impl FnOnce() -> Box<str>) -> Option<&str> {
        if self.open.contains_key(&key) {
            return None;
        }
        if self.began.len() >= self.comparison.bounds.open
            && let Some(oldest) = self.began.pop_front()
        {
            self.give_up(oldest);
        }
        self.began.push_back(key);
        let open = self.open.entry(key).insert_entry(Open {
            group: group(),
            baseline: None,
            candidate: None,
        });
        Some(&open.into_mut().group)
    }

    /// How the copy for this one went.
    pub fn end(&mut self, key: K, role: Role, measured: Measured) {
        let Some(open) = self.open.get_mut(&key) else {
            return;
        };
        match role {
            Role::Baseline => open.baseline = Some(measured),
            Role::Candidate => open.candidate = Some(measured),
        }
        if let (Some(baseline), Some(candidate)) = (open.baseline, open.candidate) {
            self.comparison.count(&open.group, &baseline, &candidate);
            self.open.remove(&key);
        }
    }

    /// One of its copies came to nothing for a reason that is no version's: it is not compared.
    pub fn give_up(&mut self, key: K) {
        if self.open.remove(&key).is_some() {
            self.comparison.not_compared += 1;
        }
    }

    /// Whether it is known how the copy for this one went, of a request that is under way.
    #[must_use]
    pub fn has_ended(&self, key: K, role: Role) -> bool {
        let open = self.open.get(&key);
        open.is_some_and(|open| match role {
            Role::Baseline => open.baseline.is_some(),
            Role::Candidate => open.candidate.is_some(),
        })
    }

    /// Nothing more will be told: what is open is given up.
    pub fn close(&mut self) {
        self.comparison.not_compared += self.open.len() as u64;
        self.open.clear();
        self.began.clear();
    }

    /// To count contents, which are compared elsewhere.
    pub const fn comparison_mut(&mut self) -> &mut Comparison {
        &mut self.comparison
    }

    /// What was compared so far.
    #[must_use]
    pub const fn comparison(&self) -> &Comparison {
        &self.comparison
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::contents::{Change, Changes},
        *,
    };

    const OPEN: usize = 16_384;

    const GOOD: Measured = Measured {
        status: Some(200),
        latency: None,
    };
    const BAD: Measured = Measured {
        status: None,
        ..GOOD
    };

    fn begun(keys: impl IntoIterator<Item = usize>) -> Pairing<usize> {
        let mut pairing = Pairing::default();
        for key in keys {
            pairing.begin(key, || "GET /".into());
        }
        pairing
    }

    #[test]
    fn a_request_counts_once_both_have_ended() {
        let mut pairing = begun([1, 1, 2]);
        pairing.end(1, Role::Candidate, BAD);
        assert_eq!(pairing.comparison().overall.failures.total(), 0);
        pairing.end(1, Role::Baseline, GOOD);
        pairing.end(1, Role::Baseline, BAD);
        let failures = pairing.comparison().overall.failures;
        assert_eq!((failures.total(), failures.only_candidate), (1, 1));
        assert!(pairing.comparison().groups.contains_key("GET /"));
    }

    #[test]
    fn what_is_given_up_is_counted_once() {
        let mut pairing = begun([1]);
        pairing.end(1, Role::Baseline, GOOD);
        pairing.give_up(1);
        pairing.give_up(1);
        pairing.end(1, Role::Candidate, GOOD);
        let comparison = pairing.comparison();
        assert_eq!(
            (comparison.not_compared, comparison.overall.failures.total()),
            (1, 0)
        );
    }

    #[test]
    fn what_is_open_at_the_end_is_not_compared() {
        let mut pairing = begun([1, 2, 3]);
        pairing.end(1, Role::Baseline, GOOD);
        pairing.end(2, Role::Baseline, GOOD);
        pairing.end(2, Role::Candidate, GOOD);
        let ended = [1, 2, 3].map(|key| pairing.has_ended(key, Role::Baseline));
        assert_eq!(ended, [true, false, false]);
        pairing.close();
        pairing.close();
        assert_eq!(pairing.comparison().not_compared, 2);
    }

    #[test]
    fn halves_that_never_meet_are_given_up_in_time() {
        let mut pairing = begun(0..OPEN + 10);
        assert_eq!(pairing.open.len(), OPEN);
        assert_eq!(pairing.comparison().not_compared, 10);
        for key in 0..OPEN + 10 {
            pairing.end(key, Role::Baseline, GOOD);
            pairing.end(key, Role::Candidate, GOOD);
        }
        assert!(pairing.open.is_empty());
        // Those that have ended make room without being given up.
        for key in OPEN + 10..3 * OPEN {
            pairing.begin(key, || "GET /".into());
        }
        assert_eq!(
            pairing.comparison().not_compared,
            10 + (2 * OPEN - 10 - OPEN) as u64
        );
        assert_eq!(pairing.began.len(), OPEN);
    }

    #[test]
    fn no_more_is_kept_than_the_bounds_say() {
        let mut pairing = Pairing::within(Bounds {
            open: 3,
            groups: 2,
            fields: 1,
        });
        let mut changes = Changes::default();
        for field in ["header a", "header b"] {
            changes.insert(field, Change::Missing);
        }
        for key in 0..5 {
            let group = format!("GET /{key}");
            pairing.begin(key, || group.as_str().into());
            pairing.end(key, Role::Baseline, GOOD);
            pairing.end(key, Role::Candidate, GOOD);
            let comparison = pairing.comparison_mut();
            comparison.count_contents(&group, &changes, None);
        }
        let comparison = pairing.comparison();
        assert_eq!((comparison.groups.len(), comparison.ungrouped), (2, 3));
        let contents = &comparison.overall.contents;
        assert_eq!((contents.fields.len(), contents.left_out), (1, 5));
        for key in 5..15 {
            pairing.begin(key, || "GET /".into());
        }
        assert_eq!(pairing.open.len(), 3);
    }

    #[test]
    fn roles_are_read_and_written() {
        for text in ["baseline", "candidate"] {
            assert_eq!(text.parse::<Role>().unwrap().to_string(), text);
        }
        let error = "Baseline".parse::<Role>().unwrap_err().to_string();
        assert!(error.contains("baseline, candidate"), "{error}");
    }
}
