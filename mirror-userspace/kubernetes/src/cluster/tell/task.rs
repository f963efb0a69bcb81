//! The task that tells: a round every two seconds, in which it asks for no more than is due.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use log::warn;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    TellConfig,
    api::{Complaints, Failed, TellApi, micros, seconds},
    election::{Election, Held, LASTS, Move},
    office::Office,
    parts::{self, Note},
    refusals::{REFUSED, Refusals},
    seen::{Seen, shortened},
    statuses::Todo,
};
use crate::cluster::watch::spread;

const ROUND: Duration = Duration::from_secs(2);

/// How often the elected agent asks for a page of the others' parts: it rests so long for each that it has read,
/// but for no longer than notes may be old.
const PARTS_EVERY: Duration = Duration::from_secs(10);

/// So many requests in one round without an answer: the API server is away. With a single one it may be the object,
/// of which a webhook of its owner's is asked.
const AWAY: usize = 2;

const LEASES: &str = "Leases in the agent's namespace";
const NOTES: &str = "the Lease of this node";
const PARTS: &str = "statuses from the Leases of all nodes";
const STATUSES: &str = "the status of TrafficMirrors";
const EVENTS: &str = "Events";

pub(super) struct Task {
    config: TellConfig,
    api: TellApi,
    /// Who we are, in the Lease and in Events.
    me: String,
    /// The name of this node's Lease.
    own: String,
    news: watch::Receiver<Seen>,
    election: Election,
    note: Note,
    /// Whether it was said that mirrors are left out of it.
    note_is_full: bool,
    /// `None` unless elected: one that is elected anew knows nothing.
    office: Option<Office>,
    complaints: Complaints,
    /// Where Events and statuses are refused.
    events_refused: Refusals,
    statuses_refused: Refusals,
}

impl Task {
    pub(super) fn new(config: TellConfig, news: watch::Receiver<Seen>) -> Self {
        // Two agents may be on one node while one takes over from the other.
        let chance = RandomState::new().hash_one(0) & 0xffff_ffff;
        let me = match &config.pod {
            Some((pod, _)) => pod.clone(),
            None => format!("{}-{chance:08x}", config.node),
        };
        Self {
            api: TellApi::new(config.client.clone()),
            // With a dash it might be the Lease of an installation of that name.
            own: shortened(format!("{}.{}", config.lease, config.node), 253),
            election: Election::new(me.clone()),
            me,
            config,
            news,
            note: Note::default(),
            note_is_full: false,
            office: None,
            complaints: Complaints::default(),
            events_refused: Refusals::default(),
            statuses_refused: Refusals::default(),
        }
    }

