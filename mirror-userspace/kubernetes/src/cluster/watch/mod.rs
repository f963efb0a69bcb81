//! Watches: the cluster's objects as plain values, as they come, change and go.
//!
//! ```text
//! API ══list, watch══► task of a watch ──Report──► Watches ──Update──► the agent
//! ```
//!
//! The API is asked once and reports changes from then on; nothing is polled. If the API is gone, refuses,
//! or has forgotten the version of a watch, it is asked again with exponential back-off and jitter, so that
//! not all nodes ask at once. Meanwhile the last report stays true.

mod ask;
mod health;
mod install;
mod needs;
mod report;
mod status;
mod task;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use kube::Client;
use log::error;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};

pub use needs::Needs;
pub(super) use needs::Slot;
pub(super) use report::{Change, Changed};
pub use status::{Failure, FailureReason, WatchCounts, WatchState, WatchStatus, WatchedKind};

use super::{
    aim::Aim, document::DocumentKind, documents::AllDocuments, endpoints::Endpoints, event::Event,
    known::Known, portion::Portion,
};
use crate::{config::Consent, plan::Source};
use ask::{Ask, Freshness};
use needs::Query;
use report::{Certainty, Report, Reporter, Said, WatchId};
use status::SAID_AGAIN_AFTER;
use task::Back;
pub(super) use task::spread;

/// Reports that may wait to be taken; beyond that the watches wait, and then the API server.
const WAITING_REPORTS: usize = 64;

/// Configuration is read so long after its first change: what is applied together comes one by one.
const SETTLES_AFTER: Duration = Duration::from_millis(200);

/// How long after room was made for documents they are listed again, so that nobody has the API asked more
/// often than that.
const LISTED_AGAIN_AFTER: Duration = Duration::from_secs(20);

/// How long after a crash a watch is begun again.
const AFTER_CRASH: Duration = Duration::from_secs(30);

/// Something has changed in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// A pod of this node or a service whose pods are mirrored.
    Event(Event),
    /// The endpoints that copies for this destination go to.
    Endpoints(Aim, Endpoints),
    /// Which part of the pods of this source is on this node.
    Portion(Source, Portion),
    /// All configuration that is there and may have to do with mirroring, as one JSON object each.
    Documents(AllDocuments),
}

/// The watches of a node. Dropping it ends them.
#[derive(Debug)]
pub struct Watches {
    client: WatchClient,
    node: String,
    running: HashMap<Slot, Running>,
    tasks: JoinSet<()>,
    last_id: WatchId,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    known: Known,
    updates: VecDeque<Update>,
    counts: BTreeMap<&'static str, WatchCounts>,
    settled_at: Option<Instant>,
    /// Whether documents were ever handed on.
    told_documents: bool,
    /// Kinds of documents that are to be listed again, and when.
    hungry: BTreeSet<DocumentKind>,
    fed_at: Option<Instant>,
    back: Back,
    /// When it was last said that the API server is away: not once for each watch.
    outage_said: Option<Instant>,
    /// Whether the API server has answered anything since the start.
    answered: bool,
}

/// A client, which has no `Debug` of its own.
struct WatchClient(Client);

impl std::fmt::Debug for WatchClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

#[derive(Debug)]
struct Running {
    id: WatchId,
    query: Query,
    task: AbortHandle,
    status: WatchStatus,
}

impl Watches {
    /// Watches nothing yet.
    ///
    /// `node` is the name of this node, as in the `spec.nodeName` of its pods.
    #[must_use]
    pub fn new(client: Client, node: impl Into<String>) -> Self {
        let (reporter, reports) = mpsc::channel(WAITING_REPORTS);
        let node = node.into();
        Self {
            client: WatchClient(client),
            known: Known::of_node(node.clone()),
            node,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            last_id: WatchId::default(),
            reports,
            reporter,
            updates: VecDeque::new(),
            counts: BTreeMap::new(),
            settled_at: None,
            told_documents: false,
            hungry: BTreeSet::new(),
            fed_at: None,
            back: Back::default(),
            outage_said: None,
            answered: false,
        }
    }

    /// Lets documents have copies sent to what this allows.
    pub fn set_consent(&mut self, consent: Consent) {
        self.known.set_consent(consent);
    }

    /// Watches what is needed, and nothing else. A watch that is still needed goes on undisturbed; one that
    /// has to ask for more is started over, and until the new one has listed everything, the reports of the
    /// old one stay true. What is known already is reported again for what is new.
    ///
    /// Must be called within a tokio runtime.
    pub fn need(&mut self, needs: Needs) {
        let wanted = needs.watches(&self.node);
        self.running.retain(|slot, running| {
            let stays = wanted.iter().any(|(other, _)| other == slot);
            if !stays {
                running.task.abort();
            }
            stays
        });
        for (slot, query) in &wanted {
            let before = self.running.get(slot);
            if before.is_some_and(|running| running.query == *query) {
                continue;
            }
            let freshness = before.map_or(Freshness::Cached, |_| Freshness::Current);
            self.begin(slot, query, freshness, Duration::ZERO);
        }
        let slots: Vec<&Slot> = wanted.iter().map(|(slot, _)| slot).collect();
        self.updates.extend(self.known.need(needs, &slots));
    }

