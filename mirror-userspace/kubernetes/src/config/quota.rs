//! What all documents have in common, and each namespace's fair share of it.

use std::collections::BTreeMap;

/// The most mirrors of a plan: each has threads, buffers and connections of its own.
pub const MAX_RULES: usize = 256;

/// The most memory of the compiled regular expressions of all documents, 32 MiB.
const ALL_PATTERNS: usize = 32 << 20;

/// The most that one namespace gets, however little the others ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Mirrors: a rule counts once for each of its targets. Default: 64.
    pub mirrors: usize,
    /// Bytes of compiled regular expressions. Default: 8 MiB.
    pub patterns: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            mirrors: 64,
            patterns: 8 << 20,
        }
    }
}

impl Quotas {
    /// Bytes of regular expressions for each of so many namespaces.
    pub(super) fn patterns_of_each(&self, namespaces: usize) -> usize {
        self.patterns.min(ALL_PATTERNS / namespaces.max(1))
    }

    /// How many mirrors each namespace gets, of those that it asks for.
    pub(super) fn mirrors_of_each<'a>(
        &self,
        asked: &BTreeMap<&'a str, usize>,
    ) -> BTreeMap<&'a str, usize> {
        let capped = asked
            .iter()
            .map(|(name, asked)| (*name, *asked.min(&self.mirrors)));
        fair(&capped.collect(), MAX_RULES)
    }
}

/// Shares what there is: nobody gets more than he asks for, and what the modest leave is shared among
/// the others. Nobody's share depends on how much others ask for beyond an equal part.
fn fair<'a>(asked: &BTreeMap<&'a str, usize>, whole: usize) -> BTreeMap<&'a str, usize> {
    let mut modest_first: Vec<_> = asked.iter().map(|(name, asked)| (*asked, *name)).collect();
    modest_first.sort_unstable();
    let mut left = whole;
    let mut waiting = modest_first.len();
    let mut shares = BTreeMap::new();
    for (asked, name) in modest_first {
        // What a division leaves over goes to those who ask for most, at the end.
        let share = asked.min(left / waiting.max(1));
        shares.insert(name, share);
        left -= share;
        waiting -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(asked: &[usize], whole: usize) -> Vec<usize> {
        let names: Vec<String> = (0..asked.len()).map(|name| format!("{name:03}")).collect();
        let asked = names.iter().map(String::as_str).zip(asked.iter().copied());
        fair(&asked.collect(), whole).into_values().collect()
    }

    #[test]
    fn the_greedy_take_nothing_from_the_modest() {
        for (asked, whole, expected) in [
            (&[256, 1][..], 256, &[255, 1][..]),
            (&[1, 256], 256, &[1, 255]),
            (&[1_000_000, 100, 100], 256, &[86, 85, 85]),
            (&[1_000_000, 10, 100], 256, &[146, 10, 100]),
            (&[3, 3, 3], 2, &[0, 1, 1]),
            (&[], 2, &[]),
            (&[0, 5], 9, &[0, 5]),
        ] {
            let got = shares(asked, whole);
            assert!(got.iter().sum::<usize>() <= whole);
            let mut got_sorted = got.clone();
            let mut expected_sorted = expected.to_vec();
            got_sorted.sort_unstable();
            expected_sorted.sort_unstable();
            assert_eq!(got_sorted, expected_sorted, "{asked:?}");
        }
    }

    #[test]
    fn no_namespace_gets_more_than_its_quota_though_there_is_room() {
        let asked = BTreeMap::from([("aaa", 256), ("bank", 1)]);
        let shares = Quotas::default().mirrors_of_each(&asked);
        assert_eq!(shares, BTreeMap::from([("aaa", 64), ("bank", 1)]));
        assert_eq!(Quotas::default().patterns_of_each(1), 8 << 20);
        assert_eq!(Quotas::default().patterns_of_each(1024), 32 << 10);
    }
}
