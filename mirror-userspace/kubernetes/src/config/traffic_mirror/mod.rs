//! `TrafficMirror`: podmirror's own kind of document, which can say all that a mirror can do.
//!
//! ```yaml
//! apiVersion: podmirror.io/v1alpha1
//! kind: TrafficMirror
//! metadata: {name: web, namespace: shop}
//! spec:
//!   source: {service: web-v1}
//!   targets: [{service: web-v2, percent: 10}]
//! ```
//!
//! It mirrors pods of its own namespace only: whoever may make one there consents to it. Its schema, as the API
//! server has it, is in `deploy/components/definitions/trafficmirrors.yaml`; a test makes that from types, and
//! holds these against what is read here.

mod compare;
mod ends;
mod matches;
mod rewrites;

use std::num::NonZeroU32;

use mirror_core::policy::{FilterConfig, Policy, PolicyConfig, RouteTable, SampleBy};

use super::{
    authority::Authority,
    draft::{Draft, TooMany},
    error::BadField,
    node::{Node, Remarks},
    object::Object,
};
use crate::plan::Rule;

const SUSPENDED: &str = "true switches this mirror off";

/// Reads a `TrafficMirror`, which is one rule, or none if it is off.
///
/// Its targets may be `most`, or there are too many.
pub(super) fn read<'a>(
    object: &'a Object<'a>,
    authority: Authority<'_>,
    mut draft: Draft<'a>,
    remarks: &'a Remarks,
    most: usize,
) -> Result<Result<Vec<Rule>, TooMany>, BadField> {
    let spec = object.spec(remarks);
    let mut fields = spec.fields()?;
    let source = ends::source(&fields.need("source")?, authority)?;
    let named = fields.need("targets")?;
    let targets = ends::targets(&named, &source, object, authority)?;
    let (compare, groups) = (fields.take("compare"), fields.take("groupPaths"));
    let compare = compare::read(compare.as_ref(), groups.as_ref(), &named, &targets)?;
    let targets = targets.specs;
    let sample_by: Option<SampleBy> = fields
        .take("sampleBy")
        .map(|node| node.parse())
        .transpose()?;
    let route = match fields.take("filters") {
        Some(node) => matches::read(&node, &mut draft)?,
        None => None,
    };
    let rewrites = fields.take("rewrites");
    let redact = fields.take("redact");
    let rewrite = rewrites::read(rewrites.as_ref(), redact.as_ref())?;
    let limits = match fields.take("limits") {
        Some(node) => Limits::read(&node)?,
        None => Limits::default(),
    };
    let suspend = fields.take("suspend");
    let suspended = suspend.as_ref().map_or(Ok(false), Node::bool)?;
    fields.finish();
    let policy = PolicyConfig {
        filter: FilterConfig {
            route,
            ..FilterConfig::default()
        },
        rewrite,
        ..PolicyConfig::default()
    };
    if let Err(contradiction) = Policy::new(policy.clone()) {
        return Err(spec.bad(contradiction));
    }
    if let Some(node) = suspend.filter(|_| suspended) {
        node.ignore(SUSPENDED);
        return Ok(Ok(Vec::new()));
    }
    if targets.is_empty() || nothing_is_left(policy.filter.route.as_ref()) {
        return Ok(Ok(Vec::new()));
    }
    if targets.len() > most {
        return Ok(Err(TooMany));
    }
    Ok(Ok(vec![Rule {
        name: object.title.clone(),
        tenant: Some(object.namespace.clone()),
        source,
        policy,
        sample_by,
        max_rps: limits.max_rps,
        back_off: limits.back_off,
        targets,
        compare,
    }]))
}

fn nothing_is_left(route: Option<&RouteTable>) -> bool {
    route.is_some_and(|table| table.steps().is_empty())
}

/// What its field `limits` says.
#[derive(Default)]
struct Limits {
    /// How many copies each target gets per second, from all nodes together.
    max_rps: Option<NonZeroU32>,
    /// Whether it gets less while it is overloaded.
    back_off: Option<bool>,
}

impl Limits {
    fn read(node: &Node<'_>) -> Result<Self, BadField> {
        let mut fields = node.fields()?;
        let most = fields.take("maxRequestsPerSecond");
        let back_off = fields.take("backOff");
        fields.finish();
        let most = most.map(|node| node.integer(1, u64::from(u32::MAX >> 1)));
        let most = most.transpose()?.map(u32::try_from);
        Ok(Self {
            max_rps: most.and_then(Result::ok).and_then(NonZeroU32::new),
            back_off: back_off.as_ref().map(Node::bool).transpose()?,
        })
    }
}

/// The items of a list that may have so many.
fn bounded<'a>(node: &Node<'a>, most: usize) -> Result<Vec<Node<'a>>, BadField> {
    let items: Vec<_> = node.items()?.collect();
    if items.len() > most {
        return Err(node.bad(format!("has more than {most} items")));
    }
    Ok(items)
}
