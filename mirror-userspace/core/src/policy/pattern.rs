//! Patterns on raw bytes: globs and regular expressions, both matched in time linear in the input.
//!
//! Requests are bytes, not text, so no pattern asks for UTF-8: `.`, `*` and `?` stand for bytes.
//! A glob is translated to a regular expression, so one engine (a finite automaton, never
//! backtracking) serves both.

use std::{fmt, str::FromStr};

use globset::GlobBuilder;
use regex::bytes::{Regex, RegexBuilder};

use super::field::FieldName;
use crate::value::BadValue;

const ACCEPTED: &str = "a glob (* any bytes, / included; ? one byte; [a-z]; {a,b}; \\ quotes) \
                        or ~REGEX (Rust regex syntax, unanchored)";

/// A compiled pattern: a glob on all of the bytes, or a regular expression on any part of them.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// A glob that must match all of the bytes. `*` matches any bytes, `/` among them.
    ///
    /// # Errors
    /// If it is no glob.
    pub fn glob(text: &str) -> Result<Self, BadValue> {
        let glob = GlobBuilder::new(text)
            .literal_separator(false)
            .backslash_escape(true)
            .build()
            .map_err(|error| {
                BadValue::new(text, format!("is no glob ({})", error.kind()), ACCEPTED)
            })?;
        Self::compile(text, glob.regex())
    }

    /// A regular expression that must match somewhere; `^` and `$` anchor it.
    ///
    /// # Errors
    /// If it is empty, no regular expression, or one that compiles to more than 10 MiB.
    pub fn regex(text: &str) -> Result<Self, BadValue> {
        if text.is_empty() {
            return Err(BadValue::new(text, "is an empty regex", ACCEPTED));
        }
        Self::compile(text, text)
    }

    fn compile(text: &str, pattern: &str) -> Result<Self, BadValue> {
        compile_regex(pattern)
            .map(Self)
            .map_err(|reason| BadValue::new(text, format!("is no pattern ({reason})"), ACCEPTED))
    }

    /// Whether the bytes match.
    #[must_use]
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }
}

/// Compiles a regular expression for bytes; the error is one line.
pub(super) fn compile_regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .map_err(|error| {
            // The parser draws the pattern with a caret over several lines; the reason is the last.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim();
            reason.trim_start_matches("error: ").to_owned()
        })
}

/// A pattern for the path of a request target: a glob, or a regular expression after `~`.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: String,
    pattern: Pattern,
}

impl PathPattern {
    /// Whether this path matches.
    #[must_use]
    pub fn is_match(&self, path: &[u8]) -> bool {
        self.pattern.is_match(path)
    }
}

impl FromStr for PathPattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let pattern = match text.strip_prefix('~') {
            Some(regex) => Pattern::regex(regex)?,
            // Every path starts with `/` (that of `OPTIONS *` is `*`): this would never match.
            None if !text.starts_with(['/', '*', '?', '[', '{', '\\']) => {
                return Err(BadValue::new(text, "does not start with / or *", ACCEPTED));
            }
            None => Pattern::glob(text)?,
        };
        Ok(Self {
            text: text.to_owned(),
            pattern,
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A condition on the field lines of one name: `NAME` (there is one), `NAME=GLOB` or `NAME~REGEX`
/// (the value of one matches).
///
/// The name ends at the first `=` or `~`. (`~` may stand in a field name by RFC 9110; such a name
/// cannot be asked for.)
#[derive(Clone, Debug)]
pub struct FieldPattern {
    name: FieldName,
    value: Option<Pattern>,
    text: String,
}

impl FieldPattern {
    /// The field's name.
    #[must_use]
    pub const fn name(&self) -> &FieldName {
        &self.name
    }

    /// Whether a field line of the right name with this value meets the condition.
    #[must_use]
    pub fn is_match(&self, value: &[u8]) -> bool {
        self.value
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(value))
    }
}

impl FromStr for FieldPattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (name, value) = match text
            .find(['=', '~'])
            .and_then(|at| text.split_at_checked(at))
        {
            None => (text, None),
            Some((name, rest)) => match rest.strip_prefix('~') {
                Some(regex) => (name, Some(Pattern::regex(regex)?)),
                None => (
                    name,
                    Some(Pattern::glob(rest.strip_prefix('=').unwrap_or(rest))?),
                ),
            },
        };
        Ok(Self {
            name: name.parse()?,
            value,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for FieldPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
