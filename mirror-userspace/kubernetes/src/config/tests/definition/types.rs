//! The types that the definition of `TrafficMirror` is made from, as users read them in `kubectl explain`.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::TrafficMirrorStatus;

/// What is mirrored from where to where.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[kube(
    group = "podmirror.io",
    version = "v1alpha1",
    kind = "TrafficMirror",
    plural = "trafficmirrors",
    shortname = "tmirror",
    category = "podmirror",
    namespaced,
    cel,
    status = "TrafficMirrorStatus",
    doc = "Copies the live HTTP requests of pods of its namespace to other pods, and discards the replies.",
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.source.service"),
    printcolumn(
        name = "Target",
        type_ = "string",
        json_path = ".spec.targets[0].service"
    ),
    printcolumn(
        name = "Percent",
        type_ = "number",
        json_path = ".spec.targets[0].percent"
    ),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(name = "Pods", type_ = "integer", json_path = ".status.pods.attached"),
    printcolumn(
        name = "Copies/min",
        type_ = "integer",
        json_path = ".status.copiesPerMinute"
    ),
    printcolumn(
        name = "Lost/min",
        type_ = "integer",
        json_path = ".status.lostPerMinute"
    ),
    printcolumn(
        name = "Degraded",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Degraded\")].status"
    ),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.verdict"),
    printcolumn(
        name = "Suspended",
        type_ = "boolean",
        json_path = ".spec.suspend",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::duplicated_attributes,
    reason = "columns have their types in common"
)]
#[x_kube(
    validation = Rule::new("self.targets.filter(it, has(it.role) && it.role == 'candidate').size() <= 1").message("at most one target has the role candidate"),
    validation = Rule::new("self.targets.filter(it, has(it.role) && it.role == 'baseline').size() <= 2").message("at most two targets have the role baseline"),
    validation = Rule::new("!has(self.compare) || self.targets.exists(it, has(it.role) && it.role == 'candidate')").message("compare needs a target with the role candidate")
)]
pub(in crate::config::tests) struct TrafficMirrorSpec {
    /// Whose requests are mirrored: pods of this document's namespace.
    source: Source,
    /// Where copies go. Each target gets its own share.
    #[schemars(length(min = 1, max = 16))]
    targets: Vec<Target>,
    /// `v1` compares the target with the role `candidate` with v1 itself, whose replies are captured, and then no target
    /// with the role `baseline` is needed. Default: the candidate is compared with the target that has that role.
    #[schemars(with = "With")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compare: Option<With>,
    /// By which of these paths the requests of a comparison are grouped, the first that matches: `/api/*`, with one `*` at
    /// most, which stands for anything. Default: as the agent's flag `--group-path` says, which is by the first part of the path.
    #[schemars(length(max = 16), inner(length(min = 1, max = 128)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    group_paths: Option<Vec<String>>,
    /// What is sampled as a whole: `connection`, `client-ip`, `request` or `header:NAME`.
    /// Default: as the agent's flag `--sample-by` says.
    #[schemars(
        length(max = 128),
        regex(pattern = "^(connection|client-ip|request|header:.+)$")
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_by: Option<String>,
    /// Which requests are mirrored. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Filters>,
    /// What is changed in copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    rewrites: Option<Rewrites>,
    /// What is hidden in copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    redact: Option<Redact>,
    /// How much is sent at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
    /// Switches the mirror off while it is true. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspend: Option<bool>,
}

/// Pods of the document's namespace.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[x_kube(
    validation = Rule::new("has(self.service) != has(self.selector)").message("exactly one of service and selector"),
    validation = Rule::new("has(self.service) || has(self.ports)").message("with a selector the pods' ports are listed")
)]
struct Source {
    /// The name of a service that selects them.
    #[schemars(length(min = 1, max = 63))]
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// Selects them by their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<Selector>,
    /// With a service, those of its ports that are mirrored (default: all TCP ports); with a selector, ports of the
    /// pods.
    #[schemars(length(min = 1, max = 16), inner(range(min = 1, max = 65535)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<Vec<i32>>,
}

/// Where copies go, and how many.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[x_kube(
    validation = Rule::new("has(self.service) != has(self.selector)").message("exactly one of service and selector"),
    validation = Rule::new("has(self.service) || has(self.port)").message("with a selector the pods' port is needed")
)]
struct Target {
    /// The name of a service; copies go to its ready endpoints that are pods.
    #[schemars(length(min = 1, max = 63))]
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// Selects ready pods by their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<Selector>,
    /// The namespace of the service or pods; another one than this document's has to consent, by a ReferenceGrant
    /// or through the operator. Default: this document's.
    #[schemars(length(min = 1, max = 63))]
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// The service's port (default: its first TCP port), or with a selector the pods' port.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<i32>,
    /// The share that is copied, in percent; 0 switches this target off. Default: as the agent's flag
    /// `--sample-rate` says, which is 100.
    #[schemars(range(min = 0, max = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<serde_json::Number>,
    /// The `Host` of this target's copies. Default: as sent, or as `rewrites` say.
    #[schemars(length(min = 1, max = 255))]
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// What it is to a comparison, whose verdict is in the status: `candidate`, which is asked about, or `baseline`. A second
    /// baseline shows what differs by itself. Default: no part of one.
    #[schemars(with = "Role")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
}

