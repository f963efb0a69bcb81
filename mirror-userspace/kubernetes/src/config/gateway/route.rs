//! `HTTPRoute` and `GRPCRoute`: rules with matches, filters and backends.

use std::sync::Arc;

use mirror_core::{destination::Destination, policy::RequestMatch, value::Rate};

use super::{
    backend,
    request_match::{self, Rank},
};
use crate::config::{
    authority::Authority,
    draft::{Candidate, Draft, MirrorDraft, Route},
    error::BadField,
    node::{Fields, Node, Remarks},
    object::{Kind, Object},
    share,
    words::{AS_RECEIVED, NOT_IN_THE_PATH, OFF},
};

/// Reads an HTTPRoute or GRPCRoute.
pub(in crate::config) fn read<'a>(
    object: &'a Object<'a>,
    authority: Authority<'_>,
    mut draft: Draft<'a>,
    remarks: &'a Remarks,
) -> Result<Draft<'a>, BadField> {
    let spec = object.spec(remarks);
    let mut fields = spec.fields()?;
    if object.kind == Kind::GrpcRoute {
        spec.ignore("HTTP/2 is counted, not mirrored; gRPC-Web over HTTP/1 is");
    }
    let in_mesh = read_parents(&mut fields)?;
    let hostnames = fields.list("hostnames")?;
    // A route of a service is for its requests, whatever their host (GEP-1294).
    for node in hostnames.iter().filter(|_| !in_mesh) {
        draft.hosts.push(node.parse()?);
    }
    fields.ignore(
        "useDefaultGateways",
        "requests are mirrored whichever way they come to the pods",
    );
    let reader = Reader { object, authority };
    let mut ranked: Vec<(Rank, Candidate, Node<'a>)> = Vec::new();
    for (number, node) in fields.list("rules")?.into_iter().enumerate() {
        let route = reader.rule(&node, number, &mut draft, &mut ranked)?;
        draft.add_route(route);
    }
    fields.finish();
    ranked.sort_by_key(|(rank, ..)| *rank);
    for (_, candidate, node) in ranked {
        draft.add_match(candidate, &node)?;
    }
    Ok(draft)
}

/// Says whether the route belongs to a service (GAMMA). Through which gateway requests come does not
/// matter, and is reported.
fn read_parents(fields: &mut Fields<'_>) -> Result<bool, BadField> {
    let Some(parents) = fields.take("parentRefs") else {
        return Ok(false);
    };
    let mut in_mesh = false;
    for node in parents.items()? {
        in_mesh |= node.value.get("kind").and_then(|kind| kind.as_str()) == Some("Service");
    }
    parents.ignore("requests are mirrored whichever way they come to the pods");
    Ok(in_mesh)
}

struct Reader<'a, 'r> {
    object: &'a Object<'a>,
    authority: Authority<'r>,
}

impl<'a> Reader<'a, '_> {
    fn rule(
        &self,
        node: &Node<'a>,
        number: usize,
        draft: &mut Draft<'a>,
        ranked: &mut Vec<(Rank, Candidate, Node<'a>)>,
    ) -> Result<Route<'a>, BadField> {
        let mut fields = node.fields()?;
        fields.take("name");
        let matches = fields.list("matches")?;
        let every = matches.is_empty().then(|| node.of_nothing());
        for node in matches.iter().chain(&every) {
            let (rank, requests) = self.request_match(node, draft)?;
            let candidate = Candidate {
                requests: Arc::new(requests),
                route: draft.next_route(),
                ..Candidate::default()
            };
            ranked.push((rank, candidate, node.clone()));
        }
        let mut route = Route {
            name: format!("rules[{number}]"),
            ..Route::default()
        };
        let redirected = self.filters(&mut fields, None, &mut route.mirrors)?;
        for node in fields.list("backendRefs")? {
            self.backend(&node, &mut route)?;
        }
        for name in ["timeouts", "retry", "sessionPersistence"] {
            fields.ignore(name, NOT_IN_THE_PATH);
        }
        fields.finish();
        if redirected {
            route.mirrors.clear();
        }
        if route.sources.is_empty() {
            for mirror in route.mirrors.drain(..) {
                mirror
                    .node
                    .ignore("its requests go nowhere: the rule has no backend to look at");
            }
        }
        Ok(route)
    }

    fn request_match(
        &self,
        node: &Node<'_>,
        draft: &mut Draft<'_>,
    ) -> Result<(Rank, RequestMatch), BadField> {
        match self.object.kind {
            Kind::GrpcRoute => request_match::grpc(node, draft),
            _ => request_match::http(node, draft),
        }
    }

    /// A backend with filters of its own.
    fn backend(&self, node: &Node<'a>, route: &mut Route<'a>) -> Result<(), BadField> {
        let mut fields = node.fields()?;
        let weight = match fields.take("weight") {
            Some(node) => node.integer(0, 1_000_000)?,
            None => 1,
        };
        let backend = backend::read(node, &mut fields, self.object)?;
        let mut mirrors = Vec::new();
        let index = route.sources.len();
        let redirected = self.filters(&mut fields, Some(index), &mut mirrors)?;
        fields.finish();
        let Some(backend) = backend.filter(|_| weight > 0 && !redirected) else {
            return Ok(());
        };
        let backend = match self.authority.source(backend) {
            Ok(backend) => backend,
            Err(denied) => {
                node.refuse(denied);
                return Ok(());
            }
        };
        if route.sources.contains(&backend) {
            node.ignore("is there before; requests to both cannot be told apart");
            return Ok(());
        }
        route.sources.push(backend);
        route.mirrors.extend(mirrors);
        Ok(())
    }

    /// Takes the mirrors among the filters, and says whether requests are answered instead of
    /// forwarded.
    fn filters(
        &self,
        fields: &mut Fields<'a>,
        only: Option<usize>,
        mirrors: &mut Vec<MirrorDraft<'a>>,
    ) -> Result<bool, BadField> {
        let mut redirected = false;
        for node in fields.list("filters")? {
            let mut fields = node.fields()?;
            match fields.need("type")?.str()? {
                "RequestMirror" => {
                    let mirror = self.mirror(&fields.need("requestMirror")?, only)?;
                    mirrors.extend(mirror);
                    fields.finish();
                }
                "RequestRedirect" => {
                    redirected = true;
                    node.ignore("what is redirected never comes to a pod");
                }
                "CORS" | "ExternalAuth" | "ResponseHeaderModifier" => node.ignore(NOT_IN_THE_PATH),
                "URLRewrite" | "RequestHeaderModifier" => node.ignore(AS_RECEIVED),
                _ => node.ignore("not known to podmirror"),
            }
        }
        Ok(redirected)
    }

    fn mirror(
        &self,
        node: &Node<'a>,
        only: Option<usize>,
    ) -> Result<Option<MirrorDraft<'a>>, BadField> {
        let mut fields = node.fields()?;
        let to = fields.need("backendRef")?;
        let share = share::gateway_mirror(&mut fields)?;
        fields.finish();
        let mut fields = to.fields()?;
        let backend = backend::read(&to, &mut fields, self.object)?;
        fields.finish();
        if share == Some(Rate::ZERO) {
            node.ignore(OFF);
            return Ok(None);
        }
        let Some(backend) = backend else {
            return Ok(None);
        };
        match self.authority.target(Destination::from(backend)) {
            Ok(checked) => Ok(Some(MirrorDraft {
                to: checked,
                sample: share,
                only,
                node: to,
            })),
            Err(denied) => {
                to.refuse(denied);
                Ok(None)
            }
        }
    }
}
