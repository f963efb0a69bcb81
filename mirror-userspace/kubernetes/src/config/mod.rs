//! Configuration that users already have: the documents that say who mirrors what today.
//!
//! ```text
//! YAML, JSON ──parse──► documents ─┬─ DestinationRule ─► subsets ─┐
//! watched objects ─────────────────┼─ ReferenceGrant ──► grants ──┤
//!                                  └─ VirtualService, HTTPRoute, GRPCRoute ─► drafts ─► Plan
//! ```
//!
//! Istio's `VirtualService` and `DestinationRule`, and Gateway API's `HTTPRoute`, `GRPCRoute` and
//! `ReferenceGrant`, become rules: the pods that a route leads to, which of their requests, and where
//! copies go. What a document means is decided here alone, without I/O, so that `podmirror explain`
//! tells exactly what the agent does.
//!
//! Two things never happen silently. A field that is not acted on is reported by its path; and what
//! cannot be told for sure (a match on the sender's labels, a subset that nobody defines) is not
//! mirrored, and reported.

mod draft;
mod error;
mod gateway;
mod istio;
mod node;
mod object;
mod share;
mod text;
mod words;

use std::collections::BTreeSet;

use mirror_core::policy::{FilterConfig, PolicyConfig};

pub use error::ConfigError;
pub use text::{Document, MAX_TEXT, parse};

use crate::plan::Rule;
use node::Remarks;
use object::{Identity, Kind, Object, identify};

/// The most rules of a plan: each has threads, buffers and connections of its own.
pub const MAX_RULES: usize = 256;

/// What documents say.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is mirrored, in the order of the documents.
    pub rules: Vec<Rule>,
    /// What is not acted on, each field once.
    pub ignored: Vec<Ignored>,
}

/// A field that is not acted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ignored {
    /// The document, for people.
    pub document: String,
    /// The field: `spec.http[0].timeout`.
    pub path: String,
    /// Why.
    pub why: String,
}

impl Plan {
    /// The same rules with this policy (of the flags), each with the requests that its document
    /// says.
    #[must_use]
    pub fn with_policy(mut self, policy: &PolicyConfig) -> Self {
        for rule in &mut self.rules {
            let route = rule.policy.filter.route.take();
            rule.policy = PolicyConfig {
                filter: FilterConfig {
                    route,
                    ..policy.filter.clone()
                },
                ..policy.clone()
            };
        }
        self
    }
}

/// Reads documents that belong together.
///
/// # Errors
/// The first document that is refused.
pub fn read(documents: &[Document]) -> Result<Plan, ConfigError> {
    let (plan, refused) = read_each(documents);
    match refused.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(plan),
    }
}

/// Reads documents of many hands, as a watch finds them: one that is refused does not keep the
/// others from being acted on.
#[must_use]
pub fn read_each(documents: &[Document]) -> (Plan, Vec<ConfigError>) {
    let mut reading = Reading::default();
    let objects = reading.objects(documents);
    let mut subsets = istio::Subsets::default();
    let mut grants = gateway::Grants::default();
    for object in &objects {
        match object.kind {
            Kind::DestinationRule => {
                reading.document(object, |remarks| subsets.add(object, remarks));
            }
            Kind::ReferenceGrant => {
                reading.document(object, |remarks| grants.add(object, remarks));
            }
            _ => {}
        }
    }
    for object in &objects {
        let rules = reading.document(object, |remarks| {
            let draft = match object.kind {
                Kind::VirtualService => istio::read_virtual_service(object, &subsets, remarks)?,
                Kind::HttpRoute | Kind::GrpcRoute => gateway::read_route(object, &grants, remarks)?,
                Kind::DestinationRule | Kind::ReferenceGrant => return Ok(Vec::new()),
            };
            Ok(draft.into_rules())
        });
        reading.add_rules(object, rules.unwrap_or_default());
    }
    (reading.plan, reading.refused)
}

/// What came of the documents so far.
#[derive(Default)]
struct Reading {
    plan: Plan,
    refused: Vec<ConfigError>,
}

impl Reading {
    /// The objects that are read, each once.
    fn objects<'a>(&mut self, documents: &'a [Document]) -> Vec<Object<'a>> {
        let mut titles = BTreeSet::new();
        let mut objects = Vec::new();
        for document in documents {
            match identify(document) {
                Ok(Identity::Known(object)) if titles.insert(object.title.clone()) => {
                    objects.push(object);
                }
                Ok(Identity::Known(object)) => self.refused.push(ConfigError {
                    document: object.document,
                    path: "metadata.name".to_owned(),
                    problem: "another document describes the same object".to_owned(),
                }),
                Ok(Identity::Other(why)) => self.plan.ignored.push(Ignored {
                    document: document.origin.clone(),
                    path: "kind".to_owned(),
                    why,
                }),
                Err(error) => self.refused.push(error),
            }
        }
        objects
    }

    /// Reads one document; what is said of a refused one is the refusal alone.
    fn document<T>(
        &mut self,
        object: &Object<'_>,
        read: impl FnOnce(&Remarks) -> Result<T, error::BadField>,
    ) -> Option<T> {
        let remarks = Remarks::default();
        match read(&remarks) {
            Ok(value) => {
                let told = remarks.into_inner().into_iter();
                self.plan.ignored.extend(told.map(|(path, why)| Ignored {
                    document: object.document.clone(),
                    path,
                    why,
                }));
                Some(value)
            }
            Err(bad) => {
                self.refused.push(bad.in_document(&object.document));
                None
            }
        }
    }

    fn add_rules(&mut self, object: &Object<'_>, rules: Vec<Rule>) {
        if self.plan.rules.len() + rules.len() > MAX_RULES {
            self.refused.push(ConfigError {
                document: object.document.clone(),
                path: "spec".to_owned(),
                problem: format!("is beyond {MAX_RULES} mirrors in all documents"),
            });
            return;
        }
        self.plan.rules.extend(rules);
    }
}

#[cfg(test)]
mod tests;
