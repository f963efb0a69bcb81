//! Which requests belong to a route of a configuration document: the first match decides.
//!
//! Routes of a document compete: a request belongs to the first whose match holds, and only some
//! routes mirror. So what is mirrored cannot be said by allowing and denying patterns; it takes the
//! matches in the order in which they are tried, each with what follows from it. A request that no
//! match holds for is not mirrored.

mod host_pattern;
mod request_match;
mod text_match;

use std::{fmt, sync::Arc};

pub use host_pattern::HostPattern;
pub use request_match::{Condition, Expectation, Part, RequestMatch};
pub use text_match::{Case, FullRegex, TextMatch};

use crate::http::RequestHead;
use request_match::RequestParts;

/// The matches of a document as one of its routes sees them.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    hosts: Vec<HostPattern>,
    steps: Vec<RouteStep>,
}

/// One match, and what follows if it is the first to hold.
#[derive(Clone, Debug)]
pub struct RouteStep {
    /// Which requests. Shared, as each route of a document has a table of its own.
    pub requests: Arc<RequestMatch>,
    /// What becomes of the requests that match.
    pub verdict: Verdict,
}

/// What becomes of the requests that a match holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The requests are mirrored.
    Mirror,
    /// The requests belong to another route, or may do so: they are not mirrored.
    Leave,
}

impl RouteTable {
    /// A table for these hosts (none: any host), its steps in the order in which they are tried.
    ///
    /// Steps that cannot change the outcome are left out.
    #[must_use]
    pub fn new(hosts: Vec<HostPattern>, mut steps: Vec<RouteStep>) -> Self {
        if let Some(last) = steps.iter().position(|step| step.requests.holds_for_all()) {
            steps.truncate(last + 1);
        }
        while steps
            .last()
            .is_some_and(|step| step.verdict == Verdict::Leave)
        {
            steps.pop();
        }
        Self { hosts, steps }
    }

    /// A table that mirrors every request.
    #[must_use]
    pub fn everything() -> Self {
        let every = RouteStep {
            requests: Arc::new(RequestMatch::default()),
            verdict: Verdict::Mirror,
        };
        Self::new(Vec::new(), vec![every])
    }

    /// The hosts whose requests are meant; none: any host.
    #[must_use]
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// The steps that are left.
    #[must_use]
    pub fn steps(&self) -> &[RouteStep] {
        &self.steps
    }

    /// Whether every request is mirrored.
    #[must_use]
    pub fn mirrors_all(&self) -> bool {
        let all =
            |step: &RouteStep| step.verdict == Verdict::Mirror && step.requests.holds_for_all();
        self.hosts.is_empty() && self.steps.first().is_some_and(all)
    }

    /// Whether a request is mirrored.
    pub(super) fn mirrors(&self, head: RequestHead<'_>) -> bool {
        let parts = RequestParts::of(head);
        let host = || parts.authority.unwrap_or_default();
        if !self.hosts.is_empty() && !self.hosts.iter().any(|pattern| pattern.is_match(host())) {
            return false;
        }
        self.steps
            .iter()
            .find(|step| step.requests.holds(&parts))
            .is_some_and(|step| step.verdict == Verdict::Mirror)
    }
}

impl fmt::Display for RouteStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Mirror => self.requests.fmt(f),
            Verdict::Leave => write!(f, "not: {}", self.requests),
        }
    }
}

#[cfg(test)]
mod tests;
