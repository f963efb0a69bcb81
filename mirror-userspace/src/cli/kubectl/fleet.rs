//! The agents of a cluster, asked all at once.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Args;
use futures::StreamExt as _;
use hyper::StatusCode;
use mirror_kubernetes::cluster::{
    Client,
    agents::{self, AgentPod, Executed},
    connect_as_kubectl,
};
use tokio::time;

use crate::{
    admin::client::{self, Over},
    cli::{harmless::harmless, value::duration},
};

/// Nodes that are asked at the same time.
pub(super) const AT_ONCE: usize = 32;

/// Which cluster, and which of its pods are agents.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(super) struct FleetArgs {
    /// The kubeconfig file [default: KUBECONFIG, or ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The context in it [default: the current one]
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,

    /// The namespace that the agents are in
    #[arg(
        short,
        long,
        global = true,
        value_name = "NS",
        default_value = "podmirror"
    )]
    namespace: String,

    /// The labels of the agents' pods; among them are agents those that run `podmirror agent`
    #[arg(
        short = 'l',
        long,
        global = true,
        value_name = "SELECTOR",
        default_value = "app.kubernetes.io/component=agent"
    )]
    selector: String,

    /// Only the agents of these nodes [default: all]
    #[arg(long, global = true, value_name = "NAME[,NAME]", value_delimiter = ',')]
    node: Vec<String>,

    /// How long each node may take
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "10s")]
    timeout: Duration,
}

/// A cluster, and its agents once they are [found](Fleet::found).
#[derive(Clone)]
pub(super) struct Fleet {
    pub(super) client: Client,
    pub(super) agents: Vec<AgentPod>,
    pub(super) patience: Duration,
    args: FleetArgs,
}

/// What each agent came to, in the order of nodes.
pub(super) type Told<'a, T> = Vec<(&'a AgentPod, Result<T>)>;

impl Fleet {
    pub(super) async fn connect(args: &FleetArgs) -> Result<Self> {
        let client =
            connect_as_kubectl(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
        Ok(Self {
            client,
            agents: Vec::new(),
            patience: args.timeout,
            args: args.clone(),
        })
    }

    /// Finds the agents.
    ///
    /// # Errors
    /// There are none, or the API does not say.
    pub(super) async fn found(mut self) -> Result<Self> {
        self.find().await?;
        Ok(self)
    }

    /// Finds them again: names of pods change with each update. Where that fails they stay as they were.
    ///
    /// # Errors
    /// There are none, or the API does not say.
    pub(super) async fn find(&mut self) -> Result<()> {
        self.agents = self.list().await?;
        Ok(())
    }

    /// Those that there are now.
    ///
    /// # Errors
    /// There are none, or the API does not say.
    pub(super) async fn list(&self) -> Result<Vec<AgentPod>> {
        let FleetArgs {
            namespace,
            selector,
            node: nodes,
            ..
        } = &self.args;
        let found = time::timeout(
            self.patience,
            agents::find(&self.client, namespace, selector),
        );
        let found = found.await.context("the API does not answer in time")?;
        let mut found = found.context("looking for the agents")?;
        if !nodes.is_empty() {
            found.retain(|agent| nodes.contains(&agent.node));
        }
        if found.is_empty() {
            bail!(
                "no agent runs in namespace {namespace} with the labels {selector}{}: name its namespace by \
                 --namespace",
                if nodes.is_empty() {
                    ""
                } else {
                    " on these nodes"
                }
            );
        }
        Ok(found)
    }

    /// Does the same with every agent, some at a time, each with its own time.
    pub(super) async fn each<'a, T, F>(&'a self, work: impl Fn(&'a AgentPod) -> F) -> Told<'a, T>
    where
        F: Future<Output = Result<T>>,
    {
        // A list of them: what a closure yields step by step is not known to be `Send`.
        let mut all = Vec::new();
        for agent in &self.agents {
            let done = within(self.patience, work(agent));
            all.push(async move { (agent, done.await) });
        }
        futures::stream::iter(all).buffered(AT_ONCE).collect().await
    }

    /// Asks the admin server of an agent.
    pub(super) async fn ask(
        &self,
        agent: &AgentPod,
        question: Over<'_>,
    ) -> Result<(StatusCode, Bytes)> {
        let (stream, trouble) = agents::forward(&self.client, agent).await?;
        match client::ask_over(stream, question).await {
            Ok(answer) => Ok(answer),
            Err(error) => match trouble.told().await {
                Some(why) => Err(error.context(why)),
                None => Err(error),
            },
        }
    }

    /// What an agent has at a path, in the time that each has; only success is an answer.
    pub(super) async fn read_from(&self, agent: &AgentPod, path: &str) -> Result<Bytes> {
        let asked = within(self.patience, self.ask(agent, Over::Get(path)));
        asked.await.and_then(successful)
    }

    /// What all of them have at a path.
    pub(super) async fn get(&self, path: &str) -> Told<'_, (StatusCode, Bytes)> {
        self.each(|agent| self.ask(agent, Over::Get(path))).await
    }

    /// The same, where only success is an answer.
    pub(super) async fn read(&self, path: &str) -> Told<'_, Bytes> {
        let answers = self.get(path).await.into_iter();
        let read = answers.map(|(agent, answer)| (agent, answer.and_then(successful)));
        read.collect()
    }

    /// Executes podmirror beside an agent.
    pub(super) async fn execute(&self, agent: &AgentPod, words: &[&str]) -> Result<Executed> {
        agents::execute(&self.client, agent, &[&["podmirror"], words].concat()).await
    }
}

/// Does something with an agent, in this time.
pub(super) async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let done = time::timeout(patience, work).await;
    let late = || format!("no answer in {} s", patience.as_secs_f64());
    done.with_context(late).flatten()
}

/// The body of an answer, if it is one.
pub(super) fn successful((status, body): (StatusCode, Bytes)) -> Result<Bytes> {
    if !status.is_success() {
        bail!("{status}: {}", String::from_utf8_lossy(&body).trim_end());
    }
    Ok(body)
}

/// Names those that failed, on stderr, and says how many they are.
pub(super) fn complain<T>(told: &[(&AgentPod, Result<T>)]) -> usize {
    let mut failed = 0;
    for (agent, outcome) in told {
        if let Err(error) = outcome {
            failed += 1;
            eprintln!("{}", told_of(agent, &format!("{error:#}")));
        }
    }
    failed
}

/// A line about an agent.
pub(super) fn told_of(agent: &AgentPod, what: &str) -> String {
    let line = format!("{} ({}): {what}", agent.node, agent.name);
    line.trim_end().chars().map(harmless).collect()
}
