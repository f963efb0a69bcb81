//! How much targets get: sample rates, and caps, of which this node has its part of what all nodes send together.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use log::{debug, info};
use mirror_core::value::Rate;
use mirror_dispatch::SharedCap;
use mirror_kubernetes::{
    cluster::{Portion, RuleId},
    plan::{Rule, Source},
};
use tokio::time::Instant;

use super::{Mirrors, one::RuleMirror};
use crate::admin::SampleRate;

/// Between two lines about the pods of one source: while they come and go, its rules' caps follow.
const QUIET: Duration = Duration::from_secs(60);

/// Which part of the pods of a source is on this node, and what was said of it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) portion: Portion,
    said: Option<(Portion, Instant)>,
}

impl Known {
    /// Whether it is another one than was said, and that not just now.
    fn is_news(&self, now: Instant) -> bool {
        self.said.is_none_or(|(said, at)| {
            said != self.portion && now.saturating_duration_since(at) >= QUIET
        })
    }
}

/// What is said of a source's pods and the rules that mirror them, each with its cap here; `None` if there are none.
fn line<'a>(portion: Portion, mut rules: impl Iterator<Item = (&'a str, f64)>) -> Option<String> {
    let Portion { own, all } = portion;
    let (rule, most) = rules.next()?;
    let more = match rules.count() {
        0 => String::new(),
        more => format!(" (and {more} more rules of these pods)"),
    };
    Some(format!(
        "{rule}: {own} of {all} ready pods here: at most {most:.2} copies/s to each target{more}"
    ))
}

/// The cap of one rule. Until it is known which part of the rule's pods is on this node, all of it holds here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    /// What the flags allow.
    flags: Option<SharedCap>,
    /// What the rule itself wants.
    own: Option<NonZeroU32>,
    shards: u32,
    portion: Option<Portion>,
}

impl Cap {
    pub(super) fn new(
        flags: Option<SharedCap>,
        own: Option<NonZeroU32>,
        shards: u32,
        portion: Option<Portion>,
    ) -> Self {
        Self {
            flags,
            own,
            shards,
            portion,
        }
    }

    /// What the rule wants by now. Says whether it is something else.
    pub(super) fn set_own(&mut self, own: Option<NonZeroU32>) -> bool {
        std::mem::replace(&mut self.own, own) != own
    }

    pub(super) const fn set_portion(&mut self, portion: Portion) {
        self.portion = Some(portion);
    }

    /// What each target gets from this node at most: a rule may want less than the flags allow, and not more.
    pub(super) fn of_node(self) -> Option<f64> {
        let own = self.own.map(|most| f64::from(most.get()));
        let flags = self.flags.map(SharedCap::whole);
        let whole = match (own, flags) {
            (Some(own), Some(flags)) => own.min(flags),
            (own, flags) => own.or(flags)?,
        };
        Some(self.portion.map_or(whole, |portion| portion.of(whole)))
    }

    /// The same, for the shards that share it.
    pub(super) fn shared(self) -> Option<SharedCap> {
        self.of_node()
            .map(|most| SharedCap::new(most, self.shards as usize))
    }
}

impl Mirrors {
    /// Changes the rate of the rule of this name, or of all rules. Returns how many that were.
    ///
    /// # Errors
    /// A kernel program can't be told; what could be changed is.
    pub(in crate::agent) async fn set_sample_rate(
        &mut self,
        rule: Option<&str>,
        rate: Rate,
    ) -> Result<usize> {
        let all = self.mirrors.values_mut();
        let meant = all.filter(|mirror| rule.is_none_or(|rule| rule == mirror.name()));
        let set = meant.map(async |mirror| {
            let set = mirror.set_sample_rate(rate).await;
            set.with_context(|| mirror.name().to_owned())
        });
        let outcomes = join_all(set).await;
        let count = outcomes.len();
        outcomes.into_iter().collect::<Result<()>>()?;
        Ok(count)
    }

    pub(in crate::agent) fn sample_rates(&self) -> Vec<SampleRate> {
        self.mirrors
            .values()
            .flat_map(RuleMirror::sample_rates)
            .collect()
    }

