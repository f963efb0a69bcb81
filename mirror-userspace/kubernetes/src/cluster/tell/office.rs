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
    listing: Listing,
    pub(super) statuses: Statuses,
    pub(super) events: Events,
}

/// A list of which some pages were read.
#[derive(Default)]
struct Listing {
    listed: Listed,
    pages: u32,
    /// Where it goes on.
    from: Option<String>,
}

impl Office {
    /// Asks for one page of the notes of all nodes: the Lease has to be renewed between two of them. Once it was the
    /// last one, says how many there were.
    pub(super) async fn list(
        &mut self,
        api: &TellApi,
        selector: &str,
        own: &str,
        now: Instant,
    ) -> Result<Option<u32>, Failed> {
        let page = api.labelled(selector, self.listing.from.as_deref()).await;
        let (leases, next) = page.inspect_err(|failed| {
            // A list can't be gone on with for ever: the API forgets it after some minutes.
            if !matches!(failed, Failed::Away(_)) {
                self.listing = Listing::default();
            }
        })?;
        let listing = &mut self.listing;
        self.others.on_page(&mut listing.listed, leases, own, now);
        listing.pages += 1;
        listing.from = next;
        if listing.from.is_some() && !listing.listed.is_full() {
            return Ok(None);
        }
        let Listing { listed, pages, .. } = std::mem::take(listing);
        self.others.on_listed(listed);
        self.listed = true;
        Ok(Some(pages))
    }
}
