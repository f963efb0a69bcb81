//! The status of a TrafficMirror: what is known of it, as Kubernetes' API conventions have it.

mod held_back;

use serde_json::{Value, json};

use super::seen::{Remark, SeenDocument, cut, rounded};

/// The longest message of a condition. The API takes 32 KiB; who reads it wants a line.
const LONGEST: usize = 512;

/// From so many lost copies per minute on, and from one of a hundred on, a mirror is degraded.
const LOST: u64 = 10;

/// Why a mirror is degraded whose targets nobody is behind.
pub(super) const NO_ENDPOINT: &str = "NoEndpoint";
/// Why one is whose targets are the pods that are mirrored.
pub(super) const TARGET_IS_SOURCE: &str = "TargetIsSource";
/// Why one is a target of which is overloaded.
const BACKING_OFF: &str = "BackingOff";

/// What all nodes have of a mirror, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) nodes: u64,
    pub(super) selected: u64,
    pub(super) attached: u64,
    pub(super) copies: u64,
    pub(super) lost: u64,
    /// Of the lost ones, those that were held back from overloaded targets.
    pub(super) held_back: u64,
    /// Nodes whose notes had no room for the mirror, so that their pods are not counted.
    pub(super) left_out: u64,
    /// The node and reason of a pod that is not attached to.
    pub(super) why: Option<String>,
}

/// A condition, without the times that the writer keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    kind: &'static str,
    holds: bool,
    reason: &'static str,
    message: String,
}

/// The status of a mirror. `before` is the one that it has now: a condition whose status is the same keeps its
/// `lastTransitionTime`, and another one has `now`, RFC 3339.
pub(super) fn status(seen: &SeenDocument, whole: &Whole, before: &Value, now: &str) -> Value {
    let generation = seen.identity.generation;
    let conditions = [accepted(seen), attached(seen, whole), degraded(seen, whole)];
    let conditions = conditions.map(|condition| {
        let Condition {
            kind,
            holds,
            reason,
            message,
        } = condition;
        let holds = if holds { "True" } else { "False" };
        json!({
            "type": kind,
            "status": holds,
            "reason": reason,
            "message": cut(&message, LONGEST),
            "observedGeneration": generation,
            "lastTransitionTime": since(before, kind, holds).unwrap_or(now),
        })
    });
    json!({
        "observedGeneration": generation,
        "pods": {"selected": whole.selected, "attached": whole.attached},
        "nodes": whole.nodes,
        "copiesPerMinute": rounded(whole.copies),
        "lostPerMinute": rounded(whole.lost),
        "conditions": conditions,
    })
}

/// Whether two statuses differ by figures alone: what is counted comes and goes, conditions matter.
pub(super) fn differ_by_figures(one: &Value, other: &Value) -> bool {
    one.get("conditions") == other.get("conditions")
        && one.get("observedGeneration") == other.get("observedGeneration")
        && one.get("pods") == other.get("pods")
}

fn since<'a>(before: &'a Value, kind: &str, holds: &str) -> Option<&'a str> {
    let conditions = before.get("conditions").and_then(Value::as_array);
    let text = |condition: &'a Value, name: &str| condition.get(name).and_then(Value::as_str);
    let mut same = conditions.into_iter().flatten().filter(|condition| {
        text(condition, "type") == Some(kind) && text(condition, "status") == Some(holds)
    });
    same.find_map(|condition| text(condition, "lastTransitionTime"))
}

fn accepted(seen: &SeenDocument) -> Condition {
    let (holds, reason, message) = match (seen.rules, seen.remarks.first()) {
        (0, Some(remark)) => (false, remark.reason, all(&seen.remarks)),
        (1.., Some(_)) => (true, "PartlyRefused", all(&seen.remarks)),
        (_, None) if seen.suspended => (true, "Suspended", "spec.suspend is true".to_owned()),
        (0, None) => {
            let why = seen.ignored.clone();
            let why = why.unwrap_or_else(|| "no request is left to be mirrored".to_owned());
            (false, "NothingToMirror", why)
        }
        (1.., None) => (true, "Accepted", "all of it is acted on".to_owned()),
    };
    Condition {
        kind: "Accepted",
        holds,
        reason,
        message,
    }
}

