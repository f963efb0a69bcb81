//! What the elected agent knows, and how it asks for the others' parts.

use tokio::time::Instant;

use super::{
    api::{Failed, TellApi},
    events::Events,
    parts::{Listed, Others},
    statuses::Statuses,
};

/// What the elected agent knows.
#[derive(Default)]
pub(super) struct Office {
    pub(super) others: Others,
    /// Whether they are known.
    pub(super) listed: bool,
    pub(super) list_next: Option<Instant>,
    pub(super) statuses: Statuses,
    pub(super) events: Events,
}

impl Office {
    /// Lists the notes of all nodes, and says how many pages they were.
    pub(super) async fn list(
        &mut self,
        api: &TellApi,
        selector: &str,
        own: &str,
        now: Instant,
    ) -> Result<u32, Failed> {
        let (mut listed, mut pages, mut from) = (Listed::default(), 0, None);
        loop {
            let (leases, next) = api.labelled(selector, from.as_deref()).await?;
            self.others.on_page(&mut listed, leases, own, now);
            pages += 1;
            from = next;
            if from.is_none() || listed.is_full() {
                self.others.on_listed(listed);
                return Ok(pages);
            }
        }
    }
}
