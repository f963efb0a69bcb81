//! Text to documents: YAML with several documents in it, which JSON is a part of.
//!
//! The text may come from strangers. Its length is bounded before it is parsed, nesting, nodes and
//! aliases while it is; a key that is there twice is refused, as two readers could disagree on it.
//! Words are what kubectl takes them for (YAML 1.1): `yes` is true, `version: on` is no label.

use std::sync::Arc;

use serde_json::Value;

use super::{At, ConfigError};

/// The longest text that is read, 4 MiB: an object in the API is 1.5 MiB at most.
pub const MAX_TEXT: usize = 4 << 20;
const MAX_DEPTH: usize = 48;
const MAX_DOCUMENTS: usize = 1_000;
const MAX_NODES: usize = 200_000;
/// Of what aliases stand for: room for a few repeated blocks, none for a bomb.
const MAX_ALIASED_NODES: usize = 20_000;

/// A document, wherever it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it comes from, for people: `web.yaml, document 2`, or the watch that told of it.
    pub origin: String,
    /// The parsed document.
    pub value: Arc<Value>,
}

/// Takes a file's text apart. `origin` is its name for people. Empty documents are left out; a
/// `List`, as `kubectl get -o yaml` writes it, stands for its items.
///
/// # Errors
/// If it is too long, no YAML, or beyond the bounds of depth, nodes and aliases.
pub fn parse(origin: &str, text: &str) -> Result<Vec<Document>, ConfigError> {
    let refuse = |problem: String| ConfigError {
        at: At {
            document: origin.to_owned(),
            ..At::default()
        },
        problem,
    };
    if text.len() > MAX_TEXT {
        let problem = format!("is longer than {} MiB", MAX_TEXT >> 20);
        return Err(refuse(problem));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: MAX_DOCUMENTS,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_total_scalar_bytes: MAX_TEXT,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ALIASED_NODES,
            max_replay_stack_depth: 8,
        },
        with_snippet: false,
    };
    let values: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| refuse(one_line(&error.to_string())))?;
    let only = values.len() == 1;
    let mut documents = Vec::new();
    for (number, value) in values.into_iter().enumerate() {
        let origin = if only {
            origin.to_owned()
        } else {
            format!("{origin}, document {}", number + 1)
        };
        match into_items(value) {
            Ok(items) => documents.extend(items.into_iter().enumerate().map(|(item, value)| {
                let origin = format!("{origin}, items[{item}]");
                let value = Arc::new(value);
                Document { origin, value }
            })),
            Err(value) => documents.push(Document {
                origin,
                value: Arc::new(value),
            }),
        }
    }
    Ok(documents)
}

/// The items of a list; what is none comes back.
fn into_items(mut value: Value) -> Result<Vec<Value>, Value> {
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items") {
        Some(Value::Array(items)) if is_list => Ok(std::mem::take(items)),
        _ => Err(value),
    }
}

fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse("web.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_text_has_several_documents_and_lists_have_items() {
        let documents = parse(
            "web.yaml",
            "---\na: 1\n---\n# nothing\n---\nkind: PodList\nitems: [{b: 2}, {c: 3}]\n",
        )
        .unwrap();
        let said: Vec<_> = documents
            .iter()
            .map(|document| format!("{}: {}", document.origin, document.value))
            .collect();
        assert_eq!(
            said,
            [
                "web.yaml, document 1: {\"a\":1}",
                "web.yaml, document 2, items[0]: {\"b\":2}",
                "web.yaml, document 2, items[1]: {\"c\":3}",
            ]
        );
        let json = parse("web.json", "{\"kind\": \"X\", \"items\": [1]}").unwrap();
        assert_eq!(json[0].origin, "web.json");
        assert_eq!(parse("empty.yaml", "").unwrap(), []);
    }

    #[test]
    fn what_is_no_yaml_is_refused_in_one_line() {
        for bad in ["a: [", "a: 1\na: 2", "{", "a: *b", "\u{0}", "a: .nan"] {
            let error = refused(bad);
            assert!(error.starts_with("web.yaml: "), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let deep = "[".repeat(1_000) + &"]".repeat(1_000);
        assert!(parse("x", &deep).is_err(), "nesting");
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}", level - 1);
            let list = [below.as_str(); 10].join(", ");
            laughs += &format!("a{level}: &a{level} [{list}]\n");
        }
        assert!(parse("x", &laughs).is_err(), "aliases");
        assert!(parse("x", &"---\na: 1\n".repeat(MAX_DOCUMENTS + 1)).is_err());
        assert!(parse("x", &"- 1\n".repeat(MAX_NODES + 1)).is_err());
        assert!(refused(&" ".repeat(MAX_TEXT + 1)).ends_with("is longer than 4 MiB"));
    }
}
