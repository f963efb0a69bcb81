//! The types that the status in the definition of `TrafficMirror` is made from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of it, as one of the agents says for all: podmirror writes it, and nobody else.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::config::tests) struct TrafficMirrorStatus {
    /// The `metadata.generation` that all of this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    /// The pods whose requests are mirrored, on all nodes that have told of theirs in the last 150 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pods: Option<PodCounts>,
    /// Nodes with a pod that is attached to.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<i64>,
    /// Copies sent per minute, to two digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    copies_per_minute: Option<i64>,
    /// Copies per minute that were dropped before they were sent, or had no reply, to two digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_per_minute: Option<i64>,
    /// Where targets are compared, what failures, client errors and contents of all requests come to, on all nodes that have
    /// told of theirs in the last 150 s: `Same`, `Differs`, or `NotEnough` requests yet. The condition `Compared` has figures.
    #[schemars(with = "Verdict")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// `Accepted`: it is acted on. `Attached`: so is every pod that it selects. `Degraded`: copies have nowhere to
    /// go, or get lost. `Compared`, where it asks for that: there is a verdict.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<Vec<Condition>>,
}

/// How many pods.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
struct PodCounts {
    /// Those that it selects and that can be mirrored.
    selected: i64,
    /// Those of them that are attached to.
    attached: i64,
}

/// A condition, as Kubernetes has them.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    /// `Accepted`, `Attached`, `Degraded` or `Compared`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    kind: String,
    /// Whether it holds.
    status: Holds,
    /// Why, in one word.
    #[schemars(length(min = 1, max = 1024))]
    reason: String,
    /// Why, for people.
    #[schemars(length(max = 32768))]
    message: String,
    /// The `metadata.generation` that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    /// When its status last changed.
    #[schemars(extend("format" = "date-time"))]
    last_transition_time: String,
}

#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize)]
enum Verdict {
    Same,
    Differs,
    NotEnough,
}

#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize)]
enum Holds {
    True,
    False,
    Unknown,
}
