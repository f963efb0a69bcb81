//! All agents as what a page shows, and tunes: the books of `GET /ledger` added up, and who they are from.

use std::{path::PathBuf, sync::Arc, time::Duration, time::Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use hyper::StatusCode;
use mirror_core::value::Rate;
use mirror_kubernetes::cluster::agents::AgentPod;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    books::lag,
    fleet::{Fleet, successful, told_of},
    live::Live,
    set::{outcome, set_in_agents},
};
use crate::{
    admin::{Failure, Source, client::Over},
    cli::top::{
        self,
        books::{count, list, pairs, text},
    },
};

/// Agents that are listed one by one: those that do not answer come first.
const AGENTS: usize = 200;

/// Losses, and replies that differed, in an answer: the newest.
const SHOWN: usize = 200;

/// How long each agent may take for those.
const PATIENCE: Duration = Duration::from_secs(4);

/// All agents.
pub(super) struct All {
    live: Mutex<Live>,
    token: Option<PathBuf>,
}

impl All {
    /// Those that are looked at; they are told rates with the token in this file, or by executing podmirror in them.
    pub(super) fn new(live: Live, token: Option<PathBuf>) -> Self {
        let live = Mutex::new(live);
        Self { live, token }
    }

    async fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(self.live.lock().await.fleet())
    }

    /// What the agents that answer have at a path, each with its entries in the list of this name, the newest of all first.
    async fn newest(&self, path: &str, name: &str) -> Result<Value, Failure> {
        let (mut fleet, silent) = {
            let live = self.live.lock().await;
            let silent: Vec<_> = live.silent().collect();
            let named: Vec<_> = silent.iter().map(|(agent, _)| agent.node.clone()).collect();
            let mut fleet = Fleet::clone(live.fleet());
            fleet
                .agents
                .retain(|it| silent.iter().all(|(agent, _)| agent.name != it.name));
            (fleet, named)
        };
        fleet.patience = fleet.patience.min(PATIENCE);
        let told = fleet.read(path).await.into_iter();
        let told = told.map(|(agent, told)| {
            let told = told.and_then(|it| Ok(serde_json::from_slice(&it)?));
            (agent, told)
        });
        newest(name, told, silent)
    }

    /// A capture file of one agent's: `agent=NAME&id=1,2`.
    async fn capture(&self, query: Option<&str>) -> Result<Bytes, Failure> {
        let accepted = || {
            let why = "accepted: agent=NAME&id=N or agent=NAME&id=N,N,…";
            (StatusCode::BAD_REQUEST, why.to_owned())
        };
        let query = query.and_then(|it| it.strip_prefix("agent="));
        let (name, numbers) = query
            .and_then(|it| it.split_once("&id="))
            .ok_or_else(accepted)?;
        if !numbers.bytes().all(|it| it.is_ascii_digit() || it == b',') {
            return Err(accepted());
        }
        let fleet = self.fleet().await;
        let agent = fleet.agents.iter().find(|agent| agent.name == name);
        let agent = agent.ok_or((StatusCode::NOT_FOUND, "no such agent".to_owned()))?;
        let path = format!("/lost.pcapng?id={numbers}");
        let told = tokio::time::timeout(fleet.patience, fleet.ask(agent, Over::Get(&path)));
        let told = told.await.context("no answer in time");
        let told = told.flatten().and_then(successful);
        told.map_err(|error| failed(format!("{error:#}")))
    }
}

impl Source for All {
    async fn books(&self) -> Result<Bytes, Failure> {
        let mut live = self.live.lock().await;
        live.look().await;
        let now = Instant::now();
        let mut sum = live.sum(now);
        let mut agents: Vec<_> = live.each().collect();
        agents.sort_by_key(|(.., trouble)| trouble.is_none());
        let omitted = agents.len().saturating_sub(AGENTS);
        let agents = agents.into_iter().take(AGENTS);
        let agents = agents.map(|(agent, told, trouble)| {
            let books = told.and_then(|told| told.books.as_ref());
            let age = books.map(|(_, at)| now.duration_since(*at).as_secs());
            json!({
                "node": agent.node,
                "agent": agent.name,
                "trouble": trouble,
                "age_seconds": age,
                "rules": books.map_or(json!([]), |(books, _)| rules(books)),
            })
        });
        let agents: Value = agents.collect();
        if let Some(sum) = sum.as_object_mut() {
            sum.insert("agents".to_owned(), agents);
            sum.insert("agents_counted".to_owned(), json!(live.counted()));
            sum.insert("agents_omitted".to_owned(), json!(omitted));
        }
        Ok(sum.to_string().into())
    }

    async fn lost(&self, path: &str, query: Option<&str>) -> Result<Bytes, Failure> {
        match path {
            "/lost.pcapng" => self.capture(query).await,
            _ => Ok(self.newest("/lost", "lost").await?.to_string().into()),
        }
    }

    async fn differences(&self) -> Result<Bytes, Failure> {
        let told = self.newest("/differences", "differences").await?;
        Ok(told.to_string().into())
    }

