//! All agents, looked at again and again.
//!
//! A look does not wait for the slowest of them: who takes longer is asked on, and meanwhile counts by what he told last.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
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

/// How many of those that did not answer last time are asked at once: they may hold a place each for all the time that they
/// have, and are not to hold the places of the others.
const SILENT_AT_ONCE: usize = AT_ONCE / 2;

/// How long after the last answer an agent that was not asked again counts as silent.
const NOT_ASKED: Duration = Duration::from_secs(10);

/// How much longer than it should have an agent may seem to have been up, by an answer that was long on its way; more is a restart.
const ON_THE_WAY: f64 = 30.0;

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
    /// When the last look began.
    looked: Instant,
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
    /// How long it was up when it told that, in seconds.
    uptime: f64,
    /// When it told anything or failed to.
    heard: Option<Instant>,
    /// Why it tells nothing now.
    pub(super) trouble: Option<String>,
}

/// Who is to be asked, the next ones last.
#[derive(Default)]
struct Due {
    silent: Vec<AgentPod>,
    others: Vec<AgentPod>,
}

impl Due {
    /// The next one, where so many are asked already, and so many of them are silent.
    fn next(&mut self, asked: usize, silent: usize) -> Option<AgentPod> {
        if asked >= AT_ONCE {
            return None;
        }
        let silent = match silent < SILENT_AT_ONCE {
            true => self.silent.pop(),
            false => None,
        };
        silent.or_else(|| self.others.pop())
    }
}

impl Last {
    fn tell(&mut self, agent: &AgentPod, books: Result<Value>, at: Instant) {
        let told = self.0.entry(agent.name.clone()).or_default();
        told.node.clone_from(&agent.node);
        told.heard = Some(at);
        match books {
            Ok(books) => {
                let mut uptime = count(&books, "uptime_seconds");
                if let Some((before, then)) = &told.books {
                    let should = told.uptime + at.duration_since(*then).as_secs_f64();
                    let has_restarted = uptime < count(before, "uptime_seconds");
                    // An answer that was long on its way does not turn time back.
                    if !has_restarted && should - uptime < ON_THE_WAY {
                        uptime = uptime.max(should);
                    }
                }
                told.uptime = uptime;
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
            let uptime = told.uptime + now.duration_since(*at).as_secs_f64();
            if let Some(books) = books.as_object_mut() {
                books.insert("uptime_seconds".to_owned(), json!(uptime));
            }
            Some((told.node.as_str(), books))
        });
        let aged: Vec<_> = aged.collect();
        let all: Vec<_> = aged.iter().map(|(node, books)| (*node, books)).collect();
        add_up(&all)
    }

    /// A word that is another one when other agents are in the sum.
    fn counted(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for (name, told) in &self.0 {
            if told.books.is_some() {
                name.hash(&mut hasher);
            }
        }
        format!("{:x}", hasher.finish())
    }

    fn is_silent(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|it| it.trouble.is_some())
    }

    /// Those of the agents that are not `asked` yet, by turns: those first of which nothing was heard for the longest time.
    fn due(&self, agents: &[AgentPod], is_asked: impl Fn(&str) -> bool) -> Due {
        let mut due: Vec<_> = agents.to_vec();
        due.retain(|agent| !is_asked(&agent.name));
        due.sort_by_key(|agent| Reverse(self.0.get(&agent.name).and_then(|told| told.heard)));
        let (silent, others) = due.into_iter().partition(|it| self.is_silent(&it.name));
        Due { silent, others }
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
            looked: Instant::now(),
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
        self.looked = started;
        self.find();
        let is_asked = |name: &str| self.asked.contains_key(&Some(name.to_owned()));
        let mut due = self.last.due(&self.fleet.agents, is_asked);
        loop {
            while let Some(agent) = due.next(self.asked.len(), self.silent_asked()) {
                self.ask(agent);
            }
            // Who was asked by an earlier look has had his time.
            let of_now = self.asked.values().filter(|at| **at >= started);
            let is_awaited = of_now.count() > 0;
            if !is_awaited && due.others.is_empty() {
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

    /// How many of those that are asked did not answer last time.
    fn silent_asked(&self) -> usize {
        let asked = self.asked.keys().flatten();
        asked.filter(|name| self.last.is_silent(name)).count()
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
        self.fleet.agents.iter().map(|agent| {
            let told = self.last.0.get(&agent.name);
            let trouble = told.and_then(|told| told.trouble.clone());
            let since = self.asked.get(&Some(agent.name.clone()));
            let since = since.map(Instant::elapsed).filter(|it| *it >= SOON);
            let slow = since.map(|it| format!("no answer for {} s", it.as_secs()));
            let unknown = told.is_none().then(|| "not asked yet".to_owned());
            let heard = told.and_then(|told| told.heard);
            let old = heard.map(|it| self.looked.saturating_duration_since(it));
            let old = old.filter(|it| *it >= NOT_ASKED);
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
