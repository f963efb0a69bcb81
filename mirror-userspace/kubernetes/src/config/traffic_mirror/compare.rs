//! Which targets are compared, and with what.

use mirror_core::{policy::PathPattern, verdict::Role};

use super::{bounded, ends::Targets};
use crate::{
    config::{error::BadField, node::Node},
    plan::Compare,
};

const MAX_GROUPS: usize = 16;
const LONGEST_GROUP: usize = 128;
const NOTHING: &str = "compares nothing: that takes a candidate, and a baseline or `compare: v1`";
const V1_INSTEAD: &str = "is no part of the comparison, whose baseline is v1";

/// How the targets are compared. `spec` is `targets`, of which some may be left out by now.
pub(super) fn read(
    compare: Option<&Node<'_>>,
    groups: Option<&Node<'_>>,
    spec: &Node<'_>,
    targets: &Targets<'_>,
) -> Result<Compare, BadField> {
    let with_v1 = compare.map(|node| read_with(node, &targets.roles));
    let read = Compare {
        v1: with_v1.transpose()?.is_some(),
        groups: groups.map_or_else(|| Ok(Vec::new()), read_groups)?,
    };
    if read.v1 {
        for node in &targets.baselines {
            node.ignore(V1_INSTEAD);
        }
    }
    if !read.holds_for(&targets.specs) {
        for node in [compare, groups].into_iter().flatten() {
            node.ignore(NOTHING);
        }
        if compare.is_none() && targets.specs.iter().any(|it| it.role.is_some()) {
            spec.ignore(NOTHING);
        }
    }
    Ok(read)
}

/// With v1, which takes a candidate.
fn read_with(node: &Node<'_>, roles: &[Role]) -> Result<(), BadField> {
    if node.str()? != "v1" {
        return Err(node.bad("is not v1"));
    }
    if !roles.contains(&Role::Candidate) {
        return Err(node.bad("takes a target with the role candidate"));
    }
    Ok(())
}

fn read_groups(node: &Node<'_>) -> Result<Vec<PathPattern>, BadField> {
    let mut groups = Vec::new();
    for node in bounded(node, MAX_GROUPS)? {
        let text = node.str()?;
        if text.len() > LONGEST_GROUP {
            return Err(node.bad(format!("is longer than {LONGEST_GROUP} bytes")));
        }
        // What matching others may take of memory, would have to be weighed.
        if text.contains(['~', '?', '[', '{', '\\']) || text.matches('*').count() > 1 {
            return Err(node.bad("is no plain path with one * at most"));
        }
        groups.push(node.parse()?);
    }
    Ok(groups)
}
