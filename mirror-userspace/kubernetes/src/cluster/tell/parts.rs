//! Each agent's part, noted in a Lease of its node, and all of them added up.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{ResourceExt as _, core::DynamicObject};
use mirror_core::verdict::Terms;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    compared::Judged,
    conditions::Whole,
    counts::{Counted, Counts},
    seen::{Part, Seen, SeenDocument, cut},
};

/// The annotation that has an agent's parts by title, in JSON.
const NOTE: &str = "podmirror.io/mirrors";
/// The label that has the name of the Lease of the election.
const LABEL: &str = "podmirror.io/lease";

/// The longest note, 16 KiB: each node's is written again every minute, and all are listed.
const LONGEST_NOTE: usize = 16 << 10;
/// In place of a title: mirrors of any namespace may be left out.
const ANY: &str = "";
/// The most nodes whose notes are kept: more than Kubernetes is made for.
const MOST_NODES: usize = 10_000;
/// The longest reason in it.
const LONGEST_REASON: usize = 200;

/// A note that has changed is written after so long at the earliest.
const WRITTEN_EVERY: Duration = Duration::from_secs(10);
/// A note that says something is written again after so long, unchanged but for figures.
const RENEWED_EVERY: Duration = Duration::from_secs(60);
/// A note that was not written for so long is an agent's that is no more.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(150);

type Parts = BTreeMap<String, Part>;

/// The parts of this node.
pub(super) fn own(seen: &Seen) -> Parts {
    let own = seen.documents.iter().filter_map(|(title, document)| {
        let tells = document.identity.is_traffic_mirror() && !document.part.is_nothing();
        tells.then(|| (title.clone(), document.part.clone()))
    });
    own.collect()
}

/// As the API has them, and how many are left out. Where that would be too long, reasons are left out first.
fn note(parts: &Parts) -> (String, usize) {
    let text = |parts: &Parts| serde_json::to_string(parts).unwrap_or_default();
    let mut short = parts.clone();
    for part in short.values_mut() {
        part.why = part.why.as_deref().map(|why| cut(why, LONGEST_REASON));
    }
    let whole = text(&short);
    if whole.len() <= LONGEST_NOTE {
        return (whole, 0);
    }
    for part in short.values_mut() {
        part.why = None;
        if let Some(counts) = &mut part.counts {
            counts.worst = None;
        }
    }
    let (fair, left_out) = fair(short);
    (text(&fair), left_out)
}

/// What comes before a mirror's name in its title, `TrafficMirror default/`: that of a note that leaves out mirrors of
/// the namespace.
fn mark(title: &str) -> &str {
    let name = title.rfind('/').map_or(0, |slash| slash + 1);
    title.get(..name).unwrap_or_default()
}

/// What a part takes in the note, in bytes.
fn length(title: &str, part: &Part) -> usize {
    serde_json::to_string(&(title, part)).map_or(LONGEST_NOTE, |text| text.len())
}

/// What fits, and how many do not: each namespace has an equal share, and what some do not need the others have. One that needs
/// more has no counts of comparisons, and only if that is not enough, fewer mirrors.
fn fair(parts: Parts) -> (Parts, usize) {
    let mut namespaces: BTreeMap<String, (usize, Parts)> = BTreeMap::new();
    for (title, part) in parts {
        let (whole, own) = namespaces.entry(mark(&title).to_owned()).or_default();
        *whole += length(&title, &part);
        own.insert(title, part);
    }
    let mut namespaces: Vec<_> = namespaces.into_iter().collect();
    namespaces.sort_by_key(|(_, (whole, _))| *whole);
    let none = Part::default();
    let mut left = LONGEST_NOTE.saturating_sub(2 + length(ANY, &none));
    let mut waiting = namespaces.len();
    let (mut fair, mut left_out) = (Parts::new(), 0);
    for (mark, (mut whole, mut own)) in namespaces {
        let share = left.checked_div(waiting).unwrap_or_default();
        waiting -= 1;
        if whole > share {
            // What is compared can be judged by other nodes' counts; pods are only counted here.
            own.values_mut().for_each(|part| part.counts = None);
            whole = own.iter().map(|(title, part)| length(title, part)).sum();
        }
        if whole <= share {
            left -= whole;
            fair.extend(own);
            continue;
        }
        let mut used = length(&mark, &none);
        if used > share {
            left_out += own.len();
            fair.insert(ANY.to_owned(), none.clone());
            continue;
        }
        fair.insert(mark, none.clone());
        for (title, part) in own {
            let length = length(&title, &part);
            if used + length > share {
                left_out += 1;
                continue;
            }
            used += length;
            fair.insert(title, part);
        }
        left -= used;
    }
    (fair, left_out)
}

/// What is worth a write by itself: figures come and go.
fn without_figures(parts: &Parts) -> Vec<(&str, Part)> {
    let each = parts.iter().map(|(title, part)| {
        let matters = Part {
            selected: part.selected,
            attached: part.attached,
            why: part.why.clone(),
            // Of another comparison, they say nothing of the mirror as it is by now.
            counts: part.counts.as_ref().map(Counts::of_nothing_yet),
            ..Part::default()
        };
        (title.as_str(), matters)
    });
    each.collect()
}

