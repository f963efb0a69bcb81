//! Whose turn it is to be asked. Agents are asked one after the other, so many per second however many there are: what a
//! page costs the API server does not grow with the cluster.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use mirror_kubernetes::cluster::agents::AgentPod;

use super::super::fleet::AT_ONCE;

/// Agents that are asked per second at most, and at once.
pub(super) const PER_SECOND: usize = AT_ONCE;

/// What asking one of them takes of the time in which so many may be asked.
const COST: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND as u64);

/// What is made up for at most of the time in which nobody was asked: a look that waits for a slow node.
const MADE_UP: Duration = Duration::from_secs(2);

/// How many of those that did not answer last time are asked at once: they may hold a place each for all the time that they
/// have, and are not to hold the places of the others.
pub(super) const SILENT_AT_ONCE: usize = AT_ONCE / 2;

/// How long after its turn an agent that was not asked again counts as silent.
const NOT_ASKED: Duration = Duration::from_secs(10);

/// How long it takes to ask so many agents once; they are not asked more often than once per second.
pub(in super::super) fn turn(agents: usize) -> Duration {
    let seconds = agents.div_ceil(PER_SECOND).max(1);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX))
}

/// How old the answer of one of so many agents is at least if it missed its turn.
pub(super) fn too_old(agents: usize) -> Duration {
    turn(agents).saturating_mul(2).saturating_add(NOT_ASKED)
}

/// How many may be asked now.
pub(super) struct Allowance {
    left: Duration,
    at: Instant,
}

impl Allowance {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            left: MADE_UP,
            at: now,
        }
    }

    /// Time has passed.
    pub(super) fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.left = self.left.saturating_add(passed).min(MADE_UP);
        self.at = now;
    }

    /// So many more may be asked once.
    pub(super) fn grant(&mut self, agents: usize) {
        let more = u32::try_from(agents).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(COST.saturating_mul(more));
    }

    /// Whether nobody may be asked any more.
    pub(super) fn is_used_up(&self) -> bool {
        self.left < COST
    }

    fn take(&mut self) {
        self.left = self.left.saturating_sub(COST);
    }
}

/// Until when a look waits.
pub(super) struct Waits {
    /// For an answer, and since when.
    wait: Duration,
    since: Instant,
    /// Until when some may be left to be asked, where all of them are to be.
    last: Option<Instant>,
}

impl Waits {
    /// So long, whoever is asked by then.
    pub(super) const fn no_longer(since: Instant, wait: Duration) -> Self {
        let last = None;
        Self { wait, since, last }
    }

    /// Until each of so many agents was asked, some at a time, though those before it take all the time that they have; and
    /// so long for the last ones.
    pub(super) fn to_the_last(
        since: Instant,
        wait: Duration,
        patience: Duration,
        agents: usize,
    ) -> Self {
        let times = u32::try_from(agents.div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
        let whole = patience.saturating_mul(times).saturating_add(wait);
        let last = since.checked_add(whole);
        let last = last.or_else(|| since.checked_add(wait));
        Self { wait, since, last }
    }

    /// One more was asked.
    pub(super) const fn asked(&mut self, at: Instant) {
        if self.last.is_some() {
            self.since = at;
        }
    }

    /// Until when, where all are asked or some are not.
    pub(super) fn until(&self, all_are_asked: bool) -> Instant {
        match self.last {
            Some(last) if !all_are_asked => last,
            _ => self.since + self.wait,
        }
    }
}

/// An agent, and when anything was heard of it.
type Heard = (Option<Instant>, AgentPod);

/// Who is to be asked, the next ones last: those of which nothing was heard for the longest time.
#[derive(Default)]
pub(super) struct Due {
    silent: Vec<Heard>,
    others: Vec<Heard>,
}

impl Due {
    /// These agents, each with when anything was heard of it, and whether it did not answer then.
    pub(super) fn of(agents: impl Iterator<Item = (AgentPod, Option<Instant>, bool)>) -> Self {
        let mut due = Self::default();
        for (agent, heard, is_silent) in agents {
            match is_silent {
                true => due.silent.push((heard, agent)),
                false => due.others.push((heard, agent)),
            }
        }
        for list in [&mut due.silent, &mut due.others] {
            list.sort_by_key(|(heard, _)| Reverse(*heard));
        }
        due
    }

    /// The next one that may be asked, where so many are asked already, and so many of them are silent.
    pub(super) fn next(
        &mut self,
        asked: usize,
        silent: usize,
        allowance: &mut Allowance,
    ) -> Option<AgentPod> {
        if asked >= AT_ONCE || allowance.is_used_up() {
            return None;
        }
        let has_waited_longer = match (self.silent.last(), self.others.last()) {
            (Some((silent, _)), Some((other, _))) => silent <= other,
            (silent, _) => silent.is_some(),
        };
        let list = match has_waited_longer && silent < SILENT_AT_ONCE {
            true => &mut self.silent,
            false => &mut self.others,
        };
        let (_, agent) = list.pop()?;
        allowance.take();
        Some(agent)
    }

