//! Rewrites the path of a mirrored request: `from=to`, by prefix or by regular expression.

use std::str::FromStr;

use regex::bytes::{Captures, Regex};

use super::pattern::compile_regex;
use crate::value::BadValue;

const ACCEPTED: &str = "/FROM=/TO (the start of the path) or ~REGEX=TO ($1, ${name} and $$ in TO)";

/// A change of the request's path; its query stays.
#[derive(Clone, Debug)]
pub struct PathRewrite(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Replaces `from` at the beginning of the path with `to`. It compares bytes, not path segments: `/v10`
    /// also starts with `/v1`.
    Prefix { from: String, to: String },
    /// The first match is replaced.
    Regex { from: Regex, to: Vec<Piece> },
}

/// A part of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl PathRewrite {
    /// The path to send instead of `path`, or `None` if this rule does not apply to it.
    ///
    /// A result without a leading `/` gets one, as a request target must have it.
    pub(super) fn apply(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut new = match &self.0 {
            Kind::Prefix { from, to } => {
                let rest = path.strip_prefix(from.as_bytes())?;
                [to.as_bytes(), rest].concat()
            }
            Kind::Regex { from, to } => {
                let found = from.captures(path)?;
                let at = found.get(0)?.range();
                let before = path.get(..at.start).unwrap_or_default();
                let after = path.get(at.end..).unwrap_or_default();
                [before, &expand(to, &found), after].concat()
            }
        };
        if !new.starts_with(b"/") {
            new.insert(0, b'/');
        }
        Some(new)
    }
}

fn expand(pieces: &[Piece], found: &Captures<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in pieces {
        text.extend_from_slice(match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Group(group) => found.get(*group).map_or(b"", |group| group.as_bytes()),
        });
    }
    text
}

impl FromStr for PathRewrite {
    type Err = BadValue;

    /// Splits at the first `=`; in a regular expression `\x3d` stands for one.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let refuse = |problem: String| BadValue::new(text, problem, ACCEPTED);
        let (from, to) = text
            .split_once('=')
            .ok_or_else(|| refuse("has no =".to_owned()))?;
        // What would end the path or the request line (RFC 9112 section 3).
        if to
            .bytes()
            .any(|byte| byte <= b' ' || matches!(byte, b'?' | b'#' | 0x7f))
        {
            return Err(refuse(
                "has a space, ?, # or control character in TO".to_owned(),
            ));
        }
        let Some(pattern) = from.strip_prefix('~') else {
            if !from.starts_with('/') || !to.starts_with('/') {
                return Err(refuse("has a part that does not start with /".to_owned()));
            }
            let (from, to) = (from.to_owned(), to.to_owned());
            return Ok(Self(Kind::Prefix { from, to }));
        };
        if pattern.is_empty() {
            return Err(refuse("has an empty regex".to_owned()));
        }
        let from =
            compile_regex(pattern).map_err(|reason| refuse(format!("is no regex ({reason})")))?;
        let to = replacement(to, &from).map_err(refuse)?;
        Ok(Self(Kind::Regex { from, to }))
    }
}

/// Reads `$1`, `${name}` and `$$`. A group that the pattern lacks is refused: it would silently be empty.
fn replacement(text: &str, pattern: &Regex) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        pieces.push(Piece::Text(before.to_owned()));
        if let Some(after) = after.strip_prefix('$') {
            pieces.push(Piece::Text("$".to_owned()));
            rest = after;
            continue;
        }
        let (name, after) = reference(after).ok_or("has a $ without a group in TO")?;
        let group =
            group(name, pattern).ok_or_else(|| format!("has no group {name} in its regex"))?;
        pieces.push(Piece::Group(group));
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    Ok(pieces)
}

/// The group that `text` starts by naming (`1…` or `{name}…`), and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}');
    }
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end)
        .filter(|(digits, _)| !digits.is_empty())
}

fn group(name: &str, pattern: &Regex) -> Option<usize> {
    match name.parse::<usize>() {
        Ok(number) => (number < pattern.captures_len()).then_some(number),
        Err(_) => pattern
            .capture_names()
            .position(|known| known == Some(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(rule: &str, path: &str) -> Option<String> {
        let rule: PathRewrite = rule.parse().unwrap();
        rule.apply(path.as_bytes())
            .map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn prefixes_and_first_matches_are_replaced() {
        for (rule, path, expected) in [
            ("/v1/=/v2/", "/v1/users", Some("/v2/users")),
            ("/v1/=/v2/", "/v10", None),
            ("/v1=/v2", "/v10", Some("/v20")),
            ("/a=/b", "/x/a", None),
            ("/a=/b=c", "/a", Some("/b=c")),
            ("~^/api=", "/api/x", Some("/x")),
            ("~^/api=", "/api", Some("/")),
            ("~a=b", "/aa", Some("/ba")),
            (
                "~^/(?<who>[^/]+)/(.*)=/$2/${who}",
                "/me/x/y",
                Some("/x/y/me"),
            ),
            ("~^/(a)=/$1x$$", "/a", Some("/ax$")),
            ("~(a)|b=<$1>", "/b", Some("/<>")),
            ("~^.*$=x", "", Some("/x")),
        ] {
            assert_eq!(
                rewritten(rule, path).as_deref(),
                expected,
                "{rule} on {path}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        let rule: PathRewrite = "~^/(.)/=/$1-".parse().unwrap();
        assert_eq!(rule.apply(b"/\xff/\xfe").unwrap(), b"/\xff-\xfe");
    }

    #[test]
    fn what_would_break_the_request_line_is_refused() {
        for bad in [
            "",
            "/a",
            "a=/b",
            "/a=b",
            "=/b",
            "/a=/b c",
            "/a=/b\r\n",
            "/a=/b?c",
            "/a=/b#c",
            "~=/x",
            "~(=/x",
            "~a=$1",
            "~(a)=$2",
            "~(a)=$x",
            "~(a)=${x}",
            "~(a)=${1",
            "~(a)=$",
            "~a=\0",
        ] {
            let error = bad.parse::<PathRewrite>().unwrap_err().to_string();
            assert!(error.contains("accepted: /FROM=/TO"), "{bad:?}: {error}");
        }
    }
}
