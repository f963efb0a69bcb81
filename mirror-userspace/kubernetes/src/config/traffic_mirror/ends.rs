//! Whose requests are mirrored, and where copies go.

use mirror_common::settings::MAX_PORTS;
use mirror_core::{
    destination::{
        Condition, Destination, LabelSelector, Labels, Requirement, ServiceRef, TargetSpec,
        is_label_key, is_label_value, is_object_name,
    },
    value::Rate,
    verdict::Role,
};

use super::bounded;
use crate::{
    config::{
        authority::Authority,
        error::BadField,
        node::{Fields, Node},
        object::Object,
        share,
        words::OFF,
    },
    plan::Source,
};

const MAX_TARGETS: usize = 16;
const MAX_REQUIREMENTS: usize = 32;
const MAX_VALUES: usize = 32;

/// What names pods: a service, or labels.
enum Pods {
    Service(String),
    Selector(LabelSelector),
}

/// The pods whose requests are mirrored, which are of the document's own namespace.
pub(super) fn source(node: &Node<'_>, authority: Authority<'_>) -> Result<Source, BadField> {
    let mut fields = node.fields()?;
    let pods = read_pods(node, &mut fields)?;
    let listed = fields.take("ports");
    fields.finish();
    let mut ports = Vec::new();
    if let Some(node) = &listed {
        for port in bounded(node, MAX_PORTS)? {
            ports.push(port.port()?);
        }
        ports.sort_unstable();
        ports.dedup();
    }
    match pods {
        Pods::Service(name) => Ok(authority.own_service(&name, ports)),
        Pods::Selector(_) if ports.is_empty() => {
            let path = format!("{}.ports", node.path);
            Err(BadField::new(
                &path,
                "is missing: with a selector the pods' ports are listed",
            ))
        }
        Pods::Selector(selector) => Ok(authority.own_pods(selector, ports)),
    }
}

/// Where copies go.
#[derive(Default)]
pub(super) struct Targets<'a> {
    /// Those that get copies.
    pub(super) specs: Vec<TargetSpec>,
    /// The roles of all that the document names.
    pub(super) roles: Vec<Role>,
    /// Where it names baselines.
    pub(super) baselines: Vec<Node<'a>>,
}

/// Where copies go; what is refused, off, or leads back is left out and reported.
pub(super) fn targets<'a>(
    node: &Node<'a>,
    source: &Source,
    object: &Object<'_>,
    authority: Authority<'_>,
) -> Result<Targets<'a>, BadField> {
    let nodes = bounded(node, MAX_TARGETS)?;
    if nodes.is_empty() {
        return Err(node.bad("is empty"));
    }
    let Targets {
        specs: mut targets,
        mut roles,
        mut baselines,
    } = Targets::default();
    for node in nodes {
        let mut fields = node.fields()?;
        let pods = read_pods(&node, &mut fields)?;
        let namespace = fields.take("namespace");
        let port = fields.take("port").map(|node| node.port()).transpose()?;
        let sample = fields
            .take("percent")
            .map(|node| share::percent(&node))
            .transpose()?;
        let host = fields.take("host").map(|node| node.parse()).transpose()?;
        let named = fields.take("role");
        let role = named.as_ref().map(|node| read_role(node, &roles));
        let role = role.transpose()?;
        baselines.extend(named.filter(|_| role == Some(Role::Baseline)));
        roles.extend(role);
        fields.finish();
        for node in namespace.iter() {
            if !is_object_name(node.str()?) {
                return Err(node.bad("is no namespace"));
            }
        }
        let namespace = namespace.map_or(Ok(object.namespace.as_str()), |node| node.str())?;
        let destination = destination(&node, pods, namespace.to_owned(), port)?;
        if sample == Some(Rate::ZERO) {
            node.ignore(OFF);
            continue;
        }
        if leads_back(source, &destination) {
            node.ignore("leads back to the pods whose requests are mirrored");
            continue;
        }
        match authority.target(destination) {
            Ok(checked) => {
                let target = TargetSpec {
                    host,
                    role,
                    ..checked.to_spec(sample)
                };
                if targets.contains(&target) {
                    node.ignore("is there before");
                } else {
                    targets.push(target);
                }
            }
            Err(denied) => node.refuse(denied),
        }
    }
    Ok(Targets {
        specs: targets,
        roles,
        baselines,
    })
}

