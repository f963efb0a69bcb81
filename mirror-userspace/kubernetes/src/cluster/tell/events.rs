//! Events on documents: what is wrong with them, where `kubectl describe` shows it.
//!
//! An Event is named by its object and text, so that the next elected agent finds what this one has told instead of
//! telling it again. What goes on is told by a further Event, half an hour later: to change Events takes a right to
//! change everybody's, as roles know no names that begin with something. kube's recorder names them by the time, and would take two texts of one reason for the same.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    conditions::{NO_ENDPOINT, TARGET_IS_SOURCE},
    seen::{Identity, Remark, Seen, SeenDocument, cut, shortened},
    turns::Turns,
};

/// The API takes 1 KiB.
const LONGEST_NOTE: usize = 1000;
/// What goes on is told again, since the API keeps Events for an hour.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(30 * 60);
/// After no answer.
const ANSWERED_AFTER: Duration = Duration::from_secs(5);
/// After a failure.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Events at once, and how long it takes until there may be one more.
const BURST: u32 = 10;
const ONE_EVERY: Duration = Duration::from_secs(2);
/// Something that is wrong again after it was not is told again after so long at the earliest.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Remarks on documents of one namespace that are told: `podmirror explain` has all of a document's.
const MOST_OF_NAMESPACE: usize = 50;
/// Remarks that are remembered; what is beyond is not told.
const MOST: usize = 10_000;

const CONTROLLER: &str = "podmirror.io/agent";

/// An Event to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    key: u64,
    pub(super) regarding: Identity,
    remark: Remark,
    /// How often it was told before.
    pub(super) before: u32,
}

/// What was told.
#[derive(Debug)]
pub(super) struct Events {
    told: HashMap<u64, Told>,
    turns: Turns,
    left: u32,
    filled: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    times: u32,
    not_before: Instant,
    seen: Instant,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            told: HashMap::new(),
            turns: Turns::default(),
            left: BURST,
            filled: None,
        }
    }
}

impl Events {
    /// What is to be told now, of each namespace about as much; nothing of those that are held back.
    pub(super) fn due(
        &mut self,
        seen: &Seen,
        held: impl Fn(&str) -> bool,
        now: Instant,
    ) -> Vec<Due> {
        self.fill(now);
        let most = usize::try_from(self.left).unwrap_or_default();
        let mut due: BTreeMap<&str, Vec<Due>> = BTreeMap::new();
        let mut current = HashSet::new();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for document in seen.documents.values() {
            let namespace = document.identity.namespace.as_str();
            for remark in remarks(document) {
                let count = counts.entry(namespace).or_default();
                *count += 1;
                if *count > MOST_OF_NAMESPACE {
                    break;
                }
                let key = key(&document.identity, &remark);
                current.insert(key);
                let told = self.told.get_mut(&key);
                let before = told.as_ref().map_or(0, |told| told.times);
                let waits = told.is_some_and(|told| {
                    told.seen = now;
                    now < told.not_before
                });
                let own = due.entry(namespace).or_default();
                if waits
                    || held(namespace)
                    || own.len() >= most
                    || (before == 0 && self.told.len() >= MOST)
                {
                    continue;
                }
                own.push(Due {
                    key,
                    regarding: document.identity.clone(),
                    remark,
                    before,
                });
            }
        }
        self.told.retain(|key, told| {
            current.contains(key) || now.duration_since(told.seen) < REMEMBERED
        });
        let due = self.turns.take(due, most);
        let taken = u32::try_from(due.len()).unwrap_or(self.left);
        self.left = self.left.saturating_sub(taken);
        due
    }

    pub(super) fn on_told(&mut self, due: &Due, now: Instant) {
        self.set(due, due.before.saturating_add(1), now, TOLD_AGAIN_AFTER);
    }

    pub(super) fn on_failed(&mut self, due: &Due, now: Instant) {
        self.set(due, due.before, now, TRIED_AGAIN_AFTER);
    }

    /// The API did not answer: nor may it the next time, and others are to have their turn.
    pub(super) fn on_away(&mut self, due: &Due, now: Instant) {
        self.set(due, due.before, now, ANSWERED_AFTER);
        self.on_held();
    }

    /// It was not tried: another one may be told instead.
    pub(super) fn on_held(&mut self) {
        self.left = self.left.saturating_add(1).min(BURST);
    }

    fn set(&mut self, due: &Due, times: u32, now: Instant, wait: Duration) {
        let told = Told {
            times,
            not_before: now + wait,
            seen: now,
        };
        self.told.insert(due.key, told);
    }

    fn fill(&mut self, now: Instant) {
        let filled = *self.filled.get_or_insert(now);
        let more = now.duration_since(filled).as_secs() / ONE_EVERY.as_secs();
        let more = u32::try_from(more).unwrap_or(BURST);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.filled = Some(now);
        }
    }
}

fn remarks(document: &SeenDocument) -> impl Iterator<Item = Remark> {
    let each = |texts: &[String], reason| {
        let texts = texts.to_vec();
        texts.into_iter().map(move |text| Remark { reason, text })
    };
    let unreachable = each(&document.unreachable, NO_ENDPOINT);
    let sources = each(&document.sources, TARGET_IS_SOURCE);
    document
        .remarks
        .iter()
        .cloned()
        .chain(unreachable)
        .chain(sources)
}

/// The same for every agent: the hasher has no key.
fn key(of: &Identity, remark: &Remark) -> u64 {
    let mut hasher = DefaultHasher::new();
    (of.title(), &of.uid, remark.reason, &remark.text).hash(&mut hasher);
    hasher.finish()
}

