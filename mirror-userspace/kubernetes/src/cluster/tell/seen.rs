//! What an agent sees of the cluster's documents, and its part in their mirrors.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::counts::{Counts, Subject};

/// The most remarks on one document that are told.
pub const MOST_REMARKS: usize = 8;

/// What an agent sees of all documents, by title: `TrafficMirror default/web`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Those of the cluster; files have no status.
    pub documents: BTreeMap<String, SeenDocument>,
}

impl Seen {
    /// How many namespaces have a document that holds this.
    pub(super) fn namespaces(&self, holds: impl Fn(&SeenDocument) -> bool) -> usize {
        let documents = self.documents.values().filter(|document| holds(document));
        let namespaces = documents.map(|document| document.identity.namespace.as_str());
        namespaces.collect::<BTreeSet<_>>().len()
    }
}

impl SeenDocument {
    /// Which comparison is to be judged, if there is one.
    pub(super) const fn subject(&self) -> Option<Subject> {
        match self.comparison {
            Some(Comparing::AsAsked(subject)) => Some(subject),
            _ => None,
        }
    }

    /// Whether there is an Event to tell of it.
    pub(super) fn has_events(&self) -> bool {
        !(self.remarks.is_empty() && self.unreachable.is_empty() && self.sources.is_empty())
    }
}

/// What an agent sees of one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenDocument {
    /// Which object it is.
    pub identity: Identity,
    /// What of it makes no sense or is refused, the first [`MOST_REMARKS`].
    pub remarks: Vec<Remark>,
    /// Why it mirrors nothing, if it says so itself: the first field that is not acted on.
    pub ignored: Option<String>,
    /// How many rules it is.
    pub rules: usize,
    /// Whether it is switched off.
    pub suspended: bool,
    /// Targets that have no endpoint, each with why.
    pub unreachable: Vec<String>,
    /// Targets whose endpoints are all pods whose requests are mirrored, so that they get no copies.
    pub sources: Vec<String>,
    /// Targets of which that holds for some endpoints.
    pub partly_sources: Vec<String>,
    /// How it compares its targets, if it asks for that.
    pub comparison: Option<Comparing>,
    /// What is on this node.
    pub part: Part,
}

/// How a mirror compares its targets, if it asks for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparing {
    /// As it says.
    AsAsked(Subject),
    /// It can't, and why.
    Not(Remark),
}

/// Which object a document is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `podmirror.io/v1alpha1`.
    pub api_version: String,
    /// `TrafficMirror`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; empty if the API shows none.
    pub uid: String,
    /// Its `metadata.generation`, which counts changes of its `spec`.
    pub generation: i64,
}

impl Identity {
    /// That of an object as it is held, if it has a name.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let text = |path: &str| value.pointer(path).and_then(Value::as_str);
        let owned = |path: &str| text(path).unwrap_or_default().to_owned();
        let generation = value.pointer("/metadata/generation");
        Some(Self {
            api_version: text("/apiVersion")?.to_owned(),
            kind: text("/kind")?.to_owned(),
            namespace: owned("/metadata/namespace"),
            name: text("/metadata/name")?.to_owned(),
            uid: owned("/metadata/uid"),
            generation: generation.and_then(Value::as_i64).unwrap_or_default(),
        })
    }

    /// `TrafficMirror default/web`.
    #[must_use]
    pub fn title(&self) -> String {
        let Self {
            kind,
            namespace,
            name,
            ..
        } = self;
        format!("{kind} {namespace}/{name}")
    }

    pub(super) fn is_traffic_mirror(&self) -> bool {
        self.kind == "TrafficMirror"
    }
}

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// One word: `Invalid`, `TargetRefused`.
    pub reason: &'static str,
    /// The field and what is wrong with it.
    pub text: String,
}

/// What an agent has of a mirror on its node. The elected agent adds those of all nodes up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Part {
    /// Pods that the mirror selects and that can be mirrored.
    #[serde(rename = "s")]
    pub selected: u32,
    /// Those of them that are attached to.
    #[serde(rename = "a")]
    pub attached: u32,
    /// Copies sent in the last minute.
    #[serde(rename = "c")]
    pub copies: u32,
    /// Copies dropped or failed in the last minute.
    #[serde(rename = "l")]
    pub lost: u32,
    /// Those of them that were held back from targets that are overloaded.
    #[serde(rename = "h", skip_serializing_if = "is_zero")]
    pub held_back: u32,
    /// Why a pod is not attached to, of the first one that is not.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was counted of its comparison, if there is one.
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

impl Part {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A number to two digits, so that a steady rate stays the same.
#[must_use]
pub const fn rounded(number: u64) -> u32 {
    let mut unit = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    let rounded = (number + unit / 2) / unit * unit;
    if rounded > u32::MAX as u64 {
        u32::MAX
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "no more than fits")]
        {
            rounded as u32
        }
    }
}

/// A text that is shown to people, cut to so many bytes at most.
#[must_use]
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The name of an object, made as short as names may be.
#[must_use]
pub(super) fn shortened(mut name: String, most: usize) -> String {
    // Names are ASCII, as read by `plain`.
    while name.len() > most || name.ends_with(['-', '.']) {
        name.pop();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_digits() {
        for (number, shown) in [
            (0, 0),
            (7, 7),
            (99, 99),
            (100, 100),
            (104, 100),
            (1_250, 1_300),
            (123_456, 120_000),
            (u64::MAX / 2, u32::MAX),
        ] {
            assert_eq!(rounded(number), shown, "{number}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("ääää", 7), "ää…");
        assert_eq!(cut("äääääää", 3), "…");
    }

    #[test]
    fn names_stay_names() {
        assert_eq!(shortened("web-1.shop".into(), 253), "web-1.shop");
        assert_eq!(shortened("web-1.shop".into(), 6), "web-1");
    }

    #[test]
    fn an_identity_is_read_from_what_is_held() {
        let value = serde_json::json!({
            "apiVersion": "podmirror.io/v1alpha1", "kind": "TrafficMirror",
            "metadata": {"namespace": "default", "name": "web", "uid": "u", "generation": 3},
        });
        let identity = Identity::of(&value).unwrap();
        assert_eq!(identity.title(), "TrafficMirror default/web");
        assert_eq!((identity.uid.as_str(), identity.generation), ("u", 3));
        assert!(identity.is_traffic_mirror());
        assert_eq!(Identity::of(&serde_json::json!({"kind": "x"})), None);
    }
}