#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Role {
    Baseline,
    Candidate,
}

#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum With {
    V1,
}

/// A label selector; without anything in it, it selects all pods.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    /// Labels that the pods have, all of them.
    #[schemars(extend("maxProperties" = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    match_labels: Option<BTreeMap<String, String>>,
    /// Requirements that the pods meet, all of them.
    #[schemars(length(max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    match_expressions: Option<Vec<Requirement>>,
}

/// A requirement on one label.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
struct Requirement {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    key: String,
    /// How the label's value relates to the values.
    operator: Operator,
    /// Needed with `In` and `NotIn`, and absent otherwise.
    #[schemars(length(max = 32), inner(length(max = 63)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
}

#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// A request is mirrored if no match of `deny` holds, and one of `allow` does or there are none.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
struct Filters {
    /// Requests that are not mirrored. Paths are compared as sent and as a server may take them: decoded, with
    /// slashes merged and dot segments removed.
    #[schemars(length(max = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    deny: Option<Vec<Match>>,
    /// If there are any, only these requests are mirrored. Paths are compared as sent.
    #[schemars(length(max = 64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<Vec<Match>>,
}

/// What a request has to be, all of it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[schemars(extend("minProperties" = 1))]
#[serde(rename_all = "camelCase")]
struct Match {
    /// Its method; case counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<Text>,
    /// Its path, without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Text>,
    /// Its headers; several ones of a name count as one value, joined by commas.
    #[schemars(length(max = 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<NamedText>>,
    /// Parameters of its query.
    #[schemars(length(max = 16))]
    #[serde(skip_serializing_if = "Option::is_none")]
    query_params: Option<Vec<NamedText>>,
}

/// What a text has to be: at most one of these. Without any, it has to be there.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[x_kube(validation = Rule::new("[has(self.exact), has(self.prefix), has(self.regex)].filter(it, it).size() <= 1").message("at most one of exact, prefix and regex"))]
struct Text {
    /// It is this text.
    #[schemars(length(max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<String>,
    /// It begins with this text.
    #[schemars(length(max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// This regular expression (RE2) matches all of it.
    #[schemars(length(max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<String>,
}

/// What the value of this name has to be: at most one of these. Without any, it has to be there.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[x_kube(validation = Rule::new("[has(self.exact), has(self.prefix), has(self.regex)].filter(it, it).size() <= 1").message("at most one of exact, prefix and regex"))]
struct NamedText {
    /// The name; case does not count for headers.
    #[schemars(length(min = 1, max = 256))]
    name: String,
    /// The value is this text.
    #[schemars(length(max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<String>,
    /// The value begins with this text.
    #[schemars(length(max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// This regular expression (RE2) matches all of the value.
    #[schemars(length(max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<String>,
}

/// Changes of copies. No header may be in more than one of these lists, nor in that of `redact`.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[x_kube(validation = Rule::new("!(has(self.host) && has(self.hostSuffix))").message("at most one of host and hostSuffix"))]
#[serde(rename_all = "camelCase")]
struct Rewrites {
    /// The `Host` of copies. Default: as sent.
    #[schemars(length(min = 1, max = 255))]
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// What is appended to the host, before its port: with `-shadow`, `web:80` becomes `web-shadow:80`.
    #[schemars(length(min = 1, max = 255))]
    #[serde(skip_serializing_if = "Option::is_none")]
    host_suffix: Option<String>,
    /// Headers that are set: each replaces all of its name, or is added.
    #[schemars(length(max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    set_headers: Option<Vec<Header>>,
    /// The names of headers that are left out.
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    remove_headers: Option<Vec<String>>,
    /// Other beginnings of paths; the first that applies is used.
    #[schemars(length(max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<Vec<PathPrefix>>,
    /// Appends the client's address to `X-Forwarded-For`. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded_for: Option<bool>,
}

/// A header.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
struct Header {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    name: String,
    /// Its value, on one line.
    #[schemars(length(max = 4096))]
    value: String,
}

/// Another beginning of a path.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
struct PathPrefix {
    /// The beginning as v1 gets it; `/v1` is one of `/v10`, too.
    #[schemars(length(max = 1024), regex(pattern = "^/[^=]*$"))]
    prefix: String,
    /// The beginning as the target gets it.
    #[schemars(length(max = 1024), regex(pattern = "^/[^ ?#]*$"))]
    replacement: String,
}

/// What is hidden.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
struct Redact {
    /// The names of headers and trailers whose values are replaced by `redacted`.
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<String>>,
}

/// How much is sent.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    /// Copies per second for each target, at most, from all nodes together: each sends its part, by how many of the
    /// ready source pods are on it. Default: as the agent's flag `--max-rps` says.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_requests_per_second: Option<i32>,
    /// Whether a target gets less while it is overloaded and that helps: while it answers 429 or 503, in gRPC
    /// RESOURCE_EXHAUSTED or UNAVAILABLE, or its latency has doubled. Default: as the agent's flag `--back-off` says,
    /// which is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    back_off: Option<bool>,
}