fn all(remarks: &[Remark]) -> String {
    let texts: Vec<_> = remarks.iter().map(|remark| remark.text.as_str()).collect();
    texts.join("; ")
}

fn attached(seen: &SeenDocument, whole: &Whole) -> Condition {
    let Whole {
        nodes,
        selected,
        attached,
        left_out,
        ..
    } = whole;
    let (holds, reason, mut message) = if seen.rules == 0 {
        let reason = if seen.suspended {
            "Suspended"
        } else {
            "NotAccepted"
        };
        (false, reason, "nothing is mirrored".to_owned())
    } else if *selected == 0 && *left_out > 0 {
        (false, "NotCounted", "no pod is known of".to_owned())
    } else if *selected == 0 {
        let message = "no pod is selected that runs on a node with an agent".to_owned();
        (false, "NoPods", message)
    } else if attached < selected {
        let why = whole.why.as_deref().unwrap_or("under way");
        let message = format!("{attached} of {selected} pods are attached to: {why}");
        (false, "NotAllPods", message)
    } else {
        let message = format!("all {selected} pods, on {nodes} node(s), are attached to");
        (true, "AllPods", message)
    };
    if seen.rules > 0 && *left_out > 0 {
        message =
            format!("{message}; pods of {left_out} node(s) with too many mirrors are not counted");
    }
    Condition {
        kind: "Attached",
        holds,
        reason,
        message,
    }
}

fn degraded(seen: &SeenDocument, whole: &Whole) -> Condition {
    let Whole { copies, lost, .. } = whole;
    let loses = *lost >= LOST && lost.saturating_mul(100) >= copies.saturating_add(*lost);
    let (holds, reason, message) = if let Some(why) = first(&seen.unreachable) {
        (true, NO_ENDPOINT, why)
    } else if let Some(why) = first(&seen.sources) {
        (true, TARGET_IS_SOURCE, why)
    } else if loses && held_back::is_most(whole) {
        (true, BACKING_OFF, held_back::message(whole))
    } else if loses {
        // Without figures: they come and go.
        let message = "copies are lost, as lostPerMinute says: podmirror_requests_dropped_total and \
                       podmirror_replies_failed_total say why";
        (true, "LosingCopies", message.to_owned())
    } else if let Some(why) = first(&seen.partly_sources) {
        // The others get all copies.
        (false, "TargetIsPartlySource", why)
    } else {
        (
            false,
            "AsExpected",
            "nothing is known to be wrong".to_owned(),
        )
    };
    Condition {
        kind: "Degraded",
        holds,
        reason,
        message,
    }
}

