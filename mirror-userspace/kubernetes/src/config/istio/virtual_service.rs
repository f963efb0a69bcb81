//! `VirtualService`: its HTTP routes, in order.

use mirror_core::value::Rate;

use super::{
    Subsets,
    destination::{self, Referent},
    host::{Named, resolve},
    request_match,
};
use crate::config::{
    authority::{Authority, Checked},
    draft::{Backend, Candidate, Draft, MirrorDraft, Route},
    error::BadField,
    node::{Fields, Node, Remarks},
    object::Object,
    share,
    words::{AS_RECEIVED, NOT_IN_THE_PATH, OFF},
};

/// Requests from within the mesh, as `gateways` names them.
const MESH: &str = "mesh";

/// Reads a `VirtualService`.
pub(in crate::config) fn read<'a>(
    object: &'a Object<'a>,
    subsets: &Subsets,
    authority: Authority<'_>,
    mut draft: Draft<'a>,
    remarks: &'a Remarks,
) -> Result<Draft<'a>, BadField> {
    let spec = object.spec(remarks);
    let mut fields = spec.fields()?;
    let is_delegate = read_hosts(&mut fields, &object.namespace, &mut draft)?;
    let gateways = fields.take("gateways");
    let bound_to = match &gateways {
        Some(node) => node.strings()?,
        None => vec![MESH],
    };
    if let Some(node) = gateways.filter(|_| bound_to != [MESH]) {
        node.ignore("requests are mirrored whichever way they come to the pods");
    }
    let routes = fields.list("http")?;
    fields.ignore("tls", "what is encrypted cannot be mirrored");
    fields.ignore("tcp", "only HTTP is mirrored");
    fields.ignore(
        "exportTo",
        "podmirror is no mesh: it holds for the pods that it names",
    );
    fields.finish();
    let reader = Reader {
        namespace: &object.namespace,
        subsets,
        authority,
        gateways: bound_to,
    };
    for (number, node) in routes.into_iter().enumerate() {
        let mut route = reader.route(&node, number, &mut draft)?;
        if is_delegate {
            route.mirrors.clear();
        }
        draft.add_route(route);
    }
    Ok(draft)
}

/// Reads the hosts; without any, another document delegates to this one.
///
/// A service's requests are known by the pods that they come to, whatever their `Host`; so hosts
/// only matter where none of them is a service.
fn read_hosts(
    fields: &mut Fields<'_>,
    namespace: &str,
    draft: &mut Draft<'_>,
) -> Result<bool, BadField> {
    let hosts = fields.list("hosts")?;
    if hosts.is_empty() {
        fields.ignore_all("has no hosts; what others delegate to it is not followed");
        return Ok(true);
    }
    let mut any = false;
    for node in hosts {
        if node.str()? == "*" {
            any = true;
        } else if node.str()?.starts_with('*') {
            draft.hosts.push(node.parse()?);
        } else {
            match resolve(&node, namespace)? {
                Named::Service(_) => any = true,
                Named::Other(_) => draft.hosts.push(node.parse()?),
            }
        }
    }
    if any {
        draft.hosts.clear();
    }
    Ok(false)
}

/// What the routes of a document have in common.
struct Reader<'a, 'r> {
    namespace: &'a str,
    subsets: &'r Subsets,
    authority: Authority<'r>,
    gateways: Vec<&'a str>,
}

