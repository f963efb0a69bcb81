//! All agents, looked at again and again.
//!
//! A look does not wait for the slowest of them: who takes longer is asked on, and meanwhile counts by what he told last.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use mirror_kubernetes::cluster::agents::AgentPod;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time};

use super::{
    fleet::{AT_ONCE, Fleet, successful},
    sum::add_up,
};
use crate::{admin::client::Over, cli::top::books::count};

/// How long it is waited until agents are looked for again, and the same if some are silent.
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
    /// When the agents were looked for, and why they were not found.
    found: Instant,
    lost_sight: Option<String>,
}

/// An answer.
enum Came {
    /// The books of an agent.
    Books(String, Result<Value>),
    /// The agents that there are.
    Agents(Result<Vec<AgentPod>>),
}

/// What is known of each agent, by its pod's name: a node has two while one hands over to the next, and one that is silent
/// for a while has not lost what it counted.
#[derive(Default)]
pub(super) struct Last(BTreeMap<String, Told>);

/// What an agent has told, and when.
#[derive(Default)]
pub(super) struct Told {
    pub(super) node: String,
    pub(super) books: Option<(Value, Instant)>,
    /// Why it tells nothing now.
    pub(super) trouble: Option<String>,
}

impl Last {
    fn tell(&mut self, agent: &AgentPod, books: Result<Value>, at: Instant) {
        let told = self.0.entry(agent.name.clone()).or_default();
        told.node.clone_from(&agent.node);
        match books {
            Ok(books) => {
                told.books = Some((books, at));
                told.trouble = None;
            }
            Err(error) => told.trouble = Some(format!("{error:#}")),
        }
    }

    /// Forgets agents that are gone.
    fn keep(&mut self, agents: &[AgentPod]) {
        self.0
            .retain(|name, _| agents.iter().any(|agent| agent.name == *name));
    }

    /// All of them added up. Those that are silent are taken to run on: time passes for the sum, whoever tells.
    fn sum(&self, now: Instant) -> Value {
        let aged = self.0.values().filter_map(|told| {
            let (books, at) = told.books.as_ref()?;
            let mut books = books.clone();
            let passed = now.duration_since(*at).as_secs_f64();
            let uptime = count(&books, "uptime_seconds") + passed;
            if let Some(books) = books.as_object_mut() {
                books.insert("uptime_seconds".to_owned(), json!(uptime));
            }
            Some((told.node.as_str(), books))
        });
        let aged: Vec<_> = aged.collect();
        let all: Vec<_> = aged.iter().map(|(node, books)| (*node, books)).collect();
        add_up(&all)
    }
}

impl Live {
    /// These agents, of which nothing is known yet.
    pub(super) fn new(fleet: Fleet) -> Self {
        Self {
            fleet: Arc::new(fleet),
            last: Last::default(),
            asked: BTreeMap::new(),
            asking: JoinSet::new(),
            found: Instant::now(),
            lost_sight: None,
        }
    }