/// The first of these, and how many more there are.
fn first(texts: &[String]) -> Option<String> {
    let first = texts.first()?;
    Some(match texts.len().saturating_sub(1) {
        0 => first.clone(),
        more => format!("{first}; and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn told(seen: &SeenDocument, whole: &Whole) -> String {
        let status = status(seen, whole, &Value::Null, NOW);
        let conditions = status["conditions"].as_array().unwrap().iter();
        let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
        let each = conditions.map(|it| format!("{}={}", text(it, "status"), text(it, "reason")));
        each.collect::<Vec<_>>().join(" ")
    }

    fn whole(selected: u64, attached: u64, copies: u64, lost: u64) -> Whole {
        Whole {
            nodes: 1,
            selected,
            attached,
            copies,
            lost,
            held_back: 0,
            left_out: 0,
            why: None,
        }
    }

    #[test]
    fn each_state_has_its_reasons() {
        let good = SeenDocument {
            rules: 1,
            ..SeenDocument::default()
        };
        let remark = Remark {
            reason: "TargetRefused",
            text: "spec.targets[0].namespace: needs a grant".into(),
        };
        let refused = SeenDocument {
            remarks: vec![remark.clone()],
            ..SeenDocument::default()
        };
        let partly = SeenDocument {
            rules: 1,
            ..refused.clone()
        };
        let suspended = SeenDocument {
            suspended: true,
            ..SeenDocument::default()
        };
        let unreachable = SeenDocument {
            unreachable: vec!["v2: no endpoint is ready".into()],
            ..good.clone()
        };
        let source = SeenDocument {
            sources: vec!["v2: is v1".into(), "v3: is v1".into()],
            ..good.clone()
        };
        let partly_source = SeenDocument {
            partly_sources: vec!["v2: one is v1".into()],
            ..good.clone()
        };
        for (seen, whole, expected) in [
            (
                &source,
                whole(1, 1, 0, 0),
                "True=Accepted True=AllPods True=TargetIsSource",
            ),
            (
                &partly_source,
                whole(1, 1, 0, 0),
                "True=Accepted True=AllPods False=TargetIsPartlySource",
            ),
            (
                &good,
                whole(2, 2, 100, 0),
                "True=Accepted True=AllPods False=AsExpected",
            ),
            (
                &good,
                whole(2, 1, 0, 0),
                "True=Accepted False=NotAllPods False=AsExpected",
            ),
            (
                &good,
                whole(0, 0, 0, 0),
                "True=Accepted False=NoPods False=AsExpected",
            ),
            (
                &good,
                whole(1, 1, 900, 10),
                "True=Accepted True=AllPods True=LosingCopies",
            ),
            (
                &good,
                whole(1, 1, 2_000, 10),
                "True=Accepted True=AllPods False=AsExpected",
            ),
            (
                &good,
                whole(1, 1, 0, 9),
                "True=Accepted True=AllPods False=AsExpected",
            ),
            (
                &refused,
                whole(0, 0, 0, 0),
                "False=TargetRefused False=NotAccepted False=AsExpected",
            ),
            (
                &partly,
                whole(1, 1, 0, 0),
                "True=PartlyRefused True=AllPods False=AsExpected",
            ),
            (
                &suspended,
                whole(0, 0, 0, 0),
                "True=Suspended False=Suspended False=AsExpected",
            ),
            (
                &unreachable,
                whole(1, 1, 0, 0),
                "True=Accepted True=AllPods True=NoEndpoint",
            ),
        ] {
            assert_eq!(told(seen, &whole), expected);
        }
        let nothing = SeenDocument::default();
        assert!(told(&nothing, &whole(0, 0, 0, 0)).starts_with("False=NothingToMirror"));
    }

    #[test]
    fn the_time_of_a_condition_is_that_of_its_last_change() {
        let mut seen = SeenDocument {
            rules: 1,
            ..SeenDocument::default()
        };
        let first = status(&seen, &whole(1, 1, 0, 0), &Value::Null, NOW);
        let same = status(&seen, &whole(1, 1, 0, 0), &first, "later");
        assert_eq!(same, first);
        seen.unreachable.push("v2: no endpoint is ready".into());
        seen.identity.generation = 2;
        let other = status(&seen, &whole(1, 1, 0, 0), &first, "later");
        let times = other["conditions"].as_array().unwrap().iter();
        let times: Vec<_> = times.map(|it| it["lastTransitionTime"].clone()).collect();
        assert_eq!(times, [json!(NOW), json!(NOW), json!("later")]);
        assert_eq!(other["observedGeneration"], 2);
    }

    #[test]
    fn figures_alone_are_told_from_conditions() {
        let seen = SeenDocument {
            rules: 1,
            ..SeenDocument::default()
        };
        let of = |whole: &Whole| status(&seen, whole, &Value::Null, NOW);
        let first = of(&whole(1, 1, 100, 0));
        assert!(differ_by_figures(&first, &of(&whole(1, 1, 200, 0))));
        assert!(!differ_by_figures(&first, &of(&whole(2, 1, 100, 0))));
        assert!(!differ_by_figures(&Value::Null, &first));
    }

    #[test]
    fn pods_that_are_not_counted_are_not_said_to_be_none() {
        let seen = SeenDocument {
            rules: 1,
            ..SeenDocument::default()
        };
        let of = |selected| {
            let whole = Whole {
                left_out: 2,
                ..whole(selected, selected, 0, 0)
            };
            let attached = attached(&seen, &whole);
            (attached.holds, attached.reason, attached.message)
        };
        let (holds, reason, message) = of(0);
        assert_eq!((holds, reason), (false, "NotCounted"));
        assert!(
            message.contains("2 node(s) with too many mirrors"),
            "{message}"
        );
        let (holds, reason, message) = of(1);
        assert_eq!((holds, reason), (true, "AllPods"));
        assert!(
            message.contains("2 node(s) with too many mirrors"),
            "{message}"
        );
    }
}
