//! How a part of a request is compared with what a document says of it.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::value::BadValue;

/// Bound of a compiled regular expression, and of its cache in each thread. Documents come from
/// many hands, so each expression gets much less than one that is given as a flag.
const REGEX_BYTES: usize = 256 << 10;

/// What an expression may be compiled to: the least that holds it is what it is taken to cost.
const SIZES: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, REGEX_BYTES];

/// What a part has to be. Bytes are compared as sent, nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// The part is present, whatever its value.
    Present,
    /// The part equals this text.
    Exact(String, Case),
    /// The part starts with this text.
    Prefix(String, Case),
    /// A path that has these segments first: `/a` stands for `/a` and `/a/…`, not for `/ab`
    /// (Gateway API, PathPrefix). Without a slash at its end.
    PathPrefix(String),
    /// What a regular expression matches as a whole.
    Regex(FullRegex),
}

/// Whether a comparison is sensitive to ASCII case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// Case-sensitive: `/A` is not `/a`.
    #[default]
    Counts,
    /// Case-insensitive: `/A` is `/a`.
    Ignored,
}

impl Case {
    fn equal(self, a: &[u8], b: &[u8]) -> bool {
        match self {
            Self::Counts => a == b,
            Self::Ignored => a.eq_ignore_ascii_case(b),
        }
    }
}

impl TextMatch {
    /// The first segments of a path; a slash at the end does not count.
    #[must_use]
    pub fn path_prefix(path: &str) -> Self {
        Self::PathPrefix(path.strip_suffix('/').unwrap_or(path).to_owned())
    }

    /// Whether these bytes meet it.
    pub(super) fn is_match(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(text, case) => case.equal(bytes, text.as_bytes()),
            Self::Prefix(text, case) => bytes
                .get(..text.len())
                .is_some_and(|start| case.equal(start, text.as_bytes())),
            Self::PathPrefix(prefix) => bytes
                .strip_prefix(prefix.as_bytes())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/'))),
            Self::Regex(regex) => regex.regex.is_match(bytes),
        }
    }
}

/// A regular expression that has to match from the first byte to the last, as RE2 does for Envoy.
#[derive(Clone, Debug)]
pub struct FullRegex {
    text: String,
    regex: Regex,
    cost: usize,
}

impl FullRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// If it is none, or compiles to more than 256 KiB.
    pub fn new(text: &str) -> Result<Self, BadValue> {
        // By itself first: `a)|(b` would close the group that anchors it.
        let whole = format!(r"\A(?:{text})\z");
        let made = compile(text, REGEX_BYTES).and_then(|_| {
            let mut made = Err(String::new());
            for size in SIZES {
                made = compile(&whole, size).map(|regex| (regex, size));
                if made.is_ok() {
                    break;
                }
            }
            made
        });
        match made {
            Ok((regex, size)) => Ok(Self {
                text: text.to_owned(),
                regex,
                // Itself, and two caches as large while it is used.
                cost: 3 * size + text.len(),
            }),
            Err(reason) => Err(BadValue::new(
                text,
                format!("is no regular expression ({reason})"),
                "RE2 syntax, without Unicode classes",
            )),
        }
    }
}

fn compile(pattern: &str, size: usize) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(size)
        .dfa_size_limit(size)
        .nest_limit(64)
        .build()
        .map_err(|error| {
            // The parser draws the pattern with a caret over several lines; the reason is the last.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim();
            reason.trim_start_matches("error: ").to_owned()
        })
}

impl FullRegex {
    /// Bytes that it may take, with what it needs while it is used.
    #[must_use]
    pub const fn cost(&self) -> usize {
        self.cost
    }
}

impl PartialEq for FullRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for FullRegex {}

impl fmt::Display for TextMatch {
    /// What follows the name of the part: `starts with "/api"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, text, case) = match self {
            Self::Present => return f.write_str("is there"),
            Self::Exact(text, case) => ("is", text, *case),
            Self::Prefix(text, case) => ("starts with", text, *case),
            Self::PathPrefix(text) => {
                let text = text.escape_debug();
                return write!(f, "is \"{text}\" or below it");
            }
            Self::Regex(regex) => ("matches", &regex.text, Case::Counts),
        };
        write!(f, "{verb} \"{}\"", text.escape_debug())?;
        match case {
            Case::Counts => Ok(()),
            Case::Ignored => f.write_str(" in any case"),
        }
    }
}
