//! How a rule's copies are sent: by the operator's flags, as far as its document does not say otherwise.

use mirror_dispatch::{ContentRules, DispatchConfig};
use mirror_kubernetes::plan::{Compare, Rule};

use super::caps::Cap;

/// With this cap; whether v1's replies are captured.
pub(super) fn of_rule(
    rule: &Rule,
    flags: DispatchConfig,
    cap: Cap,
    has_replies: bool,
) -> DispatchConfig {
    let Compare { v1, groups } = rule.compare.clone();
    // The operator's hold whatever a document does about the header.
    let mut redacted = flags.contents.redacted;
    let own = rule.policy.rewrite.redact_fields.iter();
    redacted.extend(own.map(|it| it.name().clone()));
    DispatchConfig {
        max_rps: cap.of_shard(),
        back_off: rule.back_off.unwrap_or(flags.back_off),
        compare_v1: v1 && rule.compares() && has_replies,
        groups: match groups.as_slice() {
            [] => flags.groups,
            _ => groups,
        },
        contents: ContentRules {
            redacted,
            ..flags.contents
        },
        ..flags
    }
}
