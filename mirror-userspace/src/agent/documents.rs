//! From documents to rules, while the documents in the cluster come and go.

use std::collections::BTreeSet;

use log::{error, warn};
use mirror_core::policy::PolicyConfig;
use mirror_kubernetes::{
    config::{self, Document},
    plan::Rule,
};
use serde_json::Value;

/// The documents of files, and what was logged about all documents.
#[derive(Debug)]
pub(super) struct Documents {
    of_files: Vec<Document>,
    /// What flags say of every rule: filters, rewrites, and what is sampled.
    policy: PolicyConfig,
    told: BTreeSet<String>,
}

impl Documents {
    pub(super) fn new(of_files: Vec<Document>, policy: PolicyConfig) -> Self {
        Self {
            of_files,
            policy,
            told: BTreeSet::new(),
        }
    }

    /// The rules of the files' documents and of these, which the cluster has now. They belong together:
    /// a subset may be defined in either. What is refused or not acted on is said unless it was said
    /// the last time.
    pub(super) fn rules(&mut self, watched: Vec<Value>) -> Vec<Rule> {
        let mut documents = self.of_files.clone();
        documents.extend(watched.into_iter().map(|value| Document {
            origin: String::new(),
            value,
        }));
        let (plan, refused) = config::read_each(&documents);
        let mut news = BTreeSet::new();
        for refusal in refused {
            let refusal = refusal.to_string();
            if !self.told.contains(&refusal) {
                error!("{refusal}: the document is not acted on");
            }
            news.insert(refusal);
        }
        for ignored in &plan.ignored {
            let config::Ignored {
                document,
                path,
                why,
            } = ignored;
            let ignored = format!("{document}: {path}: {why}");
            if !self.told.contains(&ignored) {
                warn!("not acted on: {ignored}");
            }
            news.insert(ignored);
        }
        self.told = news;
        plan.with_policy(&self.policy).rules
    }
}
