//! The refusal of a document: which one, which field, and why.

use std::{error::Error, fmt};

use super::{at::At, refusal::Reason};

/// A document that means nothing, or nothing safe. It says so in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Which field, or the document as a whole.
    pub at: At,
    /// What is wrong with it: `is missing`.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, problem } = self;
        write!(f, "{at}: {problem}")
    }
}

impl Error for ConfigError {}

/// How much of a text people are shown: it may be a document's.
const LONGEST: usize = 400;

/// A text that stays in its line, and is none too long.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, one) in text.chars().enumerate() {
        if count == LONGEST {
            line.push('…');
            break;
        }
        if one.is_control() {
            line.extend(one.escape_default());
        } else {
            line.push(one);
        }
    }
    line
}

/// What is wrong with a field, before it is known which document it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadField {
    pub(super) reason: Reason,
    pub(super) path: String,
    pub(super) problem: String,
}

impl BadField {
    pub(super) fn new(path: &str, problem: impl fmt::Display) -> Self {
        Self {
            reason: Reason::Invalid,
            path: path.to_owned(),
            problem: one_line(&problem.to_string()),
        }
    }

    pub(super) fn in_document(self, namespace: &str, document: &str) -> ConfigError {
        ConfigError {
            at: At {
                namespace: namespace.to_owned(),
                document: document.to_owned(),
                path: self.path,
            },
            problem: self.problem,
        }
    }
}
