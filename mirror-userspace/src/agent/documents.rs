//! From documents to rules, while the documents in the cluster come and go.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher as _, RandomState},
};

use log::{error, warn};
use mirror_core::policy::PolicyConfig;
use mirror_kubernetes::{
    cluster::{AllDocuments, Identity, LeftOut, MOST_REMARKS, Remark, SeenDocument},
    config::{At, ConfigError, Document, Plan, Reader, Reason, Terms},
    plan::Rule,
};

use serde_json::Value;

use crate::admin::DocumentsRefused;

/// How many lines about the documents of one namespace are logged when documents change.
const LINES: usize = 20;

/// How many things that people were told are remembered; what is beyond may be told again.
const REMEMBERED: usize = 20_000;

/// The documents of files, and what was logged about all documents.
#[derive(Debug)]
pub(super) struct Documents {
    of_files: Vec<Document>,
    reader: Reader,
    /// What flags say of every rule: filters, rewrites, and what is sampled.
    policy: PolicyConfig,
    told: Told,
    refused: Vec<DocumentsRefused>,
    /// Those of the cluster, and what is wrong with each.
    seen: BTreeMap<String, SeenDocument>,
}

impl Documents {
    pub(super) fn new(of_files: Vec<Document>, terms: Terms, policy: PolicyConfig) -> Self {
        Self {
            of_files,
            reader: Reader::new(terms),
            policy,
            told: Told::default(),
            refused: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// The rules of the files' documents and of these, which the cluster has now. They belong together:
    /// a subset may be defined in either. What is refused or not acted on is said unless it was said
    /// the last time.
    pub(super) fn rules(&mut self, watched: AllDocuments) -> Vec<Rule> {
        let mut documents = self.of_files.clone();
        documents.extend(watched.held.into_iter().map(|value| Document {
            origin: String::new(),
            value,
        }));
        let (plan, no_sense) = self.reader.read_each(&documents);
        self.seen = seen(&documents, &plan, &no_sense);
        let mut telling = self.told.begin();
        for error in no_sense {
            let text = format!("{error}: the document is not acted on");
            telling.tell(&error.at.namespace, &text, |text| error!("{text}"));
        }
        for refused in &plan.refused {
            let text = format!("refused: {refused}");
            telling.tell(&refused.at.namespace, &text, |text| warn!("{text}"));
        }
        for ignored in &plan.ignored {
            let text = format!("not acted on: {ignored}");
            telling.tell(&ignored.at.namespace, &text, |text| warn!("{text}"));
        }
        let mut refusals = plan.refusals.clone();
        for LeftOut {
            namespace,
            title,
            identity,
            reason,
        } in watched.left_out
        {
            let why = match reason {
                Reason::Size => {
                    "is larger than 1 MiB in memory, some 150 kB of text: make several of it"
                }
                _ => {
                    "finds no room: its namespace's documents take 4 MiB of memory, or all take 32 MiB"
                }
            };
            let text = format!("refused: {title}: {why}");
            telling.tell(&namespace, &text, |text| warn!("{text}"));
            let left_out = SeenDocument {
                identity,
                remarks: vec![Remark {
                    reason: word(reason),
                    text: why.to_owned(),
                }],
                ..SeenDocument::default()
            };
            self.seen.insert(title, left_out);
            *refusals.entry((namespace, reason)).or_default() += 1;
        }
        telling.end();
        let refusals = refusals.iter();
        self.refused = refusals
            .map(|((namespace, reason), count)| DocumentsRefused {
                namespace: namespace.clone(),
                reason: reason.name(),
                count: *count,
            })
            .collect();
        plan.with_policy(&self.policy).rules
    }

    /// The documents of the cluster by title, with what is wrong with each.
    pub(super) const fn seen(&self) -> &BTreeMap<String, SeenDocument> {
        &self.seen
    }

    /// The documents of which something is refused, by namespace and reason.
    pub(super) fn refused(&self) -> &[DocumentsRefused] {
        &self.refused
    }
}

/// The documents of the cluster, which have no origin, with what is wrong with them.
fn seen(
    documents: &[Document],
    plan: &Plan,
    no_sense: &[ConfigError],
) -> BTreeMap<String, SeenDocument> {
    let of_cluster = documents.iter().filter(|it| it.origin.is_empty());
    let mut all: BTreeMap<String, SeenDocument> = of_cluster
        .filter_map(|document| {
            let identity = Identity::of(&document.value)?;
            let suspended = document.value.pointer("/spec/suspend");
            let seen = SeenDocument {
                suspended: suspended.and_then(Value::as_bool) == Some(true),
                identity,
                ..SeenDocument::default()
            };
            Some((seen.identity.title(), seen))
        })
        .collect();
    let mut remark = |at: &At, reason: Reason, why: &str| {
        if let Some(seen) = all.get_mut(&at.document)
            && seen.remarks.len() < MOST_REMARKS
        {
            let text = if at.path.is_empty() {
                why.to_owned()
            } else {
                format!("{}: {why}", at.path)
            };
            let reason = word(reason);
            seen.remarks.push(Remark { reason, text });
        }
    };
    for error in no_sense {
        remark(&error.at, Reason::Invalid, &error.problem);
    }
    for refused in &plan.refused {
        remark(&refused.at, refused.reason, &refused.why);
    }
    for ignored in &plan.ignored {
        if let Some(seen) = all.get_mut(&ignored.at.document) {
            let at = &ignored.at.path;
            seen.ignored
                .get_or_insert_with(|| format!("{at}: {}", ignored.why));
        }
    }
    all
}

/// A reason in the one word that conditions and Events have.
const fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Source => "SourceRefused",
        Reason::Target => "TargetRefused",
        Reason::External => "ExternalTargetRefused",
        Reason::Quota => "QuotaExceeded",
        Reason::Size => "TooLarge",
        Reason::Invalid => "Invalid",
    }
}

/// What people were told the last time, by its hash: it may be much.
#[derive(Debug, Default)]
struct Told {
    hasher: RandomState,
    last: HashSet<u64>,
}

impl Told {
    fn begin(&mut self) -> Telling<'_> {
        Telling {
            told: self,
            now: HashSet::new(),
            lines: BTreeMap::new(),
        }
    }
}

/// What people are told now.
struct Telling<'a> {
    told: &'a mut Told,
    now: HashSet<u64>,
    /// New lines, by namespace.
    lines: BTreeMap<String, usize>,
}

impl Telling<'_> {
    /// Says it, unless it was said the last time or its namespace has had its lines.
    fn tell(&mut self, namespace: &str, text: &str, say: impl FnOnce(&str)) {
        let hash = self.told.hasher.hash_one(text);
        if self.now.len() < REMEMBERED {
            self.now.insert(hash);
        }
        if self.told.last.contains(&hash) {
            return;
        }
        let lines = self.lines.entry(namespace.to_owned()).or_default();
        *lines += 1;
        if *lines <= LINES {
            say(text);
        }
    }

    fn end(self) {
        for (namespace, lines) in &self.lines {
            if let Some(more @ 1..) = lines.checked_sub(LINES) {
                warn!(
                    "{more} more lines about the documents of namespace {namespace} are left out; \
                     `podmirror explain` has all of a document's"
                );
            }
        }
        self.told.last = self.now;
    }
}
