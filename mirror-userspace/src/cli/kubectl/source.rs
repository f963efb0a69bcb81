//! All agents as what a page shows, and tunes: the books of `GET /ledger` added up, and who they are from.

use std::{path::PathBuf, sync::Arc, time::Instant};

use anyhow::Result;
use bytes::Bytes;
use hyper::StatusCode;
use mirror_core::value::Rate;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    books::lag,
    fleet::Fleet,
    live::{Live, turn},
    newest::Newest,
    set::{outcome_in_full, set_in_agents},
};
use crate::{
    admin::{Failure, Source},
    cli::top::{
        self,
        books::{count, list, pairs, text},
    },
};

/// Agents that are listed one by one: those that do not answer come first.
const AGENTS: usize = 200;

/// All agents.
pub(super) struct All {
    live: Mutex<Live>,
    lost: Newest,
    differences: Newest,
    token: Option<PathBuf>,
}

impl All {
    /// Those that are looked at; they are told rates with the token in this file, or by executing podmirror in them.
    pub(super) fn new(live: Live, token: Option<PathBuf>) -> Self {
        Self {
            live: Mutex::new(live),
            lost: Newest::at("/lost", "lost"),
            differences: Newest::at("/differences", "differences"),
            token,
        }
    }

    async fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(self.live.lock().await.fleet())
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
        let told = fleet.read_from(agent, &path).await;
        told.map_err(|error| failed(format!("{error:#}")))
    }
}

impl Source for All {
    async fn books(&self) -> Result<Bytes, Failure> {
        let mut live = self.live.lock().await;
        live.look().await;
        let now = Instant::now();
        let mut sum = live.sum(now);
        let uptime = count(&sum, "uptime_seconds");
        let mut agents: Vec<_> = live.each().collect();
        let ages = agents.iter().filter(|(.., trouble)| trouble.is_none());
        let ages = ages.filter_map(|(_, told, _)| Some(told.as_ref()?.books.as_ref()?.1));
        let oldest = ages.min().map(|at| now.duration_since(at).as_secs());
        let turn = turn(agents.len());
        agents.sort_by_key(|(.., trouble)| trouble.is_none());
        let omitted = agents.len().saturating_sub(AGENTS);
        let agents = agents.into_iter().take(AGENTS);
        let agents = agents.map(|(agent, told, trouble)| {
            let books = told.and_then(|told| told.books.as_ref());
            let age = books.map(|(_, at)| now.duration_since(*at));
            json!({
                "node": agent.node,
                "agent": agent.name,
                "trouble": trouble,
                "age_seconds": age.map(|age| age.as_secs()),
                // On the clock of the sum.
                "told_at": age.map(|age| uptime - age.as_secs_f64()),
                "rules": books.map_or(json!([]), |(books, _)| rules(books)),
            })
        });
        let agents: Value = agents.collect();
        if let Some(sum) = sum.as_object_mut() {
            sum.insert("agents".to_owned(), agents);
            sum.insert("agents_counted".to_owned(), json!(live.counted()));
            sum.insert("agents_omitted".to_owned(), json!(omitted));
            sum.insert("agents_turn_seconds".to_owned(), json!(turn.as_secs()));
            sum.insert("agents_oldest_seconds".to_owned(), json!(oldest));
        }
        Ok(sum.to_string().into())
    }

    async fn lost(&self, path: &str, query: Option<&str>) -> Result<Bytes, Failure> {
        match path {
            "/lost.pcapng" => self.capture(query).await,
            _ => self.lost.get(&self.live).await,
        }
    }

    async fn differences(&self) -> Result<Bytes, Failure> {
        self.differences.get(&self.live).await
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
        match outcome_in_full(&told, rule, rate) {
            Ok((words, true)) => Ok(words),
            Ok((words, false)) => Err((StatusCode::BAD_GATEWAY, words)),
            Err(error) => Err((StatusCode::NOT_FOUND, format!("{error:#}"))),
        }
    }
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

pub(super) const fn failed(why: String) -> Failure {
    (StatusCode::BAD_GATEWAY, why)
}