impl Due {
    /// The Event's name.
    fn name(&self) -> String {
        let name = shortened(self.regarding.name.clone(), 200);
        match self.before {
            0 => format!("{name}.{:016x}", self.key),
            again => format!("{name}.{:016x}.{again}", self.key),
        }
    }

    /// The Event, told by `me`.
    pub(super) fn event(&self, me: &str, now: &str) -> Value {
        let Identity {
            api_version,
            kind,
            namespace,
            name,
            uid,
            ..
        } = &self.regarding;
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": self.name(), "namespace": namespace},
            "eventTime": now,
            "type": "Warning",
            "reason": self.remark.reason,
            "action": "Mirror",
            "note": cut(&self.remark.text, LONGEST_NOTE),
            "regarding": {
                "apiVersion": api_version,
                "kind": kind,
                "namespace": namespace,
                "name": name,
                "uid": uid,
            },
            "reportingController": CONTROLLER,
            "reportingInstance": cut(me, 128),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(texts: &[&str]) -> Seen {
        let remarks = texts.iter().map(|text| Remark {
            reason: "Invalid",
            text: (*text).to_owned(),
        });
        let document = SeenDocument {
            identity: Identity {
                kind: "VirtualService".into(),
                namespace: "default".into(),
                name: "web".into(),
                ..Identity::default()
            },
            remarks: remarks.collect(),
            ..SeenDocument::default()
        };
        Seen {
            documents: [(document.identity.title(), document)].into(),
        }
    }

    fn nobody(_: &str) -> bool {
        false
    }

    #[tokio::test]
    async fn what_is_held_back_takes_nobodys_turn() {
        let mut events = Events::default();
        let start = Instant::now();
        let mut all = seen(&["a"; MOST_OF_NAMESPACE]);
        let mut other = seen(&["b"]).documents.into_values().next().unwrap();
        other.identity.namespace = "shop".into();
        all.documents.insert(other.identity.title(), other);
        let due = events.due(&all, |namespace| namespace == "default", start);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].regarding.namespace, "shop");
        assert_eq!(events.left, BURST - 1);
        events.on_held();
        assert_eq!(events.left, BURST);
    }

    #[tokio::test]
    async fn each_remark_is_told_once_and_again_while_it_lasts() {
        let mut events = Events::default();
        let start = Instant::now();
        let due = events.due(&seen(&["a", "b"]), nobody, start);
        assert_eq!(due.len(), 2);
        assert_ne!(due[0].name(), due[1].name());
        assert_eq!(due[0].event("me", "now")["note"], "a");
        for due in &due {
            events.on_told(due, start);
        }
        for minute in 1..30 {
            let now = start + Duration::from_secs(60 * minute);
            assert_eq!(events.due(&seen(&["a", "b"]), nobody, now), []);
        }
        let later = start + TOLD_AGAIN_AFTER;
        let again = events.due(&seen(&["a"]), nobody, later);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].name(), format!("{}.1", due[0].name()));
        events.due(&Seen::default(), nobody, later + REMEMBERED);
        assert!(events.told.is_empty(), "what is mended is forgotten");
    }

    #[tokio::test]
    async fn there_are_only_so_many_at_once() {
        let mut events = Events::default();
        let start = Instant::now();
        let texts: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let all = seen(&texts);
        let mut told = 0;
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            for due in events.due(&all, nobody, now) {
                events.on_told(&due, now);
                told += 1;
            }
        }
        assert_eq!(told, 10 + 29);
        for second in 60..600 {
            let now = start + Duration::from_secs(second);
            for due in events.due(&all, nobody, now) {
                events.on_told(&due, now);
                told += 1;
            }
        }
        assert_eq!(told, MOST_OF_NAMESPACE, "of one namespace");
    }

    #[tokio::test]
    async fn who_keeps_editing_keeps_nobody_waiting() {
        let mut events = Events::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for second in 0..120 {
            // Something new is wrong at any time, and comes first by name.
            let texts: Vec<String> = (0..40).map(|at| format!("{second} {at}")).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut all = seen(&texts);
            for namespace in ["shop", "warehouse"] {
                let mut other = seen(&["a", "b"]).documents.into_values().next().unwrap();
                other.identity.namespace = namespace.into();
                // That of namespace `shop` has come later, when there was one Event at a time.
                if namespace == "warehouse" || second >= 30 {
                    all.documents.insert(other.identity.title(), other);
                }
            }
            let now = start + Duration::from_secs(second);
            for due in events.due(&all, nobody, now) {
                events.on_told(&due, now);
                told.push((second, due.regarding.namespace));
            }
        }
        let of = |namespace: &str| {
            let own = told.iter().filter(|(_, of)| of == namespace);
            own.map(|(second, _)| *second).collect::<Vec<_>>()
        };
        assert_eq!(of("warehouse"), [0, 0]);
        let shop = of("shop");
        assert_eq!(shop.len(), 2);
        assert!(shop.iter().all(|second| *second <= 40), "{shop:?}");
    }

    #[test]
    fn all_agents_call_it_the_same() {
        let identity = seen(&[]).documents.into_values().next().unwrap().identity;
        let remark = Remark {
            reason: "Invalid",
            text: "a".into(),
        };
        let other = Remark {
            text: "b".into(),
            ..remark.clone()
        };
        assert_eq!(
            key(&identity, &remark),
            key(&identity.clone(), &remark.clone())
        );
        assert_ne!(key(&identity, &remark), key(&identity, &other));
    }
}