    /// Runs until nobody shows it anything any more.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                () = sleep(ROUND) => {}
                changed = self.news.changed() => {
                    if changed.is_err() {
                        return self.give_back().await;
                    }
                    // What is applied together comes one by one.
                    sleep(ROUND / 4).await;
                }
            }
            let seen = self.news.borrow_and_update().clone();
            self.elect().await;
            self.note(&seen).await;
            if self.election.leads(Instant::now()) {
                self.tell(&seen).await;
            } else {
                self.office = None;
            }
        }
    }

    async fn elect(&mut self) {
        let now = Instant::now();
        if !self.election.is_due(now) {
            return;
        }
        if let Err(failed) = self.try_elect(now).await {
            self.complaints.fails(LEASES, &failed);
            let refused = matches!(failed, Failed::Forbidden(_) | Failed::NotFound);
            self.election.on_failed(now, refused.then_some(REFUSED));
        }
    }

    async fn try_elect(&mut self, now: Instant) -> Result<(), Failed> {
        let name = self.config.lease.as_str();
        let leads = self.election.leads(now);
        let lease = match self.api.lease(name, !leads).await {
            Ok(lease) => Some(lease),
            Err(Failed::NotFound) => None,
            Err(failed) => return Err(failed),
        };
        let text = |path: &str| {
            let value = lease.as_ref().and_then(|lease| lease.pointer(path));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let held = lease.as_ref().map(|_| Held {
            holder: text("/spec/holderIdentity"),
            version: text("/metadata/resourceVersion"),
        });
        let version = text("/metadata/resourceVersion");
        let renewed = micros();
        let spec = |transitions: Option<i64>| {
            let mut spec = json!({
                "holderIdentity": self.me,
                "leaseDurationSeconds": LASTS.as_secs(),
                "renewTime": renewed,
            });
            if let (Some(transitions), Value::Object(spec)) = (transitions, &mut spec) {
                spec.insert("acquireTime".to_owned(), json!(renewed));
                spec.insert("leaseTransitions".to_owned(), json!(transitions));
            }
            spec
        };
        match self.election.on_read(held, now) {
            Move::Create => {
                let lease = json!({
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": name},
                    "spec": spec(Some(0)),
                });
                self.api.create_lease(lease).await?;
            }
            Move::Take => {
                let transitions = lease
                    .as_ref()
                    .and_then(|lease| lease.pointer("/spec/leaseTransitions")?.as_i64());
                let next = transitions.unwrap_or_default().saturating_add(1);
                self.write_lease(&version, spec(Some(next))).await?;
            }
            Move::Renew => self.write_lease(&version, spec(None)).await?,
            Move::Leave => {
                self.complaints.works(LEASES);
                self.election.on_left(now, spread);
                return Ok(());
            }
        }
        self.complaints.works(LEASES);
        self.election.on_written(now);
        Ok(())
    }

    /// Refused if somebody has written it since it had this version.
    async fn write_lease(&self, version: &str, spec: Value) -> Result<(), Failed> {
        let change = json!({"metadata": {"resourceVersion": version}, "spec": spec});
        let changed = self.api.change_lease(&self.config.lease, &change);
        changed.await.map(drop)
    }

    /// Another agent need not wait until it has expired.
    async fn give_back(self) {
        if self.election.leads(Instant::now())
            && let Ok(lease) = self.api.lease(&self.config.lease, false).await
            && lease.pointer("/spec/holderIdentity") == Some(&json!(self.me))
        {
            let version = lease.pointer("/metadata/resourceVersion");
            let version = version.and_then(Value::as_str).unwrap_or_default();
            let spec = json!({"holderIdentity": ""});
            self.write_lease(version, spec).await.ok();
        }
    }

    /// Notes this node's parts.
    async fn note(&mut self, seen: &Seen) {
        let now = Instant::now();
        let parts = parts::own(seen);
        let Some((text, left_out)) = self.note.due(&parts, now) else {
            return;
        };
        if left_out > 0 && !self.note_is_full {
            warn!(
                "the Lease of this node has no room for {left_out} of {} mirrors: their status does not count its pods",
                parts.len()
            );
        }
        self.note_is_full = left_out > 0;
        let TellConfig { lease, pod, .. } = &self.config;
        let (me, pod) = (self.me.as_str(), pod.as_ref());
        let lease = parts::lease(&self.own, lease, me, pod, &text, &micros());
        let outcome = match self.api.change_lease(&self.own, &lease).await {
            Err(Failed::NotFound) => self.api.create_lease(lease).await,
            outcome => outcome,
        };
        match outcome {
            Ok(_) => {
                self.complaints.works(NOTES);
                self.note.on_written(parts, now);
            }
            Err(failed) => {
                // Where nobody can be elected, that was said.
                if self.election.was_seen() {
                    self.complaints.fails(NOTES, &failed);
                }
                self.note.on_failed(now, failed.wait());
            }
        }
    }

    async fn tell(&mut self, seen: &Seen) {
        let now = Instant::now();
        let office = self.office.get_or_insert_default();
        if office.list_next.is_none_or(|next| next <= now) {
            let selector = parts::selector(&self.config.lease);
            match office.list(&self.api, &selector, &self.own, now).await {
                Ok(pages) => {
                    self.complaints.works(PARTS);
                    // Of what has more pages, the next one comes in the next round.
                    let rest = PARTS_EVERY.saturating_mul(pages.unwrap_or(0));
                    office.list_next = Some(now + rest.min(parts::STALE_AFTER / 3));
                }
                Err(failed) => {
                    self.complaints.fails(PARTS, &failed);
                    office.list_next = Some(now + failed.wait());
                }
            }
        }
        let Some(office) = &self.office else { return };
        // What is told without the others' parts would be taken back a moment later.
        if office.listed {
            self.tell_statuses(seen).await;
        }
        self.tell_events(seen).await;
    }

    async fn tell_statuses(&mut self, seen: &Seen) {
        let now = Instant::now();
        let Some(office) = &mut self.office else {
            return;
        };
        let refused = &mut self.statuses_refused;
        if refused.hold_all(now) {
            return;
        }
        let others = &office.others;
        let terms = &self.config.terms;
        let whole = |title: &str, document: &super::SeenDocument, lately| {
            others.whole(title, document, terms, lately, now)
        };
        let held = |namespace: &str| refused.hold(namespace, now);
        let todos = office.statuses.todo(seen, whole, held, now, &seconds());
        let mut away = 0;
        for todo in todos {
            let (Todo::Read(identity) | Todo::Write(identity, _)) = &todo;
            if refused.hold(&identity.namespace, now) {
                continue;
            }
            if !self.election.leads(Instant::now()) {
                return;
            }
            let (identity, outcome) = match todo {
                Todo::Read(identity) => {
                    let read = self.api.status(&identity).await;
                    let read = read.map(|status| office.statuses.on_read(&identity, status));
                    (identity, read)
                }
                Todo::Write(identity, mut to) => {
                    let set = self.api.set_status(&identity, &to).await;
                    let set = set.map(|version| {
                        to.version = version;
                        office.statuses.on_written(&identity, to, now);
                    });
                    (identity, set)
                }
            };
            match outcome {
                Ok(()) => {
                    refused.on_taken(now);
                    self.complaints.works(STATUSES);
                }
                Err(failed @ Failed::Forbidden(_)) => {
                    let telling = seen.namespaces(|it| it.identity.is_traffic_mirror());
                    if refused.on_refused(&identity.namespace, telling, now) {
                        self.complaints.fails(STATUSES, &failed);
                        return;
                    }
                }
                Err(failed @ Failed::NotFound) => {
                    if office.statuses.on_missing(&identity, now) {
                        self.complaints.fails(STATUSES, &failed);
                    }
                }
                Err(Failed::Conflict) => match self.api.status(&identity).await {
                    Ok(status) => office.statuses.on_read(&identity, status),
                    Err(_) => office.statuses.on_conflict(&identity),
                },
                Err(Failed::Away(_)) => {
                    office.statuses.on_away(&identity, Instant::now());
                    away += 1;
                    if away >= AWAY {
                        return;
                    }
                }
                Err(_) => office.statuses.on_failed(&identity, now),
            }
        }
    }

    async fn tell_events(&mut self, seen: &Seen) {
        let now = Instant::now();
        let Some(office) = &mut self.office else {
            return;
        };
        let refused = &mut self.events_refused;
        if refused.hold_all(now) {
            return;
        }
        let held = |namespace: &str| refused.hold(namespace, now);
        let all = office.events.due(seen, held, now);
        let mut left = all.len();
        let mut away = 0;
        for due in all {
            left -= 1;
            let namespace = due.regarding.namespace.as_str();
            if refused.hold(namespace, now) {
                office.events.on_held();
                continue;
            }
            if !self.election.leads(Instant::now()) {
                return;
            }
            match self.api.tell(&due, &self.me).await {
                Ok(()) => {
                    refused.on_taken(now);
                    self.complaints.works(EVENTS);
                    office.events.on_told(&due, now);
                }
                Err(Failed::Away(_)) => {
                    office.events.on_away(&due, Instant::now());
                    away += 1;
                    if away >= AWAY {
                        (0..left).for_each(|_| office.events.on_held());
                        return;
                    }
                }
                Err(failed @ Failed::Forbidden(_)) => {
                    office.events.on_failed(&due, now);
                    let telling = seen.namespaces(super::SeenDocument::has_events);
                    if refused.on_refused(namespace, telling, now) {
                        self.complaints.fails(EVENTS, &failed);
                        return;
                    }
                }
                Err(failed) => {
                    self.complaints.fails(EVENTS, &failed);
                    office.events.on_failed(&due, now);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
