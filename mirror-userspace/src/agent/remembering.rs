//! Where the API is away when the agent starts: it goes on with what the one before it knew.

use log::{error, warn};
use mirror_kubernetes::cluster::{AllDocuments, Event, Needs};

use super::Agent;

impl Agent {
    /// Keeps what is known; and where nothing is heard of the API, takes what was known before.
    pub(super) async fn remember(&mut self) {
        let Some(memory) = &mut self.memory else {
            return;
        };
        let heard = self.watches.is_heard();
        if !memory.waits() {
            return memory.write(self.rules.all(), heard).await;
        }
        if !self.watches.is_away() {
            return;
        }
        let Some(before) = memory.take() else {
            return;
        };
        warn!("the API can't be reached: going on with what was known of the cluster before");
        let documents = AllDocuments {
            held: before.documents.clone(),
            left_out: Vec::new(),
        };
        if let Err(error) = self.on_documents(documents) {
            error!("{error:#}: the rule is not acted on");
        }
        self.change_rules().await;
        for aim in Needs::of(self.rules.all(), None).destinations {
            if let Some(addresses) = before.addresses(&aim) {
                let addresses = addresses.clone();
                self.mirrors.set_addresses(aim, addresses).await;
            }
        }
        for service in before.services {
            self.on_event(Event::ServiceApplied(service));
        }
        self.on_event(Event::PodsListed(before.pods));
    }
}