/// What a target is to a comparison, beside the others.
fn read_role(node: &Node<'_>, others: &[Role]) -> Result<Role, BadField> {
    let role = node.parse()?;
    let (most, what) = match role {
        Role::Candidate => (1, "candidate"),
        // The second one shows what differs by itself.
        Role::Baseline => (2, "baseline"),
    };
    if others.iter().filter(|other| **other == role).count() >= most {
        return Err(node.bad(format!("is beyond {most} with the role {what}")));
    }
    Ok(role)
}

fn destination(
    node: &Node<'_>,
    pods: Pods,
    namespace: String,
    port: Option<u16>,
) -> Result<Destination, BadField> {
    match (pods, port) {
        (Pods::Service(name), port) => Ok(Destination::Service {
            service: ServiceRef { namespace, name },
            port,
            subset: Labels::new(),
        }),
        (Pods::Selector(selector), Some(port)) => Ok(Destination::Pods {
            namespace,
            selector,
            port,
        }),
        (Pods::Selector(_), None) => {
            let path = format!("{}.port", node.path);
            Err(BadField::new(
                &path,
                "is missing: with a selector it is the pods' port",
            ))
        }
    }
}

/// Whether names or labels show that copies would go to the very pods that they are of.
fn leads_back(source: &Source, destination: &Destination) -> bool {
    match (source, destination) {
        (Source::Service { service, .. }, Destination::Service { service: to, .. }) => {
            service == to
        }
        (
            Source::Pods {
                scope, selector, ..
            },
            Destination::Pods {
                namespace,
                selector: to,
                ..
            },
        ) => scope.holds(namespace) && selector == to,
        _ => false,
    }
}

fn read_pods(node: &Node<'_>, fields: &mut Fields<'_>) -> Result<Pods, BadField> {
    match (fields.take("service"), fields.take("selector")) {
        (Some(service), None) => {
            if !is_object_name(service.str()?) {
                return Err(service.bad("is no name of a service"));
            }
            Ok(Pods::Service(service.text()?))
        }
        (None, Some(selector)) => Ok(Pods::Selector(read_selector(&selector)?)),
        _ => Err(node.bad("has not exactly one of service and selector")),
    }
}

/// A label selector as Deployments have it.
fn read_selector(node: &Node<'_>) -> Result<LabelSelector, BadField> {
    let mut fields = node.fields()?;
    let mut requirements = Vec::new();
    if let Some(labels) = fields.take("matchLabels") {
        for (key, value) in labels.entries()? {
            if !is_label_key(key) || !is_label_value(value.str()?) {
                return Err(value.bad("is no label"));
            }
            requirements.push(Requirement {
                key: key.to_owned(),
                condition: Condition::In(vec![value.text()?]),
            });
        }
    }
    for node in fields.list("matchExpressions")? {
        requirements.push(read_requirement(&node)?);
    }
    fields.finish();
    if requirements.len() > MAX_REQUIREMENTS {
        return Err(node.bad(format!("has more than {MAX_REQUIREMENTS} requirements")));
    }
    Ok(LabelSelector { requirements })
}

fn read_requirement(node: &Node<'_>) -> Result<Requirement, BadField> {
    let mut fields = node.fields()?;
    let key = fields.need("key")?;
    let operator = fields.need("operator")?;
    let listed = fields.take("values");
    fields.finish();
    if !is_label_key(key.str()?) {
        return Err(key.bad("is no label's key"));
    }
    let mut values = Vec::new();
    if let Some(node) = &listed {
        for value in bounded(node, MAX_VALUES)? {
            if !is_label_value(value.str()?) {
                return Err(value.bad("is no label's value"));
            }
            values.push(value.text()?);
        }
    }
    let condition = match (operator.str()?, values.is_empty()) {
        ("In", false) => Condition::In(values),
        ("NotIn", false) => Condition::NotIn(values),
        ("Exists", true) => Condition::Exists,
        ("DoesNotExist", true) => Condition::DoesNotExist,
        ("In" | "NotIn", true) => return Err(node.bad("has no values")),
        ("Exists" | "DoesNotExist", false) => return Err(node.bad("takes no values")),
        _ => return Err(operator.bad("is none of In, NotIn, Exists and DoesNotExist")),
    };
    Ok(Requirement {
        key: key.text()?,
        condition,
    })
}