    /// Whether none is left but those that may be silent on.
    pub(super) fn is_done(&self) -> bool {
        self.others.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::cli::kubectl::tests::agent;

    /// A look per second at agents that answer at once, of which some fail.
    struct Looks {
        agents: Vec<AgentPod>,
        failing: BTreeSet<String>,
        heard: BTreeMap<String, Instant>,
        allowance: Allowance,
        start: Instant,
    }

    impl Looks {
        fn at(agents: usize, failing: usize) -> Self {
            let agents: Vec<_> = (0..agents).map(|it| agent(&format!("{it}"))).collect();
            let start = Instant::now();
            let failing = agents.iter().take(failing).map(|it| it.name.clone());
            Self {
                failing: failing.collect(),
                agents,
                heard: BTreeMap::new(),
                allowance: Allowance::new(start),
                start,
            }
        }

        /// Looks at this time, and returns who was asked.
        fn look(&mut self, millis: u64) -> Vec<String> {
            self.allowance
                .refill(self.start + Duration::from_millis(millis));
            self.ask(millis)
        }

        fn ask(&mut self, millis: u64) -> Vec<String> {
            let now = self.start + Duration::from_millis(millis);
            let due = self.agents.iter().map(|agent| {
                let heard = self.heard.get(&agent.name).copied();
                let is_silent = heard.is_some() && self.failing.contains(&agent.name);
                (agent.clone(), heard, is_silent)
            });
            let mut due = Due::of(due);
            let mut asked = Vec::new();
            // Each has answered when the next one is asked.
            while let Some(agent) = due.next(0, 0, &mut self.allowance) {
                self.heard.insert(agent.name.clone(), now);
                asked.push(agent.name);
            }
            asked
        }
    }

    #[test]
    fn to_ask_all_it_is_waited_as_long_as_those_that_hang_take() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let [soon, patience] = [2, 10].map(Duration::from_secs);
        let mut some = Waits::no_longer(start, soon);
        some.asked(at(1));
        assert_eq!([some.until(false), some.until(true)], [at(2); 2]);
        let mut all = Waits::to_the_last(start, soon, patience, 3 * AT_ONCE);
        assert_eq!(all.until(false), at(32));
        all.asked(at(20));
        assert_eq!([all.until(false), all.until(true)], [at(32), at(22)]);
        let longest = Waits::to_the_last(start, soon, Duration::MAX, 1);
        assert_eq!(longest.until(false), at(2));
    }

    #[test]
    fn a_few_are_asked_at_each_look() {
        for agents in [1, 2, PER_SECOND] {
            assert_eq!(turn(agents), Duration::from_secs(1));
            let mut looks = Looks::at(agents, 0);
            for second in 0..100 {
                assert_eq!(looks.look(1_000 * second).len(), agents, "{second}");
            }
        }
        assert_eq!(turn(0), Duration::from_secs(1));
    }

    #[test]
    fn of_a_thousand_each_has_its_turn_and_no_more_are_asked_than_of_a_few() {
        for failing in [0, 100, 900] {
            let mut looks = Looks::at(1_000, failing);
            let mut asked = Vec::new();
            for second in 0..320 {
                let now = looks.look(1_000 * second);
                assert!(now.len() <= 2 * PER_SECOND, "{second}: {}", now.len());
                asked.extend(now);
            }
            // What was made up for at the beginning is a look's.
            assert!(asked.len() <= 321 * PER_SECOND, "{}", asked.len());
            let mut times = BTreeMap::<_, usize>::new();
            for name in asked {
                *times.entry(name).or_default() += 1;
            }
            assert_eq!(times.len(), 1_000);
            assert_eq!(turn(1_000), Duration::from_secs(32));
            // Whoever fails: 320 s are 10 turns.
            assert!(times.values().all(|it| (10..=11).contains(it)), "{times:?}");
        }
    }

    /// As a terminal does whose keys are pressed all the time, or one page after the other that is opened.
    #[test]
    fn who_looks_more_often_asks_no_more() {
        let mut looks = Looks::at(1_000, 0);
        let asked: usize = (0..1_000).map(|look| looks.look(10 * look).len()).sum();
        assert!(asked <= (10 + 2) * PER_SECOND, "{asked}");
    }

    #[test]
    fn after_a_rest_all_are_asked_once_and_then_by_turns() {
        let mut looks = Looks::at(1_000, 0);
        looks.look(0);
        looks
            .allowance
            .refill(looks.start + Duration::from_secs(500));
        looks.allowance.grant(1_000);
        assert_eq!(looks.ask(500_000).len(), 1_000);
        assert!(looks.look(501_000).len() <= 2 * PER_SECOND);
        let later: usize = (502..512).map(|it| looks.look(1_000 * it).len()).sum();
        assert!(later <= 10 * PER_SECOND, "{later}");
    }
}
