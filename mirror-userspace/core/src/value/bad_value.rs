//! The error for a configured value: the value, what is wrong with it, and what would be accepted.

use std::{error::Error, fmt};

/// A configured value that is invalid or unsafe. `Display` says so in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    value: String,
    problem: String,
    accepted: &'static str,
}

impl BadValue {
    /// Refuses `value`. `problem` completes the sentence ("is above 100 %"), `accepted` says what is valid.
    #[must_use]
    pub fn new(value: &str, problem: impl Into<String>, accepted: &'static str) -> Self {
        Self {
            value: value.to_owned(),
            problem: problem.into(),
            accepted,
        }
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped, as a control character may be the very problem.
        write!(
            f,
            "\"{}\" {}; accepted: {}",
            self.value.escape_debug(),
            self.problem,
            self.accepted
        )
    }
}

impl Error for BadValue {}
