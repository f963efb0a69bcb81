//! `HTTPMatchRequest`: what a request has to be.

use std::sync::Arc;

use mirror_core::policy::{Case, Condition, Expectation, Part, RequestMatch, TextMatch};

use super::string_match;
use crate::config::{
    draft::{Candidate, Certainty, Draft},
    error::BadField,
    node::{Fields, Node},
};

const UNSEEN: &str =
    "a request does not show it; what meets the rest of this match is not mirrored";

/// Reads one match of a document that is bound to these gateways.
pub(super) fn read<'a>(
    node: &Node<'a>,
    gateways: &[&str],
    draft: &mut Draft<'a>,
) -> Result<Candidate, BadField> {
    let mut fields = node.fields()?;
    let mut conditions = Vec::new();
    let ignore_case = fields.take("ignoreUriCase");
    let path_case = match ignore_case.map(|node| node.bool()).transpose()? {
        Some(true) => Case::Ignored,
        Some(false) | None => Case::Counts,
    };
    for (name, part, case) in [
        ("uri", Part::Path, path_case),
        ("method", Part::Method, Case::Counts),
        ("authority", Part::Authority, Case::Counts),
    ] {
        if let Some(node) = fields.take(name) {
            let text = string_match::read(&node, case, draft)?;
            if text != TextMatch::Present {
                conditions.push(holds(part, text));
            }
        }
    }
    let mut certainty = Certainty::Certain;
    for (name, expected) in [
        ("headers", Expectation::Holds),
        ("withoutHeaders", Expectation::Fails),
    ] {
        let Some(map) = fields.take(name) else {
            continue;
        };
        for (key, node) in map.entries()? {
            let text = string_match::read(&node, Case::Counts, draft)?;
            match header(key, &node)? {
                Header::Part(part) => conditions.push(Condition {
                    part,
                    text,
                    expected,
                }),
                Header::Ignored => node.ignore("Istio ignores it: it has a field of its own"),
                Header::Unseen => {
                    node.ignore(UNSEEN);
                    certainty = Certainty::Unknown;
                }
            }
        }
    }
    if let Some(map) = fields.take("queryParams") {
        for (key, node) in map.entries()? {
            let text = string_match::read(&node, Case::Counts, draft)?;
            conditions.push(holds(Part::Query(key.to_owned()), text));
        }
    }
    let port = fields.take("port").map(|node| node.port()).transpose()?;
    if asks_for_the_unseen(&mut fields, gateways)? {
        certainty = Certainty::Unknown;
    }
    fields.take("name");
    fields.finish();
    Ok(Candidate {
        requests: Arc::new(RequestMatch { conditions }),
        port,
        certainty,
        route: draft.next_route(),
    })
}

const fn holds(part: Part, text: TextMatch) -> Condition {
    Condition {
        part,
        text,
        expected: Expectation::Holds,
    }
}

/// What a key of `headers` stands for.
enum Header {
    Part(Part),
    Ignored,
    Unseen,
}

fn header(key: &str, node: &Node<'_>) -> Result<Header, BadField> {
    Ok(match key {
        "uri" | "scheme" | "method" | "authority" => Header::Ignored,
        ":method" => Header::Part(Part::Method),
        ":authority" => Header::Part(Part::Authority),
        pseudo if pseudo.starts_with(':') => Header::Unseen,
        name => Header::Part(Part::Field(name.parse().map_err(|bad| node.bad(bad))?)),
    })
}

/// Takes what a request does not show; says whether any of it matters.
fn asks_for_the_unseen(fields: &mut Fields<'_>, gateways: &[&str]) -> Result<bool, BadField> {
    let mut unseen = false;
    for name in ["scheme", "sourceLabels", "sourceNamespace"] {
        if let Some(node) = fields.take(name) {
            node.ignore(UNSEEN);
            unseen = true;
        }
    }
    if let Some(node) = fields.take("gateways") {
        let own = node.strings()?;
        // All gateways that the document is bound to: no choice among them.
        if !gateways.iter().all(|gateway| own.contains(gateway)) {
            node.ignore(UNSEEN);
            unseen = true;
        }
    }
    Ok(unseen)
}
