//! Port-forwards that stay open between two looks. Each new one takes the API server, the kubelet and the pod's runtime
//! handshakes and processes; one that is open takes a request and an answer.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Error, Result};
use mirror_kubernetes::cluster::agents::{self, AgentPod, Trouble};
use serde_json::Value;
use tokio::time;

use super::super::fleet::{Fleet, successful};
use crate::admin::client::Line;

/// How many stay open. Others are opened for each question.
const MOST: usize = 64;

/// How long an agent has to say that it keeps one open; it does by its answer, or it is too old for that.
const SAID_SOON: Duration = Duration::from_millis(500);

/// How long one that was kept has for an answer at most: where a machine slept, or a gateway forgot it, it is silent, and the
/// agent is not. The rest of the agent's time is for a new one.
const KEPT_ANSWERS: Duration = Duration::from_secs(2);

/// The same where agents have so long.
fn kept_answers(patience: Duration) -> Duration {
    KEPT_ANSWERS.min(patience / 2)
}

/// One that is open to an agent's admin server.
pub(super) struct Forward {
    line: Line,
    trouble: Trouble,
}

/// Those that are open and not in use, by the agents' names.
#[derive(Default)]
pub(super) struct Forwards(BTreeMap<String, Box<Forward>>);

impl Forwards {
    /// One to this agent, if there is any.
    pub(super) fn take(&mut self, agent: &str) -> Option<Box<Forward>> {
        self.0.remove(agent)
    }

    /// One may stay open, if there is room for it.
    pub(super) fn keep(&mut self, agent: String, forward: Box<Forward>) {
        if self.0.len() < MOST {
            self.0.insert(agent, forward);
        }
    }

    /// Closes those to agents that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|agent, _| is_there(agent));
    }
}

impl Forward {
    async fn open(fleet: &Fleet, agent: &AgentPod) -> Result<Box<Self>> {
        let (stream, trouble) = agents::forward(&fleet.client, agent).await?;
        let line = Line::over(stream).await?;
        Ok(Box::new(Self { line, trouble }))
    }

    async fn books(&mut self) -> Result<Value> {
        let books = successful(self.line.get("/ledger").await?)?;
        Ok(serde_json::from_slice(&books)?)
    }

    /// The failure of a question, with what the API says of it.
    async fn failure(self, error: Error) -> Error {
        drop(self.line);
        match self.trouble.told().await {
            Some(why) => error.context(why),
            None => error,
        }
    }
}

/// The books of an agent, by this port-forward or else by a new one; and the one that is open now, if any is.
pub(super) async fn books(
    fleet: &Fleet,
    agent: &AgentPod,
    open: Option<Box<Forward>>,
) -> Result<(Value, Option<Box<Forward>>)> {
    // The agent may have closed it in the meantime, or have been replaced: then it says nothing of the agent.
    let patience = kept_answers(fleet.patience);
    if let Some(mut forward) = open
        && let Ok(Ok(books)) = time::timeout(patience, forward.books()).await
    {
        return Ok((books, kept(forward).await));
    }
    let mut forward = Forward::open(fleet, agent).await?;
    match forward.books().await {
        Ok(books) => Ok((books, kept(forward).await)),
        Err(error) => Err(forward.failure(error).await),
    }
}

/// It, if it stays open.
async fn kept(mut forward: Box<Forward>) -> Option<Box<Forward>> {
    let is_kept = time::timeout(SAID_SOON, forward.line.is_kept()).await;
    is_kept.unwrap_or_default().then_some(forward)
}