    /// Waits for the next change. Nothing is lost if this is dropped before it is done.
    pub async fn next(&mut self) -> Update {
        loop {
            if let Some(update) = self.updates.pop_front() {
                return update;
            }
            let settled = self.settled_at;
            let fed = self.fed_at;
            tokio::select! {
                // Not `None`: a sender is held here.
                Some(report) = self.reports.recv() => self.on_report(report),
                Some(ended) = self.tasks.join_next_with_id() => {
                    if let Err(ended) = ended {
                        self.on_end(&ended);
                    }
                }
                () = sleep_until(settled.unwrap_or_else(Instant::now)), if settled.is_some() => {
                    self.settled_at = None;
                    let documents = self.known.take_documents();
                    self.told_documents |= documents.is_some();
                    self.updates.extend(documents.map(Update::Documents));
                }
                () = sleep_until(fed.unwrap_or_else(Instant::now)), if fed.is_some() => {
                    self.fed_at = None;
                    self.list_again();
                }
            }
        }
    }

    /// The endpoints of a destination, if they are known.
    #[must_use]
    pub fn endpoints(&self, destination: &Aim) -> Option<&Endpoints> {
        self.known.destination(destination)
    }

    /// All destinations whose endpoints are known.
    pub fn destinations(&self) -> impl Iterator<Item = (&Aim, &Endpoints)> {
        self.known.destinations()
    }

    fn begin(&mut self, slot: &Slot, query: &Query, freshness: Freshness, after: Duration) {
        self.last_id = WatchId(self.last_id.0.wrapping_add(1));
        let id = self.last_id;
        let reporter = Reporter {
            id,
            slot: Arc::new(slot.clone()),
            to: self.reporter.clone(),
        };
        let ask = Ask {
            client: self.client.0.clone(),
            query: query.clone(),
            freshness,
            reporter,
            back: self.back.clone(),
        };
        let task = self.tasks.spawn(async move {
            sleep(after).await;
            ask.run().await;
        });
        let running = Running {
            id,
            query: query.clone(),
            task,
            status: WatchStatus::new(slot),
        };
        if let Some(before) = self.running.insert(slot.clone(), running) {
            before.task.abort();
        }
    }

    fn list_again(&mut self) {
        for kind in mem::take(&mut self.hungry) {
            let slot = Slot::Documents(kind);
            if let Some(running) = self.running.get(&slot) {
                let (query, status) = (running.query.clone(), running.status.clone());
                self.begin(&slot, &query, Freshness::Current, Duration::ZERO);
                // What is known stays true meanwhile.
                if let Some(running) = self.running.get_mut(&slot) {
                    running.status = status;
                }
            }
        }
    }

    fn on_report(&mut self, Report { id, slot, said }: Report) {
        let running = self.running.get_mut(&*slot);
        let Some(Running { status, .. }) = running.filter(|running| running.id == id) else {
            // A watch that isn't needed any more had more to say.
            return;
        };
        let was_away = status.is_away();
        self.answered |= said.is_answer();
        let counts = self.counts.entry(slot.resource()).or_default();
        match said {
            Said::Changed(changed) => {
                if changed.is_list() {
                    counts.lists += 1;
                    status.on_listed();
                } else if !changed.is_beginning() {
                    counts.changes += 1;
                    status.on_success();
                }
                self.updates.extend(self.known.on_change(&slot, changed));
            }
            Said::Failing(failure) => {
                counts.failures += 1;
                if failure.reason == FailureReason::Forbidden && slot.is_optional() {
                    status.complete = true;
                    self.known.go_without(&slot);
                }
                let (outage, said) = (failure.reason.is_outage(), self.outage_said);
                let known = said.is_some_and(|said| said.elapsed() < SAID_AGAIN_AFTER);
                if status.on_failure(failure, known) && outage {
                    self.outage_said = Some(Instant::now());
                }
            }
            Said::Well => status.on_success(),
            Said::NotInstalled(certainty) => {
                status.on_not_installed();
                self.known.go_without(&slot);
                if certainty == Certainty::Certain {
                    let none = Changed::Documents(Change::Listed(Vec::new()));
                    self.updates.extend(self.known.on_change(&slot, none));
                }
            }
        }
        if was_away
            && self
                .running
                .get(&*slot)
                .is_some_and(|it| !it.status.is_away())
        {
            self.back.tell();
            self.outage_said = None;
        }
        self.hungry.extend(self.known.take_hungry());
        if !self.hungry.is_empty() && self.fed_at.is_none() {
            self.fed_at = Some(Instant::now() + LISTED_AGAIN_AFTER);
        }
        if self.known.has_new_documents() && self.settled_at.is_none() {
            self.settled_at = Some(Instant::now() + SETTLES_AFTER);
        }
    }

    /// Tasks end by being aborted, and otherwise only by a bug, which must not end the mirroring.
    fn on_end(&mut self, ended: &JoinError) {
        if ended.is_cancelled() {
            return;
        }
        let of_task = |(_, running): &(&Slot, &mut Running)| running.task.id() == ended.id();
        let Some((slot, running)) = self.running.iter_mut().find(of_task) else {
            return;
        };
        error!("the watch of {slot} has crashed and is begun again: {ended}");
        let failure = Failure {
            reason: FailureReason::Crashed,
            text: ended.to_string(),
        };
        let mut status = running.status.clone();
        status.on_failure(failure, false);
        let (slot, query) = (slot.clone(), running.query.clone());
        self.begin(&slot, &query, Freshness::Current, AFTER_CRASH);
        if let Some(running) = self.running.get_mut(&slot) {
            running.status = status;
        }
    }
}
