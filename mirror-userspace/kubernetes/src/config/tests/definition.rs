//! The definition of `TrafficMirror`, made from types, as `deploy/` has it, and its rules.

use std::{collections::BTreeMap, env, fs, path::Path};

use kube::{CustomResource, CustomResourceExt as _, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::parse;

const FILE: &str = "../../deploy/components/definitions/trafficmirrors.yaml";
/// From there.
const CHART: &str = "../../helm/podmirror/crds/trafficmirrors.yaml";
const HEADER: &str = "\
# Made from the types in mirror-userspace/kubernetes/src/config/tests/definition.rs:
#   WRITE_DEFINITION=1 cargo test -p mirror-kubernetes --lib definition
";

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
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrafficMirrorSpec {
    /// Whose requests are mirrored: pods of this document's namespace.
    source: Source,
    /// Where copies go. Each target gets its own share.
    #[schemars(length(min = 1, max = 16))]
    targets: Vec<Target>,
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
    /// Copies per second for each target, at most, from each node. Default: as the agent's flag `--max-rps` says.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_requests_per_second: Option<i32>,
}

#[test]
fn what_deploy_has_is_made_from_the_types() {
    let made = serde_json::to_value(TrafficMirror::crd()).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if env::var_os("WRITE_DEFINITION").is_some() {
        let text = serde_saphyr::to_string(&made).unwrap();
        fs::write(&file, format!("{HEADER}{text}")).unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    let of_chart = file.parent().unwrap().join(CHART);
    if env::var_os("WRITE_DEFINITION").is_some() {
        fs::write(&of_chart, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&of_chart).unwrap(), text);
    assert!(text.starts_with(HEADER));
    let held: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(held, made, "see the top of {FILE}");
}

/// What the API server would say of a spec by its rules.
fn by_rules(spec: &str) -> Result<(), String> {
    let text = format!(
        "apiVersion: podmirror.io/v1alpha1\nkind: TrafficMirror\nmetadata: {{name: web}}\nspec: {spec}"
    );
    let documents = parse("web.yaml", &text).unwrap();
    let value = Value::clone(&documents[0].value);
    let mirror: TrafficMirror = serde_json::from_value(value).unwrap();
    mirror.validate_cel().map_err(|error| format!("{error:?}"))
}

#[test]
fn the_rules_refuse_what_has_no_meaning() {
    let source = "source: {service: v1}";
    let targets = "targets: [{service: v2}]";
    let text = |path: &str| format!("filters: {{allow: [{{path: {path}}}]}}");
    for (source, targets, more, problem) in [
        (source, targets, String::new(), ""),
        (
            "source: {selector: {matchLabels: {a: b}}, ports: [80]}",
            targets,
            String::new(),
            "",
        ),
        (
            source,
            "targets: [{selector: {}, port: 80}]",
            String::new(),
            "",
        ),
        (source, targets, text("{prefix: /a}"), ""),
        (source, targets, text("{}"), ""),
        (source, targets, "rewrites: {host: a}".to_owned(), ""),
        ("source: {}", targets, String::new(), "exactly one of"),
        (
            "source: {service: v1, selector: {}}",
            targets,
            String::new(),
            "exactly one of",
        ),
        (
            "source: {selector: {}}",
            targets,
            String::new(),
            "ports are listed",
        ),
        (
            source,
            "targets: [{selector: {}}]",
            String::new(),
            "port is needed",
        ),
        (
            source,
            "targets: [{port: 80}]",
            String::new(),
            "exactly one of",
        ),
        (
            source,
            targets,
            text("{prefix: /a, exact: /b}"),
            "at most one of exact",
        ),
        (
            source,
            targets,
            "rewrites: {host: a, hostSuffix: b}".to_owned(),
            "at most one of host",
        ),
    ] {
        let said = by_rules(&format!("{{{source}, {targets}, {more}}}"));
        match problem {
            "" => assert_eq!(said, Ok(()), "{source} {targets} {more}"),
            _ => assert!(
                said.unwrap_err().contains(problem),
                "{source} {targets} {more}"
            ),
        }
    }
}

/// The API server takes a schema only if it is structural, and its rules only where what they walk is bounded.
#[test]
fn the_schema_is_one_that_an_api_server_takes() {
    let made = serde_json::to_value(TrafficMirror::crd()).unwrap();
    let schema = &made["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut seen = 0;
    walk(schema, "", &mut seen);
    assert!(seen > 30, "{seen}");
    assert_eq!(
        made["metadata"]["name"],
        json!("trafficmirrors.podmirror.io")
    );
}

fn walk(schema: &Value, path: &str, seen: &mut usize) {
    *seen += 1;
    for keyword in [
        "$ref",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "definitions",
        "$defs",
    ] {
        assert!(schema.get(keyword).is_none(), "{path} has {keyword}");
    }
    let kind = schema["type"]
        .as_str()
        .unwrap_or_else(|| panic!("{path} has no type"));
    if path.starts_with(".spec.") {
        match kind {
            "array" => assert!(schema["maxItems"].is_u64(), "{path}"),
            "string" => assert!(
                schema["maxLength"].is_u64()
                    || schema["enum"].is_array()
                    || path.contains("matchLabels"),
                "{path}"
            ),
            _ => {}
        }
        assert!(
            schema["description"].is_string() || path.ends_with("[]") || path.ends_with("{}"),
            "{path}"
        );
    }
    if let Some(properties) = schema["properties"].as_object() {
        assert!(schema.get("additionalProperties").is_none(), "{path}");
        for (name, property) in properties {
            walk(property, &format!("{path}.{name}"), seen);
        }
    }
    if let Some(items) = schema.get("items") {
        walk(items, &format!("{path}[]"), seen);
    }
    if let Some(values) = schema.get("additionalProperties") {
        walk(values, &format!("{path}{{}}"), seen);
    }
}
