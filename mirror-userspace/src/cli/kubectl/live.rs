//! All agents, looked at again and again.
//!
//! A look does not wait for the slowest of them: who takes longer is asked on, and meanwhile counts by what he told last. Nor
//! does it ask all of them, where they are many: they have their [turns](mod@turn).

mod forwards;
mod last;
mod turn;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use mirror_kubernetes::cluster::agents::AgentPod;
use serde_json::Value;
use tokio::{task::JoinSet, time};

use super::fleet::{Fleet, within};
use forwards::{Forward, Forwards};
use last::{Last, Told};
pub(super) use turn::turn;
use turn::{Allowance, Waits, too_old};

/// How long it is waited until agents are looked for again, and the same if some are silent; longer where they are many.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_IF_SILENT: Duration = Duration::from_secs(5);

/// How long a look waits for an answer. The first one has all the time that the nodes have.
const SOON: Duration = Duration::from_secs(2);

/// All agents, and what each of them told last.
pub(super) struct Live {
    fleet: Arc<Fleet>,
    last: Last,
    /// What is asked, and since when: the names of agents; `None` are the agents themselves.
    asked: BTreeMap<Option<String>, Instant>,
    asking: JoinSet<Came>,
    allowance: Allowance,
    forwards: Forwards,
    /// When the agents were looked for, and why they were not found.
    found: Instant,
    lost_sight: Option<String>,
    /// When the last look began, and since when there was one after the other.
    looked: Instant,
    looking: Instant,
}

/// An answer.
enum Came {
    /// The books of an agent, and the port-forward to it that is still open.
    Books(String, Result<(Value, Option<Box<Forward>>)>),
    /// The agents that there are.
    Agents(Result<Vec<AgentPod>>),
}

impl Live {
    /// These agents, of which nothing is known yet.
    pub(super) fn new(fleet: Fleet) -> Self {
        let now = Instant::now();
        Self {
            fleet: Arc::new(fleet),
            last: Last::default(),
            asked: BTreeMap::new(),
            asking: JoinSet::new(),
            allowance: Allowance::new(now),
            forwards: Forwards::default(),
            found: now,
            lost_sight: None,
            looked: now,
            looking: now,
        }
    }

    /// The agents as they were found last.
    pub(super) fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// Asks those agents whose turn it is, and waits for those that answer soon. At first, and where nobody has looked for
    /// long, all of them are asked once.
    pub(super) async fn look(&mut self) {
        let now = Instant::now();
        let rests = now.saturating_duration_since(self.looked);
        let has_rested = rests >= too_old(self.fleet.agents.len());
        if has_rested {
            self.looking = now;
        }
        let all = has_rested || self.last.0.is_empty();
        self.look_at(all, false, now).await;
    }

    /// Asks all agents once, and takes all the time that it takes until the last of them is asked.
    pub(super) async fn look_at_all(&mut self) {
        self.look_at(true, true, Instant::now()).await;
    }

    async fn look_at(&mut self, all: bool, to_the_last: bool, started: Instant) {
        let wait = match self.last.0.is_empty() {
            true => self.fleet.patience.saturating_add(SOON),
            false => SOON,
        };
        let agents = self.fleet.agents.len();
        let mut waits = match to_the_last {
            true => Waits::to_the_last(started, wait, self.fleet.patience, agents),
            false => Waits::no_longer(started, wait),
        };
        self.looked = started;
        self.allowance.refill(started);
        if all {
            self.allowance.grant(agents);
        }
        self.find();
        let is_asked = |name: &str| self.asked.contains_key(&Some(name.to_owned()));
        let mut due = self.last.due(&self.fleet.agents, is_asked);
        loop {
            let asked = (self.asked.len(), self.silent_asked());
            if let Some(agent) = due.next(asked.0, asked.1, &mut self.allowance) {
                self.ask(agent);
                waits.asked(Instant::now());
                continue;
            }
            // Who was asked by an earlier look has had his time.
            let of_now = self.asked.values().filter(|at| **at >= started);
            let is_awaited = of_now.count() > 0;
            if !is_awaited && (due.is_done() || self.allowance.is_used_up()) {
                break;
            }
            let deadline = time::Instant::from_std(waits.until(due.is_done()));
            match time::timeout_at(deadline, self.asking.join_next()).await {
                Ok(Some(Ok(came))) => self.take(came),
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => break,
            }
        }
        // What else has come by now, without waiting for it.
        while let Some(Ok(came)) = self.asking.try_join_next() {
            self.take(came);
        }
    }

    /// How many of those that are asked did not answer last time.
    fn silent_asked(&self) -> usize {
        let asked = self.asked.keys().flatten();
        asked.filter(|name| self.last.is_silent(name)).count()
    }

