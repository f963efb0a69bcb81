//! What agents have told last.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Instant,
};

use anyhow::Result;
use mirror_kubernetes::cluster::agents::AgentPod;
use serde_json::{Value, json};

use super::{super::sum::add_up, turn::Due};
use crate::cli::top::books::count;

/// How much longer than it should have an agent may seem to have been up, by an answer that was long on its way; more is a restart.
const ON_THE_WAY: f64 = 30.0;

/// What is known of each agent, by its pod's name: a node has two while one hands over to the next, and one that is silent
/// for a while has not lost what it counted.
#[derive(Default)]
pub(in super::super) struct Last(pub(super) BTreeMap<String, Told>);

/// What an agent has told, and when.
#[derive(Default)]
pub(in super::super) struct Told {
    pub(in super::super) node: String,
    pub(in super::super) books: Option<(Value, Instant)>,
    /// How long it was up when it told that, in seconds.
    uptime: f64,
    /// When it told anything or failed to.
    pub(super) heard: Option<Instant>,
    /// Why it tells nothing now.
    pub(in super::super) trouble: Option<String>,
}

impl Last {
    pub(super) fn tell(&mut self, agent: &AgentPod, books: Result<Value>, at: Instant) {
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
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| is_there(name));
    }

    /// All of them added up. Those that are silent are taken to run on: time passes for the sum, whoever tells.
    pub(super) fn sum(&self, now: Instant) -> Value {
        let mut all = Vec::with_capacity(self.0.len());
        let mut least: Option<f64> = None;
        for told in self.0.values() {
            let Some((books, at)) = &told.books else {
                continue;
            };
            let uptime = told.uptime + now.duration_since(*at).as_secs_f64();
            least = Some(least.map_or(uptime, |least| least.min(uptime)));
            all.push((told.node.as_str(), books));
        }
        let mut sum = add_up(&all);
        // As in the sum of what they told: that of the one that started last.
        if let (Some(uptime), Some(sum)) = (least, sum.as_object_mut()) {
            sum.insert("uptime_seconds".to_owned(), json!(uptime));
        }
        sum
    }

    /// A word that is another one when other agents are in the sum.
    pub(super) fn counted(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for (name, told) in &self.0 {
            if told.books.is_some() {
                name.hash(&mut hasher);
            }
        }
        format!("{:x}", hasher.finish())
    }

    pub(super) fn is_silent(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|it| it.trouble.is_some())
    }

    /// Those of the agents that are not asked yet, by turns.
    pub(super) fn due(&self, agents: &[AgentPod], is_asked: impl Fn(&str) -> bool) -> Due {
        let due = agents.iter().filter(|agent| !is_asked(&agent.name));
        Due::of(due.map(|agent| {
            let told = self.0.get(&agent.name);
            let heard = told.and_then(|told| told.heard);
            let is_silent = told.is_some_and(|told| told.trouble.is_some());
            (agent.clone(), heard, is_silent)
        }))
    }
}
