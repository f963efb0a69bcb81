//! What an act does: a client asks v1, and v2's log says what was copied.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::time::Instant;

use super::{Options, Verdict, cluster::Cluster, objects};

/// Where the acts are played.
pub(super) struct Scene<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) name: &'a str,
    pub(super) options: &'a Options,
    tell: &'a mut dyn FnMut(Verdict),
}

/// What became of a client's requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) served: usize,
    pub(super) copies: usize,
    /// Copies of a request that there was a copy of.
    pub(super) twice: usize,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        name: &'a str,
        options: &'a Options,
        tell: &'a mut dyn FnMut(Verdict),
    ) -> Self {
        Self {
            cluster,
            name,
            options,
            tell,
        }
    }

    pub(super) fn tell(&mut self, good: bool, what: String) {
        (self.tell)(Verdict { good, what });
    }

    /// Installs the agent, and waits until it is ready, which means: attached to every selected pod of its node.
    pub(super) async fn install(&mut self, agent: &[Value]) -> Result<()> {
        for object in agent {
            self.cluster.create(object).await?;
        }
        let nodes = self.cluster.wait_for_daemon_set(self.name, "podmirror");
        let nodes = nodes.await?;
        self.tell(true, format!("the agent is ready on {nodes} nodes"));
        Ok(())
    }

    /// Removes the agent, the DaemonSet before its rights, and waits until its pods have gone.
    pub(super) async fn remove(&self, agent: &[Value]) -> Result<()> {
        for object in agent.iter().rev() {
            self.cluster.delete(object).await?;
        }
        self.cluster
            .wait_for_no_pods(self.name, objects::AGENT_LABEL)
            .await
    }

    /// Waits until all agents mirror for documents of this kind at this rate, and are attached; 0: until none mirrors.
    pub(super) async fn wait_for_rate(&self, kind: &str, percent: u32) -> Result<()> {
        let deadline = Instant::now() + self.cluster.patience();
        let wanted = format!("{percent} %");
        loop {
            let agents = self.cluster.pods(self.name, objects::AGENT_LABEL).await?;
            // Of nobody nothing is true.
            let (mut all, mut said) = (!agents.is_empty(), Vec::new());
            for agent in agents {
                // `50 %`, the rule, the target.
                let lines = self.cluster.ask(self.name, &agent, "sample-rate").await?;
                let lines = lines.lines().filter_map(|line| line.split_once('\t'));
                let of_kind = lines.filter(|(_, rule)| rule.starts_with(kind));
                let rates: Vec<_> = of_kind.map(|(rate, _)| rate.to_owned()).collect();
                let ready = self.cluster.ask(self.name, &agent, "readyz").await;
                all &= rates.is_empty() == (percent == 0) && rates.iter().all(|it| *it == wanted);
                all &= ready.is_ok();
                said.push(format!(
                    "{agent}: {rates:?}, {}",
                    ready.map_or("not ready", |_| "ready")
                ));
            }
            if all {
                return Ok(());
            }
            if Instant::now() > deadline {
                let (patience, said) = (self.cluster.patience(), said.join("; "));
                bail!("waited {patience:?} for {wanted} of {kind}: {said}");
            }
            self.cluster.pause().await;
        }
    }

    /// The client's requests at one rate, with a verdict.
    pub(super) async fn requests(&mut self, act: &str, rate: u32, what: &str) -> Result<()> {
        self.ask(act).await?;
        let counted = self.count(act).await?;
        let Verdict { good, what } = judge(what, rate, self.options.requests, counted);
        self.tell(good, what);
        Ok(())
    }

    /// A client that asks v1, until it has ended.
    pub(super) async fn ask(&self, act: &str) -> Result<()> {
        self.begin_to_ask(act).await?;
        self.cluster.wait_for_end(self.name, &client(act)).await
    }

    /// A client that asks v1, when it has begun to.
    async fn begin_to_ask(&self, act: &str) -> Result<()> {
        self.begin_to_ask_for(act, 0).await
    }

    /// The same, by one that does not end before so many seconds are over.
    pub(super) async fn begin_to_ask_for(&self, act: &str, seconds: u32) -> Result<()> {
        let pod = objects::client(self.name, act, self.options, seconds);
        self.cluster.create(&pod).await?;
        let runs = |object: &Value| {
            let phase = object.pointer("/status/phase")?.as_str()?;
            (phase != "Pending").then_some(())
        };
        let what = format!("{} to run", client(act));
        self.cluster.wait_until(&pod, &what, runs).await
    }

    /// Clients that ask v1, one after the other, for as long as something lasts; and what became of all their requests.
    pub(super) async fn asked_while<T>(
        &self,
        act: &str,
        lasting: impl Future<Output = Result<T>>,
    ) -> Result<(T, Counted)> {
        let name = |number: u32| format!("{act}-{number}");
        self.begin_to_ask(&name(1)).await?;
        let over = AtomicBool::new(false);
        let lasting = async {
            let done = lasting.await;
            over.store(true, Ordering::Relaxed);
            done
        };
        let asking = async {
            let mut clients = 1;
            loop {
                let client = client(&name(clients));
                self.cluster.wait_for_end(self.name, &client).await?;
                if over.load(Ordering::Relaxed) {
                    return Ok(clients);
                }
                clients += 1;
                self.begin_to_ask(&name(clients)).await?;
            }
        };
        let (done, clients) = tokio::try_join!(lasting, asking)?;
        let mut counted = self.count(&name(1)).await?;
        for number in 2..=clients {
            let one = self.count(&name(number)).await?;
            counted.asked += one.asked;
            counted.answered += one.answered;
            counted.served += one.served;
            counted.copies += one.copies;
            counted.twice += one.twice;
        }
        Ok((done, counted))
    }

    /// What became of the requests of a client that has ended, when no more copies come.
    pub(super) async fn count(&self, act: &str) -> Result<Counted> {
        let pod = client(act);
        self.cluster.wait_for_end(self.name, &pod).await?;
        let said = self.cluster.logs(self.name, &pod).await?;
        let answered = said.lines().filter(|line| line.trim() == "v1").count();
        let copies = self.settled(act).await?;
        let served = self.lines("v1", act).await?.len();
        let once: HashSet<_> = copies.iter().collect();
        Ok(Counted {
            asked: usize::try_from(self.options.requests)?,
            answered,
            served,
            twice: copies.len() - once.len(),
            copies: copies.len(),
        })
    }

    /// v2's copies, when no more come.
    async fn settled(&self, act: &str) -> Result<Vec<String>> {
        // Ten looks without a change: the agent sends within milliseconds, logs take up to a second.
        let (mut before, mut unchanged) = (Vec::new(), 0);
        while unchanged < 10 {
            self.cluster.pause().await;
            let now = self.lines("v2", act).await?;
            unchanged = if now.len() == before.len() {
                unchanged + 1
            } else {
                0
            };
            before = now;
        }
        Ok(before)
    }

    /// The paths of this act's requests in a version's log, sorted.
    async fn lines(&self, version: &str, act: &str) -> Result<Vec<String>> {
        let marker = objects::path(act);
        let label = objects::web_label(version);
        let mut paths = Vec::new();
        for pod in self.cluster.pods(self.name, &label).await? {
            let log = self.cluster.logs(self.name, &pod).await?;
            let words = log.lines().map(|line| line.split_whitespace());
            paths.extend(
                words.filter_map(|mut it| {
                    it.find(|word| word.starts_with(&marker)).map(str::to_owned)
                }),
            );
        }
        paths.sort_unstable();
        Ok(paths)
    }
}

fn client(act: &str) -> String {
    format!("client-{act}")
}

/// v1 has to have answered everything. Sampling is by the client's connection, one for each
/// request, so the number of copies is binomial: five standard deviations are allowed for.
fn judge(what: &str, rate: u32, requests: u32, counted: Counted) -> Verdict {
    let Counted {
        asked: all,
        answered,
        served,
        copies,
        twice,
    } = counted;
    let share = f64::from(rate) / 100.0;
    let expected = f64::from(requests) * share;
    let spread = 5.0 * (expected * (1.0 - share)).sqrt();
    let seen = f64::from(u32::try_from(copies).unwrap_or(u32::MAX));
    Verdict {
        good: answered == all && served == all && twice == 0 && (seen - expected).abs() <= spread,
        what: format!(
            "{what}: v1 answered {answered} of {requests} requests and logged {served}; v2 logged \
             {copies} copies, expected {expected:.0} ± {spread:.0}"
        ),
    }
}
