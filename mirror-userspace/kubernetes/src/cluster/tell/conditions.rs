//! The status of a TrafficMirror: what is known of it, as Kubernetes' API conventions have it.

mod held_back;

use held_back::Told;
use serde_json::{Value, json};

use super::{
    compared::{Judged, compared},
    seen::{Comparing, Remark, SeenDocument, cut, rounded},
};

/// The longest message of a condition. The API takes 32 KiB; who reads it wants a line.
const LONGEST: usize = 512;

/// The condition that there is a verdict.
pub(super) const COMPARED: &str = "Compared";
/// The field that has it.
const VERDICT: &str = "verdict";

/// Why a mirror is degraded whose targets nobody is behind.
pub(super) const NO_ENDPOINT: &str = "NoEndpoint";
/// Why one is whose targets are the pods that are mirrored.
pub(super) const TARGET_IS_SOURCE: &str = "TargetIsSource";
/// Why one is a target of which is overloaded.
const BACKING_OFF: &str = "BackingOff";
/// Why one is that loses copies for other reasons.
const LOSING_COPIES: &str = "LosingCopies";

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
    /// What its comparison comes to, if it asks for one.
    pub(super) judged: Option<Judged>,
}

/// A condition, without the times that the writer keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) kind: &'static str,
    pub(super) holds: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// The status of a mirror. `before` is the one that it has now: a condition whose status is the same keeps its
/// `lastTransitionTime`, and another one has `now`, RFC 3339.
pub(super) fn status(seen: &SeenDocument, whole: &Whole, before: &Value, now: &str) -> Value {
    let generation = seen.identity.generation;
    let degraded = degraded(seen, whole, Told::of(before));
    let always = [accepted(seen), attached(seen, whole), degraded];
    let conditions = always.into_iter().chain(compared(seen, whole));
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
    let mut status = json!({
        "observedGeneration": generation,
        "pods": {"selected": whole.selected, "attached": whole.attached},
        "nodes": whole.nodes,
        "copiesPerMinute": rounded(whole.copies),
        "lostPerMinute": rounded(whole.lost),
        "conditions": conditions.collect::<Vec<_>>(),
    });
    match (&whole.judged, &mut status) {
        (Some(judged), Value::Object(status)) => {
            status.insert(VERDICT.to_owned(), json!(judged.name()));
        }
        // What a merge patch does not name stays as it was.
        (None, Value::Object(status)) if before.get(VERDICT).is_some() => {
            status.insert(VERDICT.to_owned(), Value::Null);
        }
        _ => {}
    }
    status
}

/// Whether two statuses differ by figures alone: what is counted comes and goes, conditions matter.
pub(super) fn differ_by_figures(one: &Value, other: &Value) -> bool {
    without_figures(one) == without_figures(other)
        && one.get("observedGeneration") == other.get("observedGeneration")
        && one.get("pods") == other.get("pods")
}

/// The conditions without the message that has figures.
fn without_figures(status: &Value) -> Option<Vec<Value>> {
    let mut conditions = status.get("conditions")?.as_array()?.clone();
    for condition in &mut conditions {
        if condition.get("type").and_then(Value::as_str) == Some(COMPARED)
            && let Some(fields) = condition.as_object_mut()
        {
            fields.remove("message");
        }
    }
    Some(conditions)
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

fn degraded(seen: &SeenDocument, whole: &Whole, told: Told) -> Condition {
    let loses = held_back::loses(whole, told);
    let (holds, reason, message) = if let Some(why) = first(&seen.unreachable) {
        (true, NO_ENDPOINT, why)
    } else if let Some(why) = first(&seen.sources) {
        (true, TARGET_IS_SOURCE, why)
    } else if loses && held_back::backs_off(whole, told) {
        (true, BACKING_OFF, held_back::MESSAGE.to_owned())
    } else if loses {
        // Without figures: they come and go.
        let message = "copies are lost, as lostPerMinute says: podmirror_requests_dropped_total and \
                       podmirror_replies_failed_total say why";
        (true, LOSING_COPIES, message.to_owned())
    } else if let Some(Comparing::Not(remark)) = &seen.comparison {
        (true, remark.reason, remark.text.clone())
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
mod tests;
