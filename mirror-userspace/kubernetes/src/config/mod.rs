//! Configuration that users already have: the documents that say who mirrors what today.
//!
//! ```text
//! YAML, JSON ──parse──► documents ─┬─ DestinationRule ─► subsets ─┐
//! watched objects ─────────────────┼─ ReferenceGrant ──► grants ──┤
//!                                  ├─ VirtualService, HTTPRoute, GRPCRoute ─► drafts ─► Plan
//!                                  └─ TrafficMirror ──────────────────────────────────────►
//! ```
//!
//! podmirror's own `TrafficMirror`, Istio's `VirtualService` and `DestinationRule`, and Gateway API's `HTTPRoute`, `GRPCRoute` and
//! `ReferenceGrant`, become rules: the pods that a route leads to, which of their requests, and where
//! copies go. What a document means is decided here alone, without I/O, so that `podmirror explain`
//! tells exactly what the agent does.
//!
//! A document speaks for its namespace: what it may name is decided in `authority`, and how much of
//! what all share it may use in `quota`.
//!
//! Two things never happen silently. A field that is not acted on is reported by its path; and what
//! cannot be told for sure (a match on the sender's labels, a subset that nobody defines) is not
//! mirrored, and reported.

mod at;
mod authority;
mod draft;
mod error;
mod gateway;
mod istio;
mod merge;
mod node;
mod object;
mod overlap;
mod patterns;
mod quota;
mod reader;
mod refusal;
mod share;
mod text;
mod traffic_mirror;
mod words;

use std::{collections::BTreeMap, fmt};

use mirror_core::policy::PolicyConfig;

pub use at::At;
pub use authority::{Consent, HostGlob, NamespaceOrAll, Namespaces};
pub use error::ConfigError;
pub use quota::{MAX_RULES, Quotas};
pub use reader::Reader;
pub use refusal::{Reason, Refusal};
pub use text::{Document, MAX_TEXT, parse};

use crate::plan::Rule;

/// What the operator says of all documents.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What they may name beyond their own namespaces.
    pub consent: Consent,
    /// What each namespace may use of what all share.
    pub quotas: Quotas,
}

/// The rules that a set of documents asks for, and what was refused.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is mirrored, in the order of the documents.
    pub rules: Vec<Rule>,
    /// What is not acted on, each field once.
    pub ignored: Vec<Ignored>,
    /// What was asked for and is not allowed, each field once.
    pub refused: Vec<Refusal>,
    /// What may go otherwise than its writers think.
    pub warnings: Vec<String>,
    /// The documents of which something is refused, those that make no sense among them, by
    /// namespace and reason.
    pub refusals: BTreeMap<(String, Reason), u64>,
}

/// A field that is not acted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ignored {
    /// The document and field that the warning is about.
    pub at: At,
    /// What is wrong with it, for the person who wrote it.
    pub why: String,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, why } = self;
        write!(f, "{at}: {why}")
    }
}

impl Plan {
    /// The same rules within this policy (of the flags): its filters hold as well, and what a document says
    /// of changes and sampling comes before what it says.
    #[must_use]
    pub fn with_policy(mut self, policy: &PolicyConfig) -> Self {
        for rule in &mut self.rules {
            rule.policy = merge::policy_of(rule, policy);
        }
        self
    }
}

/// Reads documents that belong together.
///
/// # Errors
/// The first document that makes no sense. One that asks for more than it may have is among those that
/// the plan refuses.
pub fn read(documents: &[Document], terms: &Terms) -> Result<Plan, ConfigError> {
    let (plan, refused) = Reader::new(terms.clone()).read_each(documents);
    match refused.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(plan),
    }
}

#[cfg(test)]
mod tests;