    /// The agents as they were found last.
    pub(super) fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// Asks all agents, and waits for those that answer soon.
    pub(super) async fn look(&mut self) {
        let started = Instant::now();
        let wait = match self.last.0.is_empty() {
            true => self.fleet.patience.saturating_add(SOON),
            false => SOON,
        };
        self.find();
        // Those first that have told nothing for the longest time.
        let mut due: Vec<_> = self.fleet.agents.clone();
        due.retain(|agent| !self.asked.contains_key(&Some(agent.name.clone())));
        due.sort_by_key(|agent| std::cmp::Reverse(self.told_at(agent)));
        loop {
            while self.asked.len() < AT_ONCE
                && let Some(agent) = due.pop()
            {
                self.ask(agent);
            }
            // Who was asked by an earlier look has had his time.
            let of_now = self.asked.values().filter(|at| **at >= started);
            let is_awaited = of_now.count() > 0;
            if !is_awaited && due.is_empty() {
                break;
            }
            let deadline = time::Instant::from_std(started) + wait;
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

    fn told_at(&self, agent: &AgentPod) -> Option<Instant> {
        let told = self.last.0.get(&agent.name)?;
        told.books.as_ref().map(|(_, at)| *at)
    }

    fn ask(&mut self, agent: AgentPod) {
        let fleet = Arc::clone(&self.fleet);
        let name = agent.name.clone();
        self.asked.insert(Some(name.clone()), Instant::now());
        self.asking.spawn(async move {
            let patience = fleet.patience;
            let asked = time::timeout(patience, fleet.ask(&agent, Over::Get("/ledger"))).await;
            let late = |_| anyhow!("no answer in {} s", patience.as_secs_f64());
            let books = asked.map_err(late).flatten().and_then(successful);
            let books = books.and_then(|it| Ok(serde_json::from_slice(&it)?));
            Came::Books(name, books)
        });
    }

    /// Looks for the agents again, if it is time: an update of theirs gives each another name, and nodes come.
    fn find(&mut self) {
        let is_fine = self.lost_sight.is_none() && self.silent().next().is_none();
        let after = if is_fine { AGAIN } else { AGAIN_IF_SILENT };
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
                    self.last.tell(agent, books, Instant::now());
                }
            }
            Came::Agents(found) => {
                self.asked.remove(&None);
                self.found = Instant::now();
                self.lost_sight = found.as_ref().err().map(|error| format!("{error:#}"));
                if let Ok(agents) = found {
                    self.last.keep(&agents);
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

    /// What all that is known adds up to.
    pub(super) fn sum(&self, now: Instant) -> Value {
        self.last.sum(now)
    }

    /// Each agent with what it told, and, if it does not now, why. One that is asked for the first time tells nothing.
    pub(super) fn each(&self) -> impl Iterator<Item = (&AgentPod, Option<&Told>, Option<String>)> {
        self.fleet.agents.iter().map(|agent| {
            let told = self.last.0.get(&agent.name);
            let trouble = told.and_then(|told| told.trouble.clone());
            let since = self.asked.get(&Some(agent.name.clone()));
            let since = since.map(Instant::elapsed).filter(|it| *it >= SOON);
            let slow = since.map(|it| format!("no answer for {} s", it.as_secs()));
            let unknown = told.is_none().then(|| "not asked yet".to_owned());
            (agent, told, trouble.or(slow).or(unknown))
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
mod tests {
    use super::*;
    use crate::cli::kubectl::tests::agent;

    fn books(uptime: f64) -> Value {
        json!({"version": "0.1.0", "uptime_seconds": uptime, "rules": [
            {"rule": "flags", "attachments": 1, "targets": [], "ledger": {"segments": {"seen": 5}}},
        ]})
    }

    #[test]
    fn time_goes_on_where_the_youngest_is_silent() {
        let (mut last, start) = (Last::default(), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        let (old, young) = (agent("a"), agent("b"));
        last.tell(&old, Ok(books(100.0)), start);
        last.tell(&young, Ok(books(10.0)), start);
        assert_eq!(last.sum(start)["uptime_seconds"], 10.0);
        last.tell(&old, Ok(books(103.0)), later(3));
        assert_eq!(last.sum(later(3))["uptime_seconds"], 13.0);
        last.tell(&young, Ok(books(14.0)), later(4));
        assert_eq!(last.sum(later(4))["uptime_seconds"], 14.0);
    }

    #[test]
    fn two_agents_of_a_node_are_two_until_one_is_gone() {
        let (mut last, now) = (Last::default(), Instant::now());
        let (one, mut next) = (agent("a"), agent("a"));
        next.name = "podmirror-next".to_owned();
        last.tell(&one, Ok(books(100.0)), now);
        last.tell(&next, Ok(books(1.0)), now);
        let seen = |last: &Last| last.sum(now)["rules"][0]["ledger"]["segments"]["seen"].clone();
        assert_eq!(seen(&last), 10);
        last.keep(&[next]);
        assert_eq!(seen(&last), 5);
    }
}
