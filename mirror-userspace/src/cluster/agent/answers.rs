//! What the agent tells the admin server.

use crate::{
    admin::{Mirrors, Pod, PodState, Refused, SampleRate, Snapshot, Watch},
    cluster::{
        reducer::{AttachState, PodStatus},
        watch::{WatchState, WatchStatus},
    },
    policy::Rate,
};

use super::Agent;

impl Mirrors for Agent {
    /// Ready: all that is watched has been listed, and every selected pod of the node is attached to.
    fn ready(&mut self) -> Result<(), String> {
        self.watches.complete()?;
        self.state.ready()
    }

    async fn snapshot(&mut self) -> anyhow::Result<Snapshot> {
        Ok(Snapshot {
            mirrors: self.mirrors.snapshot().await?,
            pods: self.pods(),
            watches: by_kind(self.watches.status()),
        })
    }

    fn sample_rates(&mut self) -> Vec<SampleRate> {
        self.mirrors.sample_rates()
    }

    async fn set_sample_rate(&mut self, rule: Option<&str>, rate: Rate) -> Result<(), Refused> {
        match self.mirrors.set_sample_rate(rule, rate).await {
            Ok(0) if rule.is_some() => Err(Refused::UnknownRule),
            Ok(_) => Ok(()),
            Err(error) => Err(Refused::Failed(error)),
        }
    }
}

impl Agent {
    fn pods(&self) -> Vec<Pod> {
        let shown = |pod: PodStatus| {
            Some(Pod {
                rule: self.rules.name(pod.rule)?.to_owned(),
                namespace: pod.namespace,
                name: pod.name,
                state: match pod.state {
                    AttachState::Attached => PodState::Attached,
                    AttachState::Waiting(_) => PodState::Waiting,
                    AttachState::Failed(_) => PodState::Failed,
                    AttachState::Skipped(_) => PodState::HostNetwork,
                },
            })
        };
        self.state.status().filter_map(shown).collect()
    }
}

/// Metrics know kinds, of which there are few; not watches, whose number has no bound.
fn by_kind<'a>(watches: impl Iterator<Item = &'a WatchStatus>) -> Vec<Watch> {
    let mut kinds: Vec<Watch> = Vec::new();
    for status in watches {
        let healthy = !matches!(status.state, WatchState::Failing(_));
        match kinds.iter_mut().find(|kind| kind.kind == status.resource) {
            Some(kind) => {
                kind.healthy &= healthy;
                kind.errors = kind.errors.saturating_add(status.failures);
            }
            None => kinds.push(Watch {
                kind: status.resource.to_owned(),
                healthy,
                errors: status.failures,
            }),
        }
    }
    kinds.sort_by(|one, other| one.kind.cmp(&other.kind));
    kinds
}
