//! How a rule's copies are sent: by the operator's flags, as far as its document does not say otherwise.

use mirror_core::destination::TargetSpec;
use mirror_dispatch::{ContentRules, DispatchConfig};
use mirror_kubernetes::plan::{Compare, Rule};
use mirror_runtime::Targets;

use super::caps::Cap;

/// Differences that are kept of a document's rule, at most: each may have 64 fields with two values of 256 bytes.
const KEPT: usize = 16;

/// Whether its targets are compared: not with v1 where v1's replies are not captured, and then not with a baseline instead,
/// which the rule does not ask for.
pub(super) fn compares(rule: &Rule, has_replies: bool) -> bool {
    rule.compares() && (has_replies || !rule.compare.v1)
}

/// Where they go; targets that are not compared have no role.
pub(super) fn targets(rule: &Rule, compares: bool) -> Option<Targets> {
    Targets::new(rule.targets.iter().map(|target| TargetSpec {
        role: target.role.filter(|_| compares),
        ..target.clone()
    }))
}

/// With this cap; whether its targets are compared.
pub(super) fn of_rule(
    rule: &Rule,
    flags: DispatchConfig,
    cap: Cap,
    compares: bool,
) -> DispatchConfig {
    let Compare { v1, groups } = rule.compare.clone();
    // The operator's hold whatever a document does about the header.
    let mut redacted = flags.contents.redacted;
    let own = rule.policy.rewrite.redact_fields.iter();
    redacted.extend(own.map(|it| it.name().clone()));
    DispatchConfig {
        max_rps: cap.shared(),
        back_off: rule.back_off.unwrap_or(flags.back_off),
        compare_v1: v1 && compares,
        groups: match groups.as_slice() {
            [] => flags.groups,
            _ => groups,
        },
        contents: ContentRules {
            redacted,
            keep: match rule.tenant {
                Some(_) => flags.contents.keep.min(KEPT),
                None => flags.contents.keep,
            },
            ..flags.contents
        },
        ..flags
    }
}