    fn ask(&mut self, agent: AgentPod) {
        let fleet = Arc::clone(&self.fleet);
        let name = agent.name.clone();
        self.asked.insert(Some(name.clone()), Instant::now());
        let open = self.forwards.take(&name);
        self.asking.spawn(async move {
            let asked = forwards::books(&fleet, &agent, open);
            Came::Books(name, within(fleet.patience, asked).await)
        });
    }

    /// Looks for the agents again, if it is time: an update of theirs gives each another name, and nodes come.
    fn find(&mut self) {
        let is_fine = self.lost_sight.is_none() && self.silent().next().is_none();
        let turn = turn(self.fleet.agents.len());
        let longest = AGAIN.max(turn);
        // To list them takes the API the longer the more they are.
        let turns = u32::try_from(turn.as_secs()).unwrap_or(u32::MAX);
        let after = match is_fine {
            true => longest,
            false => longest.min(AGAIN_IF_SILENT.saturating_mul(turns)),
        };
        if self.found.elapsed() < after || self.asked.contains_key(&None) {
            return;
        }
        self.asked.insert(None, Instant::now());
        let fleet = Arc::clone(&self.fleet);
        self.asking
            .spawn(async move { Came::Agents(fleet.list().await) });
    }

    fn take(&mut self, came: Came) {
        match came {
            Came::Books(name, books) => {
                self.asked.remove(&Some(name.clone()));
                let mut agents = self.fleet.agents.iter();
                // It may be gone since.
                if let Some(agent) = agents.find(|it| it.name == name) {
                    let books = books.map(|(books, open)| {
                        if let Some(open) = open {
                            self.forwards.keep(name, open);
                        }
                        books
                    });
                    self.last.tell(agent, books, Instant::now());
                }
            }
            Came::Agents(found) => {
                self.asked.remove(&None);
                self.found = Instant::now();
                self.lost_sight = found.as_ref().err().map(|error| format!("{error:#}"));
                if let Ok(agents) = found {
                    let there: BTreeSet<_> = agents.iter().map(|it| &*it.name).collect();
                    self.last.retain(|name| there.contains(name));
                    self.forwards.retain(|name| there.contains(name));
                    let mut fleet = Fleet::clone(&self.fleet);
                    fleet.agents = agents;
                    self.fleet = Arc::new(fleet);
                }
            }
        }
    }

    /// Whether any of them has told anything.
    pub(super) fn knows_any(&self) -> bool {
        self.last.0.values().any(|told| told.books.is_some())
    }

    /// A word that is another one when other agents are in [`sum`](Self::sum).
    pub(super) fn counted(&self) -> String {
        self.last.counted()
    }

    /// What all that is known adds up to.
    pub(super) fn sum(&self, now: Instant) -> Value {
        self.last.sum(now)
    }

    /// Each agent with what it told, and, if it does not now, why. One that is asked for the first time tells nothing.
    pub(super) fn each(&self) -> impl Iterator<Item = (&AgentPod, Option<&Told>, Option<String>)> {
        let too_old = too_old(self.fleet.agents.len());
        self.fleet.agents.iter().map(move |agent| {
            let told = self.last.0.get(&agent.name);
            let trouble = told.and_then(|told| told.trouble.clone());
            let since = self.asked.get(&Some(agent.name.clone()));
            let since = since.map(Instant::elapsed).filter(|it| *it >= SOON);
            let slow = since.map(|it| format!("no answer for {} s", it.as_secs()));
            let unknown = told.is_none().then(|| "not asked yet".to_owned());
            // While nobody looked nobody was asked.
            let since = told
                .and_then(|told| told.heard)
                .map(|it| it.max(self.looking));
            let old = since.map(|it| self.looked.saturating_duration_since(it));
            let old = old.filter(|it| *it >= too_old);
            let old =
                old.map(|it| format!("not asked for {} s: too many do not answer", it.as_secs()));
            (agent, told, trouble.or(slow).or(unknown).or(old))
        })
    }

    /// Those that do not answer, with the reason.
    pub(super) fn silent(&self) -> impl Iterator<Item = (&AgentPod, String)> {
        self.each()
            .filter_map(|(agent, _, trouble)| Some((agent, trouble?)))
    }

    /// What of the sum is older than now, and why.
    pub(super) fn trouble(&self) -> Option<String> {
        let silent: Vec<_> = self
            .silent()
            .map(|(agent, why)| format!("{}: {why}", agent.node))
            .collect();
        let mut trouble = Vec::new();
        if !silent.is_empty() {
            let (count, silent) = (silent.len(), silent.join("; "));
            trouble.push(format!("{count} nodes do not answer: {silent}"));
        }
        trouble.extend(self.lost_sight.clone());
        (!trouble.is_empty()).then(|| trouble.join("; "))
    }
}

#[cfg(test)]
mod tests;
