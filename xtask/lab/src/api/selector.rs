//! Label and field selectors, as the API's query parameters have them.

use serde_json::Value;

use super::request::Request;

/// Whether an object is one of those that the request asks for.
pub(super) fn selects(request: &Request, object: &Value) -> bool {
    let labels = request.parameter("labelSelector").unwrap_or_default();
    let fields = request.parameter("fieldSelector").unwrap_or_default();
    requirements(labels)
        .iter()
        .all(|one| label_holds(one, object))
        && requirements(fields)
            .iter()
            .all(|one| field_holds(one, object))
}

/// Splits at the commas that are not in parentheses.
fn requirements(selector: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = selector.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn label_holds(requirement: &str, object: &Value) -> bool {
    let labels = object.pointer("/metadata/labels");
    let label = |key: &str| labels?.get(key.trim())?.as_str();
    let among = |key: &str, values: &str| {
        let mut values = values.trim().trim_matches(['(', ')']).split(',');
        label(key).is_some_and(|label| values.any(|value| value.trim() == label))
    };
    if let Some((key, values)) = requirement.split_once(" notin ") {
        !among(key, values)
    } else if let Some((key, values)) = requirement.split_once(" in ") {
        among(key, values)
    } else if let Some((key, value)) = requirement.split_once("!=") {
        label(key) != Some(value.trim())
    } else if let Some((key, value)) = requirement.split_once('=') {
        label(key) == Some(value.trim_start_matches('=').trim())
    } else if let Some(key) = requirement.strip_prefix('!') {
        label(key).is_none()
    } else {
        label(requirement).is_some()
    }
}

/// `spec.nodeName=n1`, with any path.
fn field_holds(requirement: &str, object: &Value) -> bool {
    let (path, value, wanted) = match requirement.split_once("!=") {
        Some((path, value)) => (path, value, false),
        None => match requirement.split_once('=') {
            Some((path, value)) => (path, value.trim_start_matches('='), true),
            None => return false,
        },
    };
    let pointer = format!("/{}", path.replace('.', "/"));
    let found = object.pointer(&pointer).and_then(Value::as_str);
    (found.unwrap_or_default() == value) == wanted
}
