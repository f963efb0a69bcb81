//! The one daemon of `podmirror run` and `record`: supervised, and shown by the admin server.

use std::{future, ops::ControlFlow, pin::Pin};

use anyhow::bail;
use mirror_core::{ledger::Ledger, value::Rate};
use mirror_runtime::Daemon;

use super::supervise::Supervised;
use crate::admin::{
    Attachments, FLAGS, LostOf, MirrorOwner, Question, Questions, Refused, SampleRate, ShownMirror,
    Snapshot,
};

/// A daemon that is the only one. Answers the admin server's questions; see [`MirrorOwner`].
pub(super) struct OnlyDaemon {
    daemon: Daemon,
    questions: Questions,
    enough: Pin<Box<dyn Future<Output = ()>>>,
}

impl OnlyDaemon {
    pub(super) fn new(daemon: Daemon, questions: Questions) -> Self {
        Self {
            daemon,
            questions,
            enough: Box::pin(future::pending()),
        }
    }

    /// Ends it, too, when `enough` returns.
    pub(super) fn until(self, enough: impl Future<Output = ()> + 'static) -> Self {
        Self {
            enough: Box::pin(enough),
            ..self
        }
    }
}

/// What is to be done for the only daemon.
pub(super) enum Work {
    /// One of its shards has panicked.
    Broken,
    Answer(Question),
    Stop,
}

impl Supervised for OnlyDaemon {
    type Work = Work;
    type Left = Ledger;

    async fn next(&mut self) -> Work {
        tokio::select! {
            () = &mut self.enough => Work::Stop,
            () = self.daemon.broken() => Work::Broken,
            question = self.questions.next() => Work::Answer(question),
        }
    }

    async fn perform(&mut self, work: Work) -> anyhow::Result<ControlFlow<()>> {
        match work {
            Work::Stop => return Ok(ControlFlow::Break(())),
            Work::Broken => bail!("a shard panicked (its message is above): detached"),
            Work::Answer(question) => question.answer(self).await,
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn print(&mut self) -> anyhow::Result<()> {
        eprintln!("{}", self.daemon.ledger().await?.while_running());
        Ok(())
    }

    async fn summarize(&mut self) -> anyhow::Result<()> {
        log::info!("{}", self.daemon.ledger().await?.summary());
        Ok(())
    }

    async fn stop(self) -> anyhow::Result<Ledger> {
        // Whoever asks from now on is told that it is stopping.
        drop(self.questions);
        self.daemon.stop().await
    }
}

impl MirrorOwner for OnlyDaemon {
    /// It is ready as long as its interface is there.
    fn ready(&mut self) -> Result<Attachments, String> {
        let say = |error: anyhow::Error| format!("{error:#}");
        let attachments = self.daemon.attachments().map_err(say)?;
        if attachments
            .iter()
            .all(|(id, _)| self.daemon.attachment_alive(*id))
        {
            Ok(Attachments {
                all: attachments.len(),
                unasked: self.daemon.unasked().map_err(say)?,
                forbidden: 0,
            })
        } else {
            Err("the interface is gone".into())
        }
    }

    async fn snapshot(&mut self) -> anyhow::Result<Snapshot> {
        Ok(Snapshot {
            mirrors: vec![ShownMirror::of(FLAGS.into(), &self.daemon).await?],
            unclaimed_records: self.daemon.unclaimed(),
            ..Snapshot::default()
        })
    }

    async fn lost(&mut self) -> anyhow::Result<Vec<LostOf>> {
        Ok(vec![LostOf::of(FLAGS.into(), &mut self.daemon).await?])
    }

    fn sample_rates(&mut self) -> Vec<SampleRate> {
        SampleRate::of(FLAGS, self.daemon.config()).collect()
    }

    async fn set_sample_rate(&mut self, rule: Option<&str>, rate: Rate) -> Result<(), Refused> {
        if rule.is_some_and(|rule| rule != FLAGS) {
            return Err(Refused::UnknownRule);
        }
        self.daemon
            .set_sample_rate(rate)
            .await
            .map_err(Refused::Failed)
    }
}