/// When the note of this node is written.
#[derive(Debug, Default)]
pub(super) struct Note {
    written: Option<(Parts, Instant)>,
    not_before: Option<Instant>,
}

impl Note {
    /// What to write now, if anything, and how many mirrors it leaves out.
    pub(super) fn due(&self, parts: &Parts, now: Instant) -> Option<(String, usize)> {
        if self.not_before.is_some_and(|until| now < until) {
            return None;
        }
        let due = match &self.written {
            // What an agent before this one has noted, goes stale.
            None => !parts.is_empty(),
            Some((before, at)) => {
                let renewed = !parts.is_empty() && now.duration_since(*at) >= RENEWED_EVERY;
                without_figures(before) != without_figures(parts) || renewed
            }
        };
        due.then(|| note(parts))
    }

    pub(super) fn on_written(&mut self, parts: Parts, now: Instant) {
        self.written = Some((parts, now));
        self.not_before = Some(now + WRITTEN_EVERY);
    }

    pub(super) fn on_failed(&mut self, now: Instant, wait: Duration) {
        self.not_before = Some(now + wait);
    }
}

/// The Lease that has it: all of it, or what changes.
pub(super) fn lease(
    name: &str,
    election: &str,
    me: &str,
    pod: Option<&(String, String)>,
    text: &str,
    now: &str,
) -> Value {
    let owner = pod.map(|(name, uid)| {
        // With the pod goes the Lease.
        json!([{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}])
    });
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "labels": {LABEL: election},
            "annotations": {NOTE: text},
            "ownerReferences": owner.unwrap_or_else(|| json!([])),
        },
        "spec": {
            "holderIdentity": me,
            "leaseDurationSeconds": STALE_AFTER.as_secs(),
            "renewTime": now,
        },
    })
}

/// What selects the Leases of all nodes.
pub(super) fn selector(election: &str) -> String {
    format!("{LABEL}={election}")
}

/// The notes of the other nodes, as the elected agent knows them.
#[derive(Debug, Default)]
pub(super) struct Others(BTreeMap<String, Noted>);

/// The notes that were listed until now.
#[derive(Debug, Default)]
pub(super) struct Listed(BTreeMap<String, Noted>);

impl Listed {
    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MOST_NODES
    }
}

#[derive(Clone, Debug)]
struct Noted {
    version: String,
    since: Instant,
    parts: Arc<Parts>,
}

impl Noted {
    /// Whether the note had no room for this mirror, perhaps.
    fn leaves_out(&self, title: &str) -> bool {
        self.parts.contains_key(mark(title)) || self.parts.contains_key(ANY)
    }
}

impl Others {
    /// These are some of the Leases, which go into `listed`; `own` is the one of this node, of which we know more.
    pub(super) fn on_page(
        &mut self,
        listed: &mut Listed,
        leases: Vec<DynamicObject>,
        own: &str,
        now: Instant,
    ) {
        for lease in leases.into_iter().filter(|lease| lease.name_any() != own) {
            let (name, version) = (
                lease.name_any(),
                lease.resource_version().unwrap_or_default(),
            );
            let noted = match self.0.get(&name) {
                Some(noted) if noted.version == version => noted.clone(),
                _ => {
                    let note = lease.annotations().get(NOTE);
                    let parts = note.and_then(|text| serde_json::from_str(text).ok());
                    Noted {
                        version,
                        since: now,
                        parts: Arc::new(parts.unwrap_or_default()),
                    }
                }
            };
            // A list of many pages takes long, and what is known must not look stale meanwhile.
            if let Some(known) = self.0.get_mut(&name) {
                *known = noted.clone();
            }
            if listed.0.len() < MOST_NODES {
                listed.0.insert(name, noted);
            }
        }
    }

    /// These are all.
    pub(super) fn on_listed(&mut self, Listed(all): Listed) {
        self.0 = all;
    }

    /// A mirror on all nodes: this one's part of it and the others'. What is compared is judged by these terms, unless
    /// it is known what it came to lately.
    pub(super) fn whole(
        &self,
        title: &str,
        document: &SeenDocument,
        terms: &Terms,
        lately: Option<Judged>,
        now: Instant,
    ) -> Whole {
        let (mut whole, mut counted) = (Whole::default(), Counted::default());
        let subject = document.subject();
        let fresh = |noted: &&Noted| now.duration_since(noted.since) < STALE_AFTER;
        let others = self.0.values().filter(fresh);
        let mut left_out = 0;
        let others = others.filter_map(|noted| {
            let part = noted.parts.get(title);
            if part.is_none() && noted.leaves_out(title) {
                left_out += 1;
            }
            part
        });
        for part in std::iter::once(&document.part).chain(others) {
            whole.nodes += u64::from(part.attached > 0);
            whole.selected += u64::from(part.selected);
            whole.attached += u64::from(part.attached);
            whole.copies += u64::from(part.copies);
            whole.lost += u64::from(part.lost);
            whole.held_back += u64::from(part.held_back);
            whole.why = whole.why.or_else(|| part.why.clone());
            if let (Some(counts), Some(subject)) = (&part.counts, subject) {
                counted.add(counts, subject);
            }
        }
        if subject.is_some() {
            whole.judged = Some(lately.unwrap_or_else(|| Judged::new(&counted, terms)));
        }
        whole.left_out = left_out;
        whole
    }
}

#[cfg(test)]
mod tests;
