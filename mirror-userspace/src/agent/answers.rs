//! What the agent tells the admin server.

use mirror_core::value::Rate;
use mirror_kubernetes::cluster::{AttachState, PodStatus, WatchedKind};

use crate::admin::{
    Attachments, LostOf, MirrorOwner, PodState, Refused, SampleRate, ShownPod, ShownWatch, Snapshot,
};

use super::{Agent, hand_over::HandOver};

impl MirrorOwner for Agent {
    /// Ready: all that is watched has been listed, every selected pod of the node is attached to, and no other
    /// agent mirrors.
    fn ready(&mut self) -> Result<Attachments, String> {
        self.all_attached()?;
        if self.hand_over.as_ref().is_some_and(HandOver::waits) {
            return Err("the agent before this one still mirrors".to_owned());
        }
        Ok(Attachments {
            forbidden: self.watches.forbidden(),
            ..self.mirrors.attached()
        })
    }

    async fn snapshot(&mut self) -> anyhow::Result<Snapshot> {
        Ok(Snapshot {
            mirrors: self.mirrors.snapshot().await?,
            pods: self.pods(),
            watches: self.watches.by_kind().into_iter().map(watch).collect(),
            rules_stopped: self.broken.values().cloned().collect(),
            documents_refused: self.documents.refused().to_vec(),
            unclaimed_records: self.mirrors.unclaimed(),
        })
    }

    async fn lost(&mut self) -> anyhow::Result<Vec<LostOf>> {
        self.mirrors.lost().await
    }

    fn sample_rates(&mut self) -> Vec<SampleRate> {
        self.mirrors.sample_rates()
    }

    async fn set_sample_rate(&mut self, rule: Option<&str>, rate: Rate) -> Result<(), Refused> {
        if self.hand_over.as_ref().is_some_and(HandOver::is_relieved) {
            let error = anyhow::anyhow!("another agent of this node mirrors now: set it there");
            return Err(Refused::Failed(error));
        }
        match self.mirrors.set_sample_rate(rule, rate).await {
            Ok(0) if rule.is_some() => Err(Refused::UnknownRule),
            Ok(_) => Ok(()),
            Err(error) => Err(Refused::Failed(error)),
        }
    }
}

impl Agent {
    /// Whether all that is watched has been listed, and every selected pod of the node is attached to.
    pub(super) fn all_attached(&self) -> Result<(), String> {
        self.watches.complete()?;
        self.state.ready()
    }

    fn pods(&self) -> Vec<ShownPod> {
        let shown = |pod: PodStatus| {
            Some(ShownPod {
                rule: self.rules.name(pod.rule)?.to_owned(),
                namespace: pod.namespace,
                name: pod.name,
                state: match pod.state {
                    AttachState::Attached => PodState::Attached,
                    AttachState::Waiting(_) => PodState::Waiting,
                    AttachState::Failed(_) | AttachState::Unfit(_) => PodState::Failed,
                    AttachState::HostNetwork => PodState::HostNetwork,
                },
            })
        };
        self.state.status().filter_map(shown).collect()
    }
}

fn watch(watched: WatchedKind) -> ShownWatch {
    ShownWatch {
        kind: watched.kind.to_owned(),
        healthy: watched.healthy,
        errors: watched.failures,
    }
}
