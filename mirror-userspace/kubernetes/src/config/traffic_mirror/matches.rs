//! Which requests are mirrored: those that no `deny` holds for, and one of `allow` if there are any.

use std::sync::Arc;

use mirror_core::policy::{
    Case, Condition, Expectation, Part, RequestMatch, RouteStep, RouteTable, TextMatch, Verdict,
};

use super::bounded;
use crate::config::{
    draft::Draft,
    error::BadField,
    node::{Fields, Node},
};

/// Most conditions of each kind in one match.
const MAX_MATCHES: usize = 64;
/// On headers or query parameters, of one match.
const MAX_CONDITIONS: usize = 16;

/// Reads the filters; `None` if they let every request through.
pub(super) fn read(node: &Node<'_>, draft: &mut Draft<'_>) -> Result<Option<RouteTable>, BadField> {
    let mut fields = node.fields()?;
    let deny = fields.take("deny");
    let allow = fields.take("allow");
    fields.finish();
    let mut steps = Vec::new();
    for (list, verdict) in [(&deny, Verdict::Leave), (&allow, Verdict::Mirror)] {
        let Some(list) = list else { continue };
        for node in bounded(list, MAX_MATCHES)? {
            let requests = Arc::new(read_match(&node, verdict, draft)?);
            steps.push(RouteStep { requests, verdict });
        }
    }
    let allows = |step: &RouteStep| step.verdict == Verdict::Mirror;
    if !steps.iter().any(allows) {
        steps.push(RouteStep {
            requests: Arc::new(RequestMatch::default()),
            verdict: Verdict::Mirror,
        });
    }
    let table = RouteTable::new(Vec::new(), steps);
    if table.steps().is_empty() {
        node.ignore("no request is left");
    }
    Ok((!table.mirrors_all()).then_some(table))
}

/// What a request has to be, all of it. One that denies holds for a path however it is spelled.
fn read_match(
    node: &Node<'_>,
    verdict: Verdict,
    draft: &mut Draft<'_>,
) -> Result<RequestMatch, BadField> {
    let path = match verdict {
        Verdict::Mirror => Part::Path,
        Verdict::Leave => Part::PathHoweverSpelled,
    };
    let mut fields = node.fields()?;
    let mut conditions = Vec::new();
    for (name, part) in [("method", Part::Method), ("path", path)] {
        if let Some(node) = fields.take(name) {
            let text = read_text(&node, &mut node.fields()?, draft)?;
            conditions.push(holds(part, text));
        }
    }
    for (name, is_header) in [("headers", true), ("queryParams", false)] {
        let Some(list) = fields.take(name) else {
            continue;
        };
        for node in bounded(&list, MAX_CONDITIONS)? {
            let mut fields = node.fields()?;
            let name = fields.need("name")?;
            let part = if is_header {
                Part::Field(name.parse()?)
            } else {
                Part::Query(name.text()?)
            };
            conditions.push(holds(part, read_text(&node, &mut fields, draft)?));
        }
    }
    fields.finish();
    if conditions.is_empty() {
        return Err(node.bad("names none of method, path, headers and queryParams"));
    }
    Ok(RequestMatch { conditions })
}

const fn holds(part: Part, text: TextMatch) -> Condition {
    Condition {
        part,
        text,
        expected: Expectation::Holds,
    }
}

/// One of `exact`, `prefix` and `regex`, or presence.
fn read_text(
    node: &Node<'_>,
    fields: &mut Fields<'_>,
    draft: &mut Draft<'_>,
) -> Result<TextMatch, BadField> {
    let exact = fields.take("exact");
    let prefix = fields.take("prefix");
    let regex = fields.take("regex");
    fields.report_rest();
    Ok(match (exact, prefix, regex) {
        (None, None, None) => TextMatch::Present,
        (Some(text), None, None) => TextMatch::Exact(text.text()?, Case::Counts),
        (None, Some(text), None) => TextMatch::Prefix(text.text()?, Case::Counts),
        (None, None, Some(text)) => TextMatch::Regex(draft.regex(&text)?),
        _ => return Err(node.bad("has more than one of exact, prefix and regex")),
    })
}
