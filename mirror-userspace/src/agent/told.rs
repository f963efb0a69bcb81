//! What people in the cluster are told of their documents: put together here, written elsewhere.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use mirror_core::ledger::{Ledger, Named};
use mirror_kubernetes::{
    cluster::{
        Aim, AttachState, Comparing, Counts, Part, Problem, Remark, Seen, SeenDocument, Subject,
        TellConfig, Teller, Waiting, rounded,
    },
    plan::Rule,
};
use tokio::time::Instant;

use super::Agent;

/// How often people's view is put together.
const EVERY: Duration = Duration::from_secs(2);

/// How often counters are read, by which figures are per minute.
const COUNTED_EVERY: Duration = Duration::from_secs(15);

/// Who tells, and what was counted.
#[derive(Debug)]
pub(super) struct Telling {
    teller: Teller,
    looked: Option<Instant>,
    counted: Option<Instant>,
    /// What was counted since the start, by rule.
    counts: HashMap<String, Figures>,
    /// The same within a minute.
    per_minute: HashMap<String, Figures>,
    /// What was compared since the start, by rule.
    compared: HashMap<String, Counts>,
}

/// How many copies of a rule were sent and lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    copies: u64,
    lost: u64,
    /// Those of the lost ones that were held back from targets that are overloaded.
    held_back: u64,
}

impl Figures {
    fn of(ledger: &Ledger) -> Self {
        let sum = |named: &Named| named.values().sum::<u64>();
        let dropped = &ledger.requests.dropped;
        Self {
            copies: ledger.requests.sent,
            lost: sum(dropped).saturating_add(sum(&ledger.replies.failed)),
            held_back: dropped.get("backing_off").copied().unwrap_or_default(),
        }
    }

    /// What there was within a minute, by what has come since others that are so many seconds old.
    fn per_minute(self, before: Self, seconds: u64) -> Self {
        let rate = |now: u64, before: u64| {
            let new = now.saturating_sub(before).saturating_mul(60);
            new.checked_div(seconds).unwrap_or_default()
        };
        Self {
            copies: rate(self.copies, before.copies),
            lost: rate(self.lost, before.lost),
            held_back: rate(self.held_back, before.held_back),
        }
    }

    fn add_to(self, part: &mut Part) {
        for (sum, figure) in [
            (&mut part.copies, self.copies),
            (&mut part.lost, self.lost),
            (&mut part.held_back, self.held_back),
        ] {
            *sum = sum.saturating_add(rounded(figure));
        }
    }
}

impl Telling {
    pub(super) fn start(config: TellConfig) -> Self {
        Self {
            teller: Teller::start(config),
            looked: None,
            counted: None,
            counts: HashMap::new(),
            per_minute: HashMap::new(),
            compared: HashMap::new(),
        }
    }

    pub(super) async fn end(self) {
        self.teller.end().await;
    }

    /// A rule of this name starts anew: what was counted until now is not its own.
    pub(super) fn forget(&mut self, rule: &str) {
        self.counts.remove(rule);
        self.per_minute.remove(rule);
        self.compared.remove(rule);
    }

    /// Says whether it is time to look, and whether to count.
    fn due(&mut self, now: Instant) -> Option<bool> {
        let passed = |since: Option<Instant>, least| {
            since.is_none_or(|since| now.duration_since(since) >= least)
        };
        if !passed(self.looked, EVERY) {
            return None;
        }
        self.looked = Some(now);
        Some(passed(self.counted, COUNTED_EVERY))
    }

    fn count(&mut self, ledgers: &[(String, Ledger)], now: Instant) {
        let since = self.counted.replace(now);
        let seconds = since.map_or(0, |since| now.duration_since(since).as_secs());
        let mut counts = HashMap::new();
        self.per_minute.clear();
        self.compared.clear();
        for (rule, ledger) in ledgers {
            let figures = Figures::of(ledger);
            if let Some(before) = self.counts.get(rule) {
                let rates = figures.per_minute(*before, seconds);
                self.per_minute.insert(rule.clone(), rates);
            }
            counts.insert(rule.clone(), figures);
            if let Some(report) = &ledger.verdict {
                let compared = Counts::of(&report.counts);
                self.compared.insert(rule.clone(), compared);
            }
        }
        self.counts = counts;
    }
}

impl Agent {
    /// Shows whoever tells how things are, now and then.
    pub(super) async fn show(&mut self) {
        let now = Instant::now();
        let Some(telling) = &mut self.telling else {
            return;
        };
        let Some(count) = telling.due(now) else {
            return;
        };
        // Where counters can't be read, the log says it.
        if count && let Ok(ledgers) = self.mirrors.ledgers().await {
            telling.count(&ledgers, now);
        }
        let seen = self.seen();
        if let Some(telling) = &self.telling {
            telling.teller.show(seen);
        }
    }