impl<'a> Reader<'a, '_> {
    fn route(
        &self,
        node: &Node<'a>,
        number: usize,
        draft: &mut Draft<'a>,
    ) -> Result<Route<'a>, BadField> {
        let mut fields = node.fields()?;
        let matches = fields.list("match")?;
        for node in &matches {
            let candidate = request_match::read(node, &self.gateways, draft)?;
            draft.add_match(candidate, node)?;
        }
        if matches.is_empty() {
            let candidate = Candidate {
                route: draft.next_route(),
                ..Candidate::default()
            };
            draft.add_match(candidate, node)?;
        }
        let mut route = Route {
            name: format!("http[{number}]"),
            mirrors: self.mirrors(&mut fields)?,
            sources: Vec::new(),
        };
        for (name, why) in [
            ("redirect", "what is redirected never comes to a pod"),
            (
                "directResponse",
                "what is answered at once never comes to a pod",
            ),
            ("delegate", "routes of other documents are not followed"),
        ] {
            if let Some(node) = fields.take(name) {
                node.ignore(why);
                route.mirrors.clear();
            }
        }
        // Where requests go matters only if they are mirrored.
        match fields.take("route") {
            Some(node) if !route.mirrors.is_empty() => route.sources = self.sources(&node)?,
            Some(_) => {}
            None => {
                for mirror in route.mirrors.drain(..) {
                    mirror
                        .node
                        .ignore("its requests go nowhere: the route has no destination");
                }
            }
        }
        for name in ["rewrite", "headers"] {
            fields.ignore(name, AS_RECEIVED);
        }
        for name in ["timeout", "retries", "fault", "corsPolicy", "rateLimit"] {
            fields.ignore(name, NOT_IN_THE_PATH);
        }
        fields.take("name");
        fields.finish();
        Ok(route)
    }

    /// The pods that the route leads to.
    fn sources(&self, route: &Node<'a>) -> Result<Vec<Checked<Backend>>, BadField> {
        let destinations: Vec<_> = route.items()?.collect();
        let only = destinations.len() == 1;
        let mut sources = Vec::new();
        for node in destinations {
            let mut fields = node.fields()?;
            let place = fields.need("destination")?;
            let weight = fields.take("weight");
            fields.ignore("headers", AS_RECEIVED);
            fields.finish();
            let weight = match &weight {
                Some(node) => node.integer(0, i32::MAX as u64)?,
                None => 0,
            };
            match destination::read(&place, self.namespace, self.subsets)? {
                // The weight of an only destination does not count.
                _ if weight == 0 && !only => {}
                Referent::Pods(backend) => match self.authority.source(backend) {
                    Ok(backend) if sources.contains(&backend) => {}
                    Ok(backend) => sources.push(backend),
                    Err(denied) => place.refuse(denied),
                },
                Referent::Elsewhere(_) => {
                    place.ignore("is no service of the cluster: its pods cannot be told");
                }
                Referent::Unknown => {}
            }
        }
        Ok(sources)
    }

    /// `mirror` with its percentage, or `mirrors`.
    fn mirrors(&self, fields: &mut Fields<'a>) -> Result<Vec<MirrorDraft<'a>>, BadField> {
        let mirror = fields.take("mirror");
        let several = fields.take("mirrors");
        if several.is_some() {
            for name in ["mirrorPercentage", "mirrorPercent", "mirror_percent"] {
                fields.ignore(name, "each of mirrors has a percentage of its own");
            }
        }
        let share = share::istio_mirror(fields)?;
        let mut mirrors = Vec::new();
        if let Some(several) = several {
            if mirror.is_some() {
                return Err(several.bad("and mirror exclude each other"));
            }
            for node in several.items()? {
                let mut fields = node.fields()?;
                let to = fields.need("destination")?;
                let percentage = fields.take("percentage");
                fields.finish();
                let share = percentage
                    .map(|node| share::istio_percent(&node))
                    .transpose()?;
                mirrors.extend(self.mirror(to, share)?);
            }
        }
        if let Some(to) = mirror {
            mirrors.extend(self.mirror(to, share)?);
        }
        Ok(mirrors)
    }

    fn mirror(
        &self,
        node: Node<'a>,
        share: Option<Rate>,
    ) -> Result<Option<MirrorDraft<'a>>, BadField> {
        let place = destination::read(&node, self.namespace, self.subsets)?;
        if share == Some(Rate::ZERO) {
            node.ignore(OFF);
            return Ok(None);
        }
        let Some(destination) = place.into_destination() else {
            return Ok(None);
        };
        match self.authority.target(destination) {
            Ok(to) => Ok(Some(MirrorDraft {
                to,
                sample: share,
                only: None,
                node,
            })),
            Err(denied) => {
                node.refuse(denied);
                Ok(None)
            }
        }
    }
}
