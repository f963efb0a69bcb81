//! The definition of `TrafficMirror`, made from types, as `deploy/` has it, and its rules.

mod status;
mod types;

use std::{env, fs, path::Path};

use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use super::parse;
pub(super) use types::TrafficMirror;

const FILE: &str = "../../deploy/components/definitions/trafficmirrors.yaml";
/// From there.
const CHART: &str = "../../helm/podmirror/crds/trafficmirrors.yaml";
const HEADER: &str = "\
# Made from the types in mirror-userspace/kubernetes/src/config/tests/definition/types.rs:
#   WRITE_DEFINITION=1 cargo test -p mirror-kubernetes --lib definition
";

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

/// API servers, 1.20 for one, refuse a definition in which `null` is one of an enumeration's words, as of an `Option`.
#[test]
fn no_enumeration_has_null_in_it() {
    fn look(value: &Value) {
        match value {
            Value::Object(fields) => {
                let words = fields.get("enum").and_then(Value::as_array);
                assert!(
                    !words.is_some_and(|it| it.contains(&Value::Null)),
                    "{value}"
                );
                fields.values().for_each(look);
            }
            Value::Array(values) => values.iter().for_each(look),
            _ => {}
        }
    }
    look(&serde_json::to_value(TrafficMirror::crd()).unwrap());
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
        (
            source,
            "targets: [{service: v1b, role: baseline}, {service: v1c, role: baseline}, {service: v2, role: candidate}]",
            "groupPaths: ['/api/*']".to_owned(),
            "",
        ),
        (
            source,
            "targets: [{service: v2, role: candidate}]",
            "compare: v1".to_owned(),
            "",
        ),
        (
            source,
            "targets: [{service: v2, role: candidate}, {service: v3, role: candidate}]",
            String::new(),
            "at most one target has the role candidate",
        ),
        (
            source,
            "targets: [{service: a, role: baseline}, {service: b, role: baseline}, {service: c, role: baseline}]",
            String::new(),
            "at most two targets have the role baseline",
        ),
        (
            source,
            targets,
            "compare: v1".to_owned(),
            "compare needs a target",
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
