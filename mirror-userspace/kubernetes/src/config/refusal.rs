//! What documents ask for and do not get: by whom, which field, why, and what would allow it.

use std::fmt;

use super::at::At;

/// Why a document, or a part of it, is not acted on though it means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It names a source of another namespace.
    Source,
    /// It names a target of another namespace.
    Target,
    /// It names a target outside of the cluster's services.
    External,
    /// Its namespace has used up its share of what all rules have in common.
    Quota,
    /// It is too large.
    Size,
    /// It makes no sense.
    Invalid,
}

impl Reason {
    /// Its name as a label's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::External => "external",
            Self::Quota => "quota",
            Self::Size => "size",
            Self::Invalid => "invalid",
        }
    }
}

/// A part of a document that is not acted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The document and field that is refused.
    pub at: At,
    /// What kind of refusal it is.
    pub reason: Reason,
    /// Why, and what would allow it.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, why, .. } = self;
        write!(f, "{at}: {why}")
    }
}

/// A refusal, before it is known where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) reason: Reason,
    pub(super) why: String,
}

impl Denied {
    pub(super) const fn new(reason: Reason, why: String) -> Self {
        Self { reason, why }
    }
}
