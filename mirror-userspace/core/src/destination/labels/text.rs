//! Label selectors as kubectl's `--selector` has them.
//!
//! ```text
//! selector    = "" | requirement *( "," requirement )
//! requirement = KEY [ ("=" | "==" | "!=") VALUE | ("in" | "notin") "(" VALUE *( "," VALUE ) ")" ]
//!             | "!" KEY
//! ```
//!
//! As in Kubernetes (apimachinery `pkg/labels/selector.go`), spaces may separate tokens, a value may be
//! empty, and `in` and `notin` are also valid keys and values. `KEY>NUMBER` and `KEY<NUMBER` are refused:
//! no document that podmirror reads has them.

use std::{fmt, str::FromStr};

use super::{Condition, LabelSelector, Requirement};
use crate::{
    destination::kubernetes_name::{is_label_key, is_label_value},
    value::BadValue,
};

const ACCEPTED: &str = "KEY=VALUE, KEY!=VALUE, KEY in (VALUE,…), KEY notin (VALUE,…), KEY, !KEY, \
                        with commas between";

impl FromStr for LabelSelector {
    type Err = BadValue;

    /// Reads kubectl's form; the empty text selects everything.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let mut scanner = Scanner { rest: text };
        scanner.selector().map_err(|problem| {
            BadValue::new(text, format!("is no label selector: {problem}"), ACCEPTED)
        })
    }
}