    fn seen(&self) -> Seen {
        let mut documents = self.documents.seen().clone();
        let mut titles = BTreeMap::new();
        for (id, rule, shape) in self.rules.by_id() {
            let Some(title) = rule.document() else {
                continue;
            };
            let Some(document) = documents.get_mut(title) else {
                continue;
            };
            titles.insert(id, title);
            document.rules += 1;
            self.look_at_targets(rule, document);
            if self.broken.contains_key(&id) {
                document.part.why = Some("its mirror was stopped by a fault: see the log".into());
            }
            let figures = self.telling.as_ref();
            let figures = figures.and_then(|telling| telling.per_minute.get(&rule.name));
            let figures = figures.copied().unwrap_or_default();
            figures.add_to(&mut document.part);
            let subject = Subject::new(&document.identity.uid, shape);
            document.comparison = self.comparing(rule, subject);
            let compared = self.telling.as_ref();
            let compared = compared.and_then(|telling| telling.compared.get(&rule.name));
            document.part.counts = compared.map(|counts| {
                let counts = counts.clone().of_subject(subject);
                match self.mirrors.names_groups(rule) {
                    true => counts,
                    false => counts.without_groups(),
                }
            });
        }
        for pod in self.state.status() {
            let title = titles.get(&pod.rule);
            if let Some(document) = title.and_then(|title| documents.get_mut(*title)) {
                add(&mut document.part, &pod.name, &pod.state);
            }
        }
        Seen { documents }
    }

    /// How a rule compares its targets, if it asks for that.
    fn comparing(&self, rule: &Rule, subject: Subject) -> Option<Comparing> {
        if !rule.asks_to_compare() {
            return None;
        }
        let not = |reason, text: &str| {
            let text = text.to_owned();
            Some(Comparing::Not(Remark { reason, text }))
        };
        if !rule.compares() {
            return not(
                "NothingToCompare",
                "a candidate and a baseline, or compare: v1, are not both there",
            );
        }
        if !self.mirrors.compares(rule) {
            return not(
                "RepliesOff",
                "v1's replies are not captured here: the agent runs with --replies off or --attach xdp",
            );
        }
        Some(Comparing::AsAsked(subject))
    }

    /// Says which targets of a rule have no endpoint, or are pods whose requests are mirrored.
    fn look_at_targets(&self, rule: &Rule, document: &mut SeenDocument) {
        for target in &rule.targets {
            let aim = Aim::of(&rule.source, target);
            let Some(endpoints) = self.watches.endpoints(&aim) else {
                continue;
            };
            let (list, why) = match endpoints.problem {
                Some(Problem::Sources) => (&mut document.sources, Problem::Sources.to_string()),
                Some(problem) => (&mut document.unreachable, problem.to_string()),
                // Without figures: they come and go.
                None if endpoints.sources > 0 => (
                    &mut document.partly_sources,
                    "some of its endpoints are pods whose requests are mirrored: they get no copies"
                        .to_owned(),
                ),
                None => continue,
            };
            let why = format!("{aim}: {why}");
            if !list.contains(&why) {
                list.push(why);
            }
        }
    }
}

/// Adds a pod of this node.
fn add(part: &mut Part, pod: &str, state: &AttachState) {
    let why = match state {
        AttachState::Attached => None,
        AttachState::Waiting(Waiting::Sandbox(Some(why))) | AttachState::Failed(why) => Some(why),
        AttachState::Unfit(why) => Some(why),
        // It comes, or can't.
        AttachState::Waiting(_) => None,
        AttachState::HostNetwork => return,
    };
    part.selected = part.selected.saturating_add(1);
    part.attached += u32::from(*state == AttachState::Attached);
    if part.why.is_none() {
        part.why = why.map(|why| format!("pod {pod}: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_per_minute() {
        let mut ledger = Ledger::default();
        let before = Figures::of(&ledger);
        ledger.requests.sent = 300;
        for (reason, count) in [("backing_off", 50), ("queue_full", 10)] {
            ledger.requests.dropped.insert(reason.into(), count);
        }
        ledger.replies.failed.insert("reset".into(), 5);
        let mut part = Part::default();
        Figures::of(&ledger)
            .per_minute(before, 15)
            .add_to(&mut part);
        assert_eq!((part.copies, part.lost, part.held_back), (1_200, 260, 200));
        let none = Figures::of(&ledger).per_minute(before, 0);
        assert_eq!(none, Figures::default());
    }

    #[test]
    fn pods_are_counted_by_what_became_of_them() {
        let mut part = Part::default();
        for state in [
            AttachState::Attached,
            AttachState::HostNetwork,
            AttachState::Waiting(Waiting::Address),
            AttachState::Failed("first".into()),
            AttachState::Unfit("second".into()),
        ] {
            add(&mut part, "web", &state);
        }
        assert_eq!((part.selected, part.attached), (4, 1));
        assert_eq!(part.why.as_deref(), Some("pod web: first"));
    }
}
