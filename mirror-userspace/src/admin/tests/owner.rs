//! Mirrors that are made up.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use mirror_core::{
    counters::TargetCounters,
    ledger::{Counted, Names},
    pipeline::PipelineCounters,
    value::Rate,
};

use crate::admin::{
    Attachments, LostOf, MirrorOwner, Questions, Refused, SampleRate, ShownMirror, Snapshot,
};

/// Two rules with a target each.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) ready: Result<Attachments, String>,
    pub(super) mirrors: Vec<ShownMirror>,
    /// What it says is lost.
    pub(super) lost: Vec<LostOf>,
    /// How often it was asked for a snapshot.
    pub(super) snapshots: Arc<AtomicU64>,
}

impl Owner {
    pub(super) fn new() -> Self {
        Self {
            ready: Ok(Attachments::default()),
            mirrors: ["flags", "HTTPRoute default/web rules[0]"]
                .map(|rule| mirror(rule, "http://v2"))
                .into(),
            lost: Vec::new(),
            snapshots: Arc::default(),
        }
    }

    /// Answers until the server is gone.
    pub(super) async fn run(mut self, mut questions: Questions) {
        loop {
            questions.next().await.answer(&mut self).await;
        }
    }
}

/// A mirror that has counted nothing yet.
pub(super) fn mirror(rule: &str, target: &str) -> ShownMirror {
    ShownMirror {
        rule: rule.into(),
        rates: vec![Rate::ALL],
        cap: None,
        counted: Counted {
            pipeline: PipelineCounters::new(1, 1),
            targets: vec![TargetCounters::default()],
            ..Counted::default()
        },
        names: Names {
            rules: vec!["loop".into()],
            targets: vec![target.into()],
            terms: None,
        },
        attachments: 1,
    }
}

impl MirrorOwner for Owner {
    fn ready(&mut self) -> Result<Attachments, String> {
        self.ready.clone()
    }

    async fn snapshot(&mut self) -> anyhow::Result<Snapshot> {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        Ok(Snapshot {
            mirrors: self.mirrors.clone(),
            ..Snapshot::default()
        })
    }

    async fn lost(&mut self) -> anyhow::Result<Vec<LostOf>> {
        Ok(self.lost.clone())
    }

    fn sample_rates(&mut self) -> Vec<SampleRate> {
        let rates = self.mirrors.iter().map(|mirror| SampleRate {
            rule: mirror.rule.clone(),
            target: mirror.names.targets[0].clone(),
            rate: mirror.rates[0],
        });
        rates.collect()
    }

    async fn set_sample_rate(&mut self, rule: Option<&str>, rate: Rate) -> Result<(), Refused> {
        let mut known = false;
        for mirror in &mut self.mirrors {
            if rule.is_none_or(|rule| rule == mirror.rule) {
                mirror.rates = vec![rate];
                known = true;
            }
        }
        if known {
            Ok(())
        } else {
            Err(Refused::UnknownRule)
        }
    }
}