/// What is left to read.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn selector(&mut self) -> Result<LabelSelector, String> {
        let mut selector = LabelSelector::default();
        if self.is_at_end() {
            return Ok(selector);
        }
        loop {
            selector.requirements.push(self.requirement()?);
            if self.is_at_end() {
                return Ok(selector);
            }
            self.expect(",")?;
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.take("!");
        let key = self.word();
        if !is_label_key(key) {
            return Err(format!("\"{key}\" is no label's key"));
        }
        let condition = if absent {
            Condition::DoesNotExist
        } else {
            self.condition()?
        };
        Ok(Requirement {
            key: key.to_owned(),
            condition,
        })
    }

    fn condition(&mut self) -> Result<Condition, String> {
        if self.take("!=") {
            return Ok(Condition::NotIn(vec![self.value()?]));
        }
        if self.take("==") || self.take("=") {
            return Ok(Condition::In(vec![self.value()?]));
        }
        match self.word() {
            "" => Ok(Condition::Exists),
            "in" => Ok(Condition::In(self.values()?)),
            "notin" => Ok(Condition::NotIn(self.values()?)),
            other => Err(format!("\"{other}\" stands after a key")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        self.expect("(")?;
        let mut values = vec![self.value()?];
        while !self.take(")") {
            self.expect(",")?;
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<String, String> {
        let value = self.word();
        if is_label_value(value) {
            Ok(value.to_owned())
        } else {
            Err(format!("\"{value}\" is no label's value"))
        }
    }

    /// The text up to the next space or token, possibly empty.
    fn word(&mut self) -> &'a str {
        self.skip_spaces();
        let ends = |c: char| c.is_ascii_whitespace() || "=!(),<>".contains(c);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_spaces();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) {
            return Ok(());
        }
        Err(match self.rest.chars().next() {
            Some(found) => format!("'{found}' stands where '{token}' should"),
            None => format!("'{token}' is missing at the end"),
        })
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_spaces();
        self.rest.is_empty()
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

impl fmt::Display for LabelSelector {
    /// kubectl's form, without spaces where none are needed. It reads back as the same selector,
    /// if each condition has the values that Kubernetes asks for: at least one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.condition {
            Condition::In(values) => match values.as_slice() {
                [value] => write!(f, "{key}={value}"),
                values => write!(f, "{key} in ({})", values.join(",")),
            },
            Condition::NotIn(values) => match values.as_slice() {
                [value] => write!(f, "{key}!={value}"),
                values => write!(f, "{key} notin ({})", values.join(",")),
            },
            Condition::Exists => f.write_str(key),
            Condition::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Labels;

    fn one_of(values: &[&str]) -> Condition {
        Condition::In(values.iter().map(ToString::to_string).collect())
    }

    fn none_of(values: &[&str]) -> Condition {
        Condition::NotIn(values.iter().map(ToString::to_string).collect())
    }

    fn selector(requirements: &[(&str, Condition)]) -> LabelSelector {
        let requirements = requirements.iter().map(|(key, condition)| Requirement {
            key: (*key).to_owned(),
            condition: condition.clone(),
        });
        LabelSelector {
            requirements: requirements.collect(),
        }
    }

    #[test]
    fn selectors_are_read_as_kubectl_does() {
        use Condition::{DoesNotExist, Exists};
        for (text, shown, want) in [
            ("", "", selector(&[])),
            ("  ", "", selector(&[])),
            ("a", "a", selector(&[("a", Exists)])),
            ("!a", "!a", selector(&[("a", DoesNotExist)])),
            (" ! a ", "!a", selector(&[("a", DoesNotExist)])),
            ("a=b", "a=b", selector(&[("a", one_of(&["b"]))])),
            ("k==l", "k=l", selector(&[("k", one_of(&["l"]))])),
            ("a = b", "a=b", selector(&[("a", one_of(&["b"]))])),
            ("a=", "a=", selector(&[("a", one_of(&[""]))])),
            ("a!=", "a!=", selector(&[("a", none_of(&[""]))])),
            ("c!=d", "c!=d", selector(&[("c", none_of(&["d"]))])),
            (
                "e in(f,g)",
                "e in (f,g)",
                selector(&[("e", one_of(&["f", "g"]))]),
            ),
            (
                "e in ( f , g )",
                "e in (f,g)",
                selector(&[("e", one_of(&["f", "g"]))]),
            ),
            ("i notin (j)", "i!=j", selector(&[("i", none_of(&["j"]))])),
            (
                "i notin (j,)",
                "i notin (j,)",
                selector(&[("i", none_of(&["j", ""]))]),
            ),
            ("x in ()", "x=", selector(&[("x", one_of(&[""]))])),
            (
                "x in (,)",
                "x in (,)",
                selector(&[("x", one_of(&["", ""]))]),
            ),
            (
                "in in (in,notin)",
                "in in (in,notin)",
                selector(&[("in", one_of(&["in", "notin"]))]),
            ),
            ("in", "in", selector(&[("in", Exists)])),
            (
                "notin=in",
                "notin=in",
                selector(&[("notin", one_of(&["in"]))]),
            ),
            (
                "a=b,a!=c",
                "a=b,a!=c",
                selector(&[("a", one_of(&["b"])), ("a", none_of(&["c"]))]),
            ),
            (
                "a=b,c!=d,e in (f,g),!h,i notin (j), k==l ,m",
                "a=b,c!=d,e in (f,g),!h,i!=j,k=l,m",
                selector(&[
                    ("a", one_of(&["b"])),
                    ("c", none_of(&["d"])),
                    ("e", one_of(&["f", "g"])),
                    ("h", DoesNotExist),
                    ("i", none_of(&["j"])),
                    ("k", one_of(&["l"])),
                    ("m", Exists),
                ]),
            ),
            (
                "app.kubernetes.io/name=Web_1.2-x",
                "app.kubernetes.io/name=Web_1.2-x",
                selector(&[("app.kubernetes.io/name", one_of(&["Web_1.2-x"]))]),
            ),
        ] {
            let read: LabelSelector = text.parse().unwrap();
            assert_eq!(read, want, "{text:?}");
            assert_eq!(read.to_string(), shown, "{text:?}");
            assert_eq!(shown.parse(), Ok(read), "what is shown reads back");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for (bad, problem) in [
            (",", "\"\" is no label's key"),
            ("a,", "\"\" is no label's key"),
            (",a", "\"\" is no label's key"),
            ("a,,b", "\"\" is no label's key"),
            ("!", "\"\" is no label's key"),
            ("!!a", "\"\" is no label's key"),
            ("=a", "\"\" is no label's key"),
            ("a b", "\"b\" stands after a key"),
            ("a IN (b)", "\"IN\" stands after a key"),
            ("!a=b", "'=' stands where ',' should"),
            ("a=b=c", "'=' stands where ',' should"),
            ("a===b", "'=' stands where ',' should"),
            ("a=!b", "'!' stands where ',' should"),
            ("a=b c", "'c' stands where ',' should"),
            ("a in b", "'b' stands where '(' should"),
            ("a in", "'(' is missing at the end"),
            ("a in (b", "',' is missing at the end"),
            ("a in (b,", "',' is missing at the end"),
            ("a in (b c)", "'c' stands where ',' should"),
            ("a in ((b))", "'(' stands where ',' should"),
            ("a in (b))", "')' stands where ',' should"),
            ("a=(b)", "'(' stands where ',' should"),
            ("a>1", "'>' stands where ',' should"),
            ("a<1", "'<' stands where ',' should"),
            ("a=b;c", "\"b;c\" is no label's value"),
            ("a=b:80", "\"b:80\" is no label's value"),
            ("a=-b", "\"-b\" is no label's value"),
            ("a_=b", "\"a_\" is no label's key"),
            ("A/b", "\"A/b\" is no label's key"),
            ("ä=b", "\"ä\" is no label's key"),
            ("a=\u{a0}b", "is no label's value"),
        ] {
            let error = bad.parse::<LabelSelector>().unwrap_err().to_string();
            assert!(error.contains("is no label selector: "), "{bad}: {error}");
            assert!(error.contains(problem), "{bad}: {error}");
            assert!(error.contains("accepted: KEY=VALUE, "), "{error}");
        }
    }

    #[test]
    fn what_is_read_selects() {
        let labels: Labels = [("app", "web"), ("version", "v2"), ("empty", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        for (text, selects) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("other", false),
            ("!other", true),
            ("app=web,version==v2", true),
            ("app=web,version=v1", false),
            ("version in (v1,v2)", true),
            ("version notin (v1,v3)", true),
            ("version notin (v1,v2)", false),
            ("other notin (x)", true),
            ("other!=x", true),
            ("other=", false),
            ("empty=", true),
            ("empty!=", false),
            ("app in ()", false),
        ] {
            let selector: LabelSelector = text.parse().unwrap();
            assert_eq!(selector.selects(&labels), selects, "{text:?}");
        }
    }
}
