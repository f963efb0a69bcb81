//! `HTTPRouteMatch` and `GRPCRouteMatch`: what a request has to be, and which match comes first.

use std::cmp::Reverse;

use mirror_core::policy::{Case, Condition, Expectation, Part, RequestMatch, TextMatch};

use crate::config::{
    draft::Draft,
    error::BadField,
    node::{Fields, Node},
};

/// What decides between matches that hold for the same request, the lowest first. The specification
/// leaves the place of regular expressions open; here it is between exact paths and prefixes, as in
/// Envoy Gateway. What is equal keeps the order of the document.
pub(super) type Rank = (PathRank, Reverse<(bool, usize, usize)>);

/// More characters come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathRank {
    Exact(Reverse<usize>),
    Regex,
    Prefix(Reverse<usize>),
}

/// Reads a match of an `HTTPRoute`.
pub(super) fn http(
    node: &Node<'_>,
    draft: &mut Draft<'_>,
) -> Result<(Rank, RequestMatch), BadField> {
    let mut fields = node.fields()?;
    let (path_rank, path) = match fields.take("path") {
        Some(node) => read_path(&node, draft)?,
        None => (PathRank::Prefix(Reverse(1)), TextMatch::path_prefix("/")),
    };
    let mut conditions = vec![holds(Part::Path, path)];
    let method = fields.take("method");
    if let Some(node) = &method {
        conditions.push(holds(
            Part::Method,
            TextMatch::Exact(node.text()?, Case::Counts),
        ));
    }
    let headers = read_headers(&mut fields, draft)?;
    let mut queries = Vec::new();
    for node in fields.list("queryParams")? {
        let (name, text) = read_named(&node, draft)?;
        queries.push(holds(Part::Query(name.text()?), text));
    }
    fields.finish();
    let rank = (
        path_rank,
        Reverse((method.is_some(), headers.len(), queries.len())),
    );
    conditions.extend(headers);
    conditions.extend(queries);
    Ok((rank, RequestMatch { conditions }))
}

/// Reads a match of a `GRPCRoute`: a call is a POST to `/SERVICE/METHOD`.
pub(super) fn grpc(
    node: &Node<'_>,
    draft: &mut Draft<'_>,
) -> Result<(Rank, RequestMatch), BadField> {
    let mut fields = node.fields()?;
    let mut conditions = Vec::new();
    let mut path_rank = PathRank::Prefix(Reverse(0));
    if let Some(node) = fields.take("method") {
        let (rank, text) = read_call(&node, draft)?;
        path_rank = rank;
        conditions.push(holds(Part::Path, text));
    }
    let headers = read_headers(&mut fields, draft)?;
    fields.finish();
    let rank = (path_rank, Reverse((false, headers.len(), 0)));
    conditions.extend(headers);
    Ok((rank, RequestMatch { conditions }))
}

const fn holds(part: Part, text: TextMatch) -> Condition {
    Condition {
        part,
        text,
        expected: Expectation::Holds,
    }
}

fn read_path(node: &Node<'_>, draft: &mut Draft<'_>) -> Result<(PathRank, TextMatch), BadField> {
    let mut fields = node.fields()?;
    let kind = fields.take("type");
    let value = fields.take("value");
    fields.finish();
    let text = value.as_ref().map_or(Ok("/"), Node::str)?;
    let len = Reverse(text.chars().count());
    let path = || match (&value, text.starts_with('/')) {
        (Some(node), false) => Err(node.bad("does not start with /")),
        _ => Ok(text),
    };
    match (
        kind.as_ref().map_or(Ok("PathPrefix"), Node::str)?,
        &kind,
        &value,
    ) {
        ("PathPrefix", ..) => Ok((PathRank::Prefix(len), TextMatch::path_prefix(path()?))),
        ("Exact", ..) => Ok((
            PathRank::Exact(len),
            TextMatch::Exact(path()?.to_owned(), Case::Counts),
        )),
        ("RegularExpression", _, Some(node)) => {
            Ok((PathRank::Regex, TextMatch::Regex(draft.regex(node)?)))
        }
        ("RegularExpression", ..) => Err(node.bad("has no value")),
        (_, Some(kind), _) => Err(kind.bad("is none of Exact, PathPrefix and RegularExpression")),
        (_, None, _) => Err(node.bad("has no type")),
    }
}

/// The conditions on field lines. Of several for one name only the first counts.
fn read_headers(
    fields: &mut Fields<'_>,
    draft: &mut Draft<'_>,
) -> Result<Vec<Condition>, BadField> {
    let mut conditions: Vec<Condition> = Vec::new();
    for node in fields.list("headers")? {
        let (name, text) = read_named(&node, draft)?;
        let part = Part::Field(name.parse()?);
        if conditions.iter().any(|condition| condition.part == part) {
            node.ignore("of several matches of one header only the first counts");
        } else {
            conditions.push(holds(part, text));
        }
    }
    Ok(conditions)
}

/// A name and what its value has to be.
fn read_named<'a>(
    node: &Node<'a>,
    draft: &mut Draft<'_>,
) -> Result<(Node<'a>, TextMatch), BadField> {
    let mut fields = node.fields()?;
    let kind = fields.take("type");
    let name = fields.need("name")?;
    let value = fields.need("value")?;
    fields.finish();
    let text = match (kind.as_ref().map_or(Ok("Exact"), Node::str)?, &kind) {
        ("Exact", _) => TextMatch::Exact(value.text()?, Case::Counts),
        ("RegularExpression", _) => TextMatch::Regex(draft.regex(&value)?),
        (_, Some(kind)) => return Err(kind.bad("is neither Exact nor RegularExpression")),
        (_, None) => return Err(node.bad("has no type")),
    };
    Ok((name, text))
}

/// The path of a gRPC method match: by service, by method, or by both.
fn read_call(node: &Node<'_>, draft: &mut Draft<'_>) -> Result<(PathRank, TextMatch), BadField> {
    let mut fields = node.fields()?;
    let kind = fields.take("type");
    let service = fields.take("service");
    let method = fields.take("method");
    fields.finish();
    let service = service.as_ref().map(Node::str).transpose()?;
    let method = method.as_ref().map(Node::str).transpose()?;
    let len = |text: Option<&str>| text.map_or(0, |text| text.chars().count());
    let lens = Reverse(len(service) + len(method));
    let exact = match (kind.as_ref().map_or(Ok("Exact"), Node::str)?, &kind) {
        ("Exact", _) => true,
        ("RegularExpression", _) => false,
        (_, Some(kind)) => return Err(kind.bad("is neither Exact nor RegularExpression")),
        (_, None) => return Err(node.bad("has no type")),
    };
    match (service, method) {
        (None, None) => Err(node.bad("has neither service nor method")),
        (Some(service), Some(method)) if exact => Ok((
            PathRank::Exact(lens),
            TextMatch::Exact(format!("/{service}/{method}"), Case::Counts),
        )),
        (Some(service), None) if exact => Ok((
            PathRank::Prefix(lens),
            TextMatch::Prefix(format!("/{service}/"), Case::Counts),
        )),
        (service, method) => {
            let part = |text: Option<&str>| match text {
                None => "[^/]+".to_owned(),
                Some(text) if exact => regex::escape(text),
                Some(text) => format!("(?:{text})"),
            };
            let pattern = format!("/{}/{}", part(service), part(method));
            let text = TextMatch::Regex(draft.regex_of(&pattern, node)?);
            Ok((PathRank::Regex, text))
        }
    }
}