    async fn rates(&self) -> Result<String, Failure> {
        let sum = self.live.lock().await.sum(Instant::now());
        let lines = pairs(&sum).into_iter().map(|pair| {
            let share = top::percent(Some(pair.sample));
            format!("{share}\t{}\t{}\n", pair.rule, pair.target)
        });
        Ok(lines.collect())
    }

    async fn set_rate(&self, _by: &str, rule: Option<&str>, rate: Rate) -> Result<String, Failure> {
        let fleet = self.fleet().await;
        let told = set_in_agents(&fleet, rule, rate, self.token.as_deref()).await;
        let mut words = outcome(&told, rule, rate)
            .map_err(|error| (StatusCode::NOT_FOUND, format!("{error:#}")))?;
        let mut status = StatusCode::OK;
        for (agent, set) in &told {
            if let Err(error) = set {
                status = StatusCode::BAD_GATEWAY;
                words = format!("{words}\n{}", told_of(agent, &format!("{error:#}")));
            }
        }
        match status {
            StatusCode::OK => Ok(words),
            _ => Err((status, words)),
        }
    }
}

/// What agents told, the newest entries of all first. Nothing is got only where none of them told anything: those that were
/// not asked, for they are `silent`, are named as those are that failed.
fn newest<'a>(
    name: &str,
    told: impl Iterator<Item = (&'a AgentPod, Result<Value>)>,
    silent: Vec<String>,
) -> Result<Value, Failure> {
    let (mut all, mut sum) = (
        Vec::new(),
        json!({"now": 0.0, "keep": 0.0, "not_kept": 0.0}),
    );
    let (mut trouble, mut why, mut answers) = (silent, None, 0_usize);
    for (agent, told) in told {
        match told {
            Ok(told) => {
                answers += 1;
                let most = |name| count(&sum, name).max(count(&told, name));
                let (now, keep) = (most("now"), most("keep"));
                let not_kept = count(&sum, "not_kept") + count(&told, "not_kept");
                sum = json!({"now": now, "keep": keep, "not_kept": not_kept});
                let listed = list(&told, name).iter().cloned();
                all.extend(listed.map(|it| of_agent(agent, it)));
            }
            Err(error) => {
                trouble.push(agent.node.clone());
                why.get_or_insert(format!("{}: {error:#}", agent.node));
            }
        }
    }
    let said = format!("Not told by {}.", trouble.join(", "));
    if answers == 0 && !trouble.is_empty() {
        return Err(failed(why.unwrap_or(said)));
    }
    all.sort_by(|one, other| count(other, "at").total_cmp(&count(one, "at")));
    all.truncate(SHOWN);
    if let Some(sum) = sum.as_object_mut() {
        sum.insert(name.to_owned(), Value::from(all));
        if !trouble.is_empty() {
            sum.insert("trouble".to_owned(), json!(said));
        }
    }
    Ok(sum)
}

/// What each rule does at an agent.
fn rules(books: &Value) -> Value {
    let pairs = pairs(books);
    let rules = list(books, "rules").iter().map(|rule| {
        let name = text(rule, "rule");
        let of = || pairs.iter().filter(|pair| pair.rule == name);
        json!({
            "rule": name,
            "attachments": count(rule, "attachments"),
            "sample_ratio": of().map(|it| it.sample).fold(0.0, f64::max),
            "sample_ratio_least": of().map(|it| it.sample).fold(1.0, f64::min),
            "sent": of().map(|it| it.sent()).sum::<f64>(),
            "lost": of().map(|it| it.lost()).sum::<f64>(),
            "lag_p99_seconds": of().map(lag).fold(0.0, f64::max),
        })
    });
    rules.collect()
}

fn of_agent(agent: &AgentPod, mut it: Value) -> Value {
    if let Some(it) = it.as_object_mut() {
        it.insert("node".to_owned(), json!(agent.node));
        it.insert("agent".to_owned(), json!(agent.name));
    }
    it
}

const fn failed(why: String) -> Failure {
    (StatusCode::BAD_GATEWAY, why)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;
    use crate::cli::kubectl::tests::agent;

    /// Two are silent already, one fails now, and one tells.
    #[test]
    fn one_answer_is_told_whoever_else_fails() {
        let agents = ["c", "d"].map(agent);
        let tell = |fourth: bool| {
            let told = agents.iter().map(move |agent| match &*agent.node {
                "d" if fourth => (agent, Ok(json!({"lost": [{"at": 1}], "keep": 5}))),
                _ => (agent, (|| bail!("refused"))()),
            });
            newest("lost", told, vec!["a".to_owned(), "b".to_owned()])
        };
        let told = tell(true).unwrap();
        assert_eq!(told["lost"][0]["node"], "d");
        assert_eq!(told["trouble"], "Not told by a, b, c.");
        assert_eq!(tell(false).unwrap_err().1, "c: refused");
        // Nobody is there to be asked.
        let none = newest("lost", [].into_iter(), vec!["a".to_owned()]);
        assert_eq!(none.unwrap_err().1, "Not told by a.");
        newest("lost", [].into_iter(), Vec::new()).unwrap();
    }
}
