//! The one mirror of `podmirror run`, for the admin server.

use mirror_core::value::Rate;

use crate::{
    admin::{Mirror, Mirrors, Refused, SampleRate, Snapshot},
    runtime::Daemon,
};

/// Its rule's name: it comes from flags.
const RULE: &str = "flags";

/// Answers the admin server's questions for a daemon that is the only one; see [`Mirrors`].
pub(super) struct OnlyMirror<'a>(pub(super) &'a mut Daemon);

impl Mirrors for OnlyMirror<'_> {
    /// It is ready as long as its interface is there.
    fn ready(&mut self) -> Result<(), String> {
        let attachments = self.0.attachments().map_err(|error| format!("{error:#}"))?;
        if attachments
            .iter()
            .all(|(id, _)| self.0.attachment_alive(*id))
        {
            Ok(())
        } else {
            Err("the interface is gone".into())
        }
    }

    async fn snapshot(&mut self) -> anyhow::Result<Snapshot> {
        Ok(Snapshot {
            mirrors: vec![Mirror::of(RULE.into(), self.0).await?],
            ..Snapshot::default()
        })
    }

    fn sample_rates(&mut self) -> Vec<SampleRate> {
        SampleRate::of(RULE, self.0).collect()
    }

    async fn set_sample_rate(&mut self, rule: Option<&str>, rate: Rate) -> Result<(), Refused> {
        if rule.is_some_and(|rule| rule != RULE) {
            return Err(Refused::UnknownRule);
        }
        self.0.set_sample_rate(rate).await.map_err(Refused::Failed)
    }
}
