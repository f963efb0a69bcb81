//! Field names and values that are safe to write into a head (RFC 9110 section 5).

use std::{fmt, str::FromStr};

use crate::http::grammar::is_tchar;
use crate::value::BadValue;

/// Fields that say where a message ends or belong to one connection only (RFC 9112 sections 6
/// and 9, RFC 9110 section 7.6.1): touching one would change what the target reads.
const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The field that marks a mirrored request, so that no mirror copies it again.
pub const MIRRORED_BY: &str = "x-mirrored-by";
/// Who mirrored it: the value of [`MIRRORED_BY`].
pub const MIRROR_NAME: &str = "podmirror";

pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// A field name, spelled as it was configured. Comparisons ignore ASCII case.
#[derive(Clone, Debug)]
pub struct FieldName(String);

impl FieldName {
    /// The name as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a field line of this name is meant.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        self.0.as_bytes().eq_ignore_ascii_case(name)
    }
}

impl PartialEq for FieldName {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for FieldName {}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FieldName {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if is_token(text) {
            return Ok(Self(text.to_owned()));
        }
        let accepted = "a header name: letters, digits and !#$%&'*+-.^_`|~";
        Err(BadValue::new(text, "is no header name", accepted))
    }
}

/// The name of a field that may be changed: not one that frames the message, routes it, or guards
/// against loops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutableField(FieldName);

impl MutableField {
    /// The name of the field.
    #[must_use]
    pub const fn name(&self) -> &FieldName {
        &self.0
    }
}

impl FromStr for MutableField {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let name: FieldName = text.parse()?;
        let is = |other: &str| text.eq_ignore_ascii_case(other);
        let problem = if FRAMING.into_iter().any(is) {
            "frames the request and cannot be changed"
        } else if is("host") {
            "names the host, which --set-host and --host-suffix change"
        } else if is(MIRRORED_BY) {
            "guards against mirroring a mirrored request and cannot be changed"
        } else {
            return Ok(Self(name));
        };
        let accepted = "a header that neither frames the request nor names its host";
        Err(BadValue::new(text, problem, accepted))
    }
}

/// A field line to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetField {
    field: MutableField,
    value: String,
}

impl SetField {
    /// The name of the field.
    #[must_use]
    pub const fn name(&self) -> &FieldName {
        self.field.name()
    }

    /// The value, without white space around it.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for SetField {
    type Err = BadValue;

    /// Reads `NAME: VALUE` or `NAME=VALUE`: neither `:` nor `=` can be part of a name.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let refuse = |problem| {
            let accepted = "\"NAME: VALUE\" or NAME=VALUE, the value on one line";
            BadValue::new(text, problem, accepted)
        };
        let (name, value) = text
            .split_once([':', '='])
            .ok_or_else(|| refuse("has no value"))?;
        // RFC 9110 section 5.5: visible characters, obs-text, spaces and tabs.
        if value
            .bytes()
            .any(|byte| byte != b'\t' && byte.is_ascii_control())
        {
            return Err(refuse("has a control character in its value"));
        }
        Ok(Self {
            field: name.parse()?,
            value: value.trim_matches([' ', '\t']).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens_and_compare_without_case() {
        let name: FieldName = "X-Request-Id".parse().unwrap();
        assert!(name.matches(b"x-request-id"));
        assert!(!name.matches(b"x-request-i"));
        for bad in ["", "a b", "a:", "naïve", "a\r", "(x)"] {
            let error = bad.parse::<FieldName>().unwrap_err().to_string();
            assert!(error.contains("is no header name; accepted: "), "{error}");
        }
    }

    #[test]
    fn framing_routing_and_the_loop_guard_stay_as_they_are() {
        let guarded = ["Host", "HOST", "X-Mirrored-By"];
        for name in FRAMING.into_iter().chain(guarded) {
            assert!(name.parse::<MutableField>().is_err(), "{name}");
            assert!(
                name.to_uppercase().parse::<MutableField>().is_err(),
                "{name}"
            );
            assert!(format!("{name}: 1").parse::<SetField>().is_err(), "{name}");
        }
        assert!("x-content-length".parse::<MutableField>().is_ok());
    }

    #[test]
    fn a_field_line_has_two_spellings() {
        for (text, name, value) in [
            ("X-Env: shadow", "X-Env", "shadow"),
            ("X-Env=shadow", "X-Env", "shadow"),
            ("X-Env:a=b:c", "X-Env", "a=b:c"),
            ("X-Env=a:b", "X-Env", "a:b"),
            ("X-Env:", "X-Env", ""),
            ("X-Env= \tgrün\t", "X-Env", "grün"),
        ] {
            let set: SetField = text.parse().unwrap();
            assert_eq!((set.name().as_str(), set.value()), (name, value), "{text}");
        }
        for bad in [
            "",
            "X-Env",
            "X Env: 1",
            ": 1",
            "X: a\r\nY: b",
            "X: a\nb",
            "X: \0",
            "X: \x7f",
        ] {
            assert!(bad.parse::<SetField>().is_err(), "{bad:?}");
        }
    }
}
