//! What of replies is compared, and how: plain data, the same for every shard.

use std::{collections::BTreeSet, str::FromStr};

use mirror_core::{
    budget::{Budget, Pool},
    policy::FieldName,
    value::{BadValue, Rate},
    verdict::Bounds,
};

/// Fields that differ by themselves, or say how and not what is answered.
const IGNORED: &str = "age alt-svc b3 cf-ray connection content-length correlation-id date etag expires keep-alive \
    last-modified nel proxy-connection report-to request-id server server-timing set-cookie trace-id \
    traceparent tracestate transfer-encoding via x-amz-cf-id x-amz-id-2 x-amz-request-id x-amzn-requestid \
    x-amzn-trace-id x-b3-parentspanid x-b3-sampled x-b3-spanid x-b3-traceid x-cache x-cloud-trace-context \
    x-correlation-id x-datadog-parent-id x-datadog-trace-id x-envoy-upstream-service-time x-request-id \
    x-response-time x-runtime x-served-by x-timer x-trace-id";

/// What of replies is compared, and how.
#[derive(Clone, Debug)]
pub struct ContentRules {
    /// The share of requests whose replies are compared. Default: a tenth.
    pub rate: Rate,
    /// Most bytes that are kept of a body, as sent; of longer ones their size and a hash are compared. With
    /// 0, bodies are not compared. Default: 64 KiB.
    pub body: usize,
    /// Most bytes of all replies that wait to be compared. Default: 16 MiB.
    pub memory: usize,
    /// What that memory is taken from, if others take theirs from there, too. Default: nothing.
    pub pool: Option<Pool>,
    /// How much is counted, of how many requests at once. Default: [`Bounds`]' own.
    pub bounds: Bounds,
    /// Names of header fields that are not compared, beside those that differ by themselves (`date`,
    /// `set-cookie`, ids of requests and traces, and so on). Default: none.
    pub ignored_headers: Vec<FieldName>,
    /// What is not compared in JSON. Default: nothing.
    pub ignored_json: Vec<JsonPath>,
    /// Arrays whose order does not matter. Default: none.
    pub unordered: Vec<JsonPath>,
    /// By how much numbers in JSON may differ, relative to the larger one. Default: 0.
    pub tolerance: f64,
    /// How many of the last differences are kept with their values. Default: 0.
    pub keep: usize,
    /// Names of fields, in heads and in JSON, whose values are not kept. Default: none.
    pub redacted: Vec<FieldName>,
}

impl Default for ContentRules {
    fn default() -> Self {
        Self {
            rate: Rate::from_fraction(1, 10).unwrap_or(Rate::ALL),
            body: 64 << 10,
            memory: 16 << 20,
            pool: None,
            bounds: Bounds::default(),
            ignored_headers: Vec::new(),
            ignored_json: Vec::new(),
            unordered: Vec::new(),
            tolerance: 0.0,
            keep: 0,
            redacted: Vec::new(),
        }
    }
}

impl ContentRules {
    /// Where the memory of replies comes from.
    pub(super) fn budget(&self) -> Budget {
        match &self.pool {
            Some(pool) => Budget::of_pool(self.memory, pool.clone()),
            None => Budget::new(self.memory),
        }
    }

    /// The names of header fields that are not compared.
    pub(super) fn ignored(&self) -> BTreeSet<String> {
        let own = self.ignored_headers.iter();
        let own = own.map(|name| name.as_str().to_ascii_lowercase());
        own.chain(IGNORED.split_whitespace().map(str::to_owned))
            .collect()
    }

    /// Whether values of this name are not shown.
    pub(super) fn is_redacted(&self, name: &str) -> bool {
        let mut redacted = self.redacted.iter();
        redacted.any(|it| it.matches(name.as_bytes()))
    }
}

/// A path in a JSON document, as differences are named by: `$.items[].price`. `[]` is any element of an
/// array, `*` any member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<String>);

/// What stands for any element of an array.
pub(super) const ELEMENT: &str = "[]";

impl JsonPath {
    pub(super) fn matches(&self, path: &[String]) -> bool {
        let pairs = self.0.iter().zip(path);
        let mut same =
            pairs.map(|(wanted, name)| wanted == name || (wanted == "*" && name != ELEMENT));
        self.0.len() == path.len() && same.all(|same| same)
    }
}

impl FromStr for JsonPath {
    type Err = BadValue;

    /// Reads `$.items[].price`; the `$` may be left out.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let refuse = |why| {
            let accepted = "$.name, $.name.other, $.names[].name, $.*.name";
            BadValue::new(text, why, accepted)
        };
        let path = text.strip_prefix('$').unwrap_or(text);
        let mut names = Vec::new();
        for part in path.strip_prefix('.').unwrap_or(path).split('.') {
            let name = part.trim_end_matches(ELEMENT);
            let elements = (part.len() - name.len()) / ELEMENT.len();
            if name.contains(['[', ']']) {
                return Err(refuse("has brackets that are not []"));
            }
            if !name.is_empty() {
                names.push(name.to_owned());
            } else if elements == 0 || !names.is_empty() {
                return Err(refuse("has a part without a name"));
            }
            names.extend((0..elements).map(|_| ELEMENT.to_owned()));
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_differences_are_named() {
        for (text, path, is_it) in [
            ("$.items[].price", &["items", "[]", "price"][..], true),
            ("items[].price", &["items", "[]", "price"], true),
            ("$.items[].price", &["items", "[]"], false),
            ("$[].id", &["[]", "id"], true),
            ("$[][]", &["[]", "[]"], true),
            ("$.*.at", &["user", "at"], true),
            ("$.*.at", &["[]", "at"], false),
            ("$.a", &["a", "b"], false),
        ] {
            let read: JsonPath = text.parse().unwrap();
            let path: Vec<_> = path.iter().map(ToString::to_string).collect();
            assert_eq!(read.matches(&path), is_it, "{text} {path:?}");
        }
        for text in ["", "$", "$.", "$.a..b", "$.a[0]", "$.a.[]"] {
            assert!(text.parse::<JsonPath>().is_err(), "{text}");
        }
    }
}