    /// The sources of the rules to whose targets copies are limited.
    pub(in crate::agent) fn capped<'a>(
        &self,
        rules: impl Iterator<Item = &'a Rule>,
    ) -> Vec<Source> {
        let by_flags = self.config.dispatch.max_rps.is_some();
        let mut sources = Vec::new();
        for rule in rules.filter(|rule| by_flags || rule.max_rps.is_some()) {
            if !sources.contains(&rule.source) {
                sources.push(rule.source.clone());
            }
        }
        sources
    }

    /// Which part of the pods of this source is on this node.
    pub(in crate::agent) async fn set_portion(&mut self, source: Source, portion: Portion) {
        let told = self.mirrors.values_mut();
        join_all(told.map(|mirror| mirror.set_portion(&source, portion))).await;
        for (rule, most) in caps(&self.mirrors, &source) {
            debug!("{rule}: {portion:?}: at most {most:.2} copies/s to each target");
        }
        let known = self.portions.entry(source);
        let known = known.or_insert(Known {
            portion,
            said: None,
        });
        known.portion = portion;
        self.say_portions(Instant::now());
    }

    /// Says which parts of pods are on this node, where that is news: of one source once a minute.
    pub(in crate::agent) fn say_portions(&mut self, now: Instant) {
        for (source, known) in &mut self.portions {
            if known.is_news(now)
                && let Some(line) = line(known.portion, caps(&self.mirrors, source))
            {
                info!("{line}");
                known.said = Some((known.portion, now));
            }
        }
    }

    /// Forgets the portions of sources that are not `capped` any more.
    pub(in crate::agent) fn retain_portions(&mut self, capped: &[Source]) {
        self.portions.retain(|source, _| capped.contains(source));
    }
}

/// The rules that mirror the pods of this source and have a cap, each with what it is on this node.
fn caps<'a>(
    mirrors: &'a BTreeMap<RuleId, RuleMirror>,
    source: &Source,
) -> impl Iterator<Item = (&'a str, f64)> {
    let all = mirrors.values();
    all.filter_map(move |mirror| Some((mirror.name(), mirror.cap(source)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(own: Option<u32>, flags: Option<f64>, portion: Option<Portion>) -> Cap {
        let flags = flags.map(|most| SharedCap::new(most, 2));
        Cap::new(flags, own.and_then(NonZeroU32::new), 2, portion)
    }

    fn of_shard(cap: Cap) -> Option<f64> {
        cap.shared().map(SharedCap::of_shard)
    }

    #[test]
    fn a_rule_caps_itself_and_never_lifts_the_cap_of_the_flags() {
        let most = |own, flags| of_shard(cap(own, flags, None));
        assert_eq!(most(None, None), None);
        assert_eq!(most(Some(10), None), Some(5.0), "shared by two shards");
        assert_eq!(most(None, Some(6.0)), Some(3.0));
        assert_eq!(most(Some(10), Some(6.0)), Some(3.0));
        assert_eq!(most(Some(4), Some(6.0)), Some(2.0));
    }

    #[test]
    fn a_node_has_its_part_of_the_cap() {
        let third = Some(Portion { own: 1, all: 3 });
        assert_eq!(cap(Some(30), None, third).of_node(), Some(10.0));
        assert_eq!(of_shard(cap(None, Some(30.0), third)), Some(5.0));
        assert_eq!(cap(None, None, third).of_node(), None);
        let mut cap = cap(Some(30), None, None);
        assert_eq!(cap.of_node(), Some(30.0), "nothing is known yet");
        cap.set_portion(Portion { own: 0, all: 2 });
        assert_eq!(cap.of_node(), Some(10.0), "as if a pod were ready");
        assert!(cap.set_own(NonZeroU32::new(60)));
        assert!(!cap.set_own(NonZeroU32::new(60)));
        assert_eq!(cap.of_node(), Some(20.0));
    }

    #[test]
    fn pods_that_come_and_go_are_a_line_a_minute_and_the_last_of_them_is_said() {
        let start = Instant::now();
        let mut known = Known {
            portion: Portion::default(),
            said: None,
        };
        let mut said = Vec::new();
        // Every second another one, for two minutes and a bit; then nothing changes.
        for second in 0..400_u32 {
            let now = start + Duration::from_secs(second.into());
            let all = second.min(130) as usize;
            known.portion = Portion { own: 1, all };
            if known.is_news(now) {
                known.said = Some((known.portion, now));
                said.push((second, all));
            }
        }
        assert_eq!(said, [(0, 0), (60, 60), (120, 120), (180, 130)]);
    }

    #[test]
    fn a_line_has_one_rule_and_the_number_of_the_others() {
        let portion = Portion { own: 1, all: 3 };
        let rules = [("a", 10.0), ("b", 5.0), ("c", 0.5)];
        let said = |rules: &[(&'static str, f64)]| line(portion, rules.iter().copied());
        assert_eq!(said(&[]), None);
        let one = "a: 1 of 3 ready pods here: at most 10.00 copies/s to each target";
        assert_eq!(said(&rules[..1]).as_deref(), Some(one));
        let all = format!("{one} (and 2 more rules of these pods)");
        assert_eq!(said(&rules), Some(all));
    }
}
