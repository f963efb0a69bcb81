//! The refusal of a document: which one, which field, and why.

use std::{error::Error, fmt};

/// A document that means nothing, or nothing safe. It says so in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The document: `VirtualService default/web (web.yaml, document 2)`.
    pub document: String,
    /// The field: `spec.http[0].mirror.host`; empty if it is the document as a whole.
    pub path: String,
    /// What is wrong with it: `is missing`.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            document,
            path,
            problem,
        } = self;
        if path.is_empty() {
            return write!(f, "{document}: {problem}");
        }
        write!(f, "{document}: {path}: {problem}")
    }
}

impl Error for ConfigError {}

/// What is wrong with a field, before it is known which document it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadField {
    pub(super) path: String,
    pub(super) problem: String,
}

impl BadField {
    pub(super) fn new(path: &str, problem: impl fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }

    pub(super) fn in_document(self, document: &str) -> ConfigError {
        ConfigError {
            document: document.to_owned(),
            path: self.path,
            problem: self.problem,
        }
    }
}
