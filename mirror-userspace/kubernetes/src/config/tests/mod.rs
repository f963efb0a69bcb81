mod authority;
mod compared;
mod consent;
mod definition;
mod explained;
mod gateway;
mod istio;
mod istio_matches;
mod second_reader;
mod shares;
mod traffic_mirror;

use mirror_core::{
    policy::{FilterConfig, Policy},
    testing::with_head,
};
use serde_json::Value;

use super::*;
use crate::plan::Source;

/// Reads one file's text, whose documents have the consent of nobody.
fn plan(text: &str) -> Plan {
    plan_by(text, &Terms::default())
}

fn plan_by(text: &str, terms: &Terms) -> Plan {
    let documents = parse("web.yaml", text).unwrap();
    let plan = read(&documents, terms).unwrap_or_else(|error| panic!("{error}"));
    let again = read(&second_reader::reread(&documents), terms).unwrap();
    assert_eq!(
        format!("{:#?}", plan.rules),
        format!("{:#?}", again.rules),
        "{text}"
    );
    plan
}

/// The operator's consent to everything.
fn anything_goes() -> Terms {
    let all = || [String::from("*").parse::<NamespaceOrAll>().unwrap()];
    Terms {
        consent: Consent {
            cross_namespaces: all().into_iter().collect(),
            target_namespaces: all().into_iter().collect(),
            external_targets: vec!["*".parse().unwrap()],
        },
        ..Terms::default()
    }
}

/// The refusal of one file's text.
fn refused(text: &str) -> String {
    read(&parse("web.yaml", text).unwrap(), &Terms::default())
        .unwrap_err()
        .to_string()
}

/// Each rule as `source -> target, target`.
fn routes(plan: &Plan) -> Vec<String> {
    let source = |source: &Source| match source {
        Source::Service {
            service,
            ports,
            subset,
        } => {
            let port: String = ports.iter().map(|port| format!(":{port}")).collect();
            let subset: Vec<_> = subset
                .iter()
                .map(|(key, value)| format!("/{key}={value}"))
                .collect();
            format!("{service}{}{port}", subset.concat())
        }
        Source::Pods {
            selector, ports, ..
        } => format!("pods {selector} {ports:?}"),
    };
    let rules = plan.rules.iter().map(|rule| {
        let targets: Vec<_> = rule.targets.iter().map(ToString::to_string).collect();
        format!("{} -> {}", source(&rule.source), targets.join(" + "))
    });
    rules.collect()
}

/// The fields that are not acted on.
fn ignored(plan: &Plan) -> Vec<&str> {
    plan.ignored
        .iter()
        .map(|ignored| ignored.at.path.as_str())
        .collect()
}

/// The fields that ask for what is not allowed, each after the reason.
fn refusals(plan: &Plan) -> Vec<String> {
    let refused = plan.refused.iter();
    refused
        .map(|refusal| format!("{} {}", refusal.reason.name(), refusal.at.path))
        .collect()
}

/// Whether a rule mirrors a GET of this target with these field lines.
fn mirrors(rule: &Rule, target: &str, lines: &str) -> bool {
    let policy = Policy::new(rule.policy.clone()).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: web\r\n{lines}\r\n");
    with_head(head.as_bytes(), |head| policy.filter(head.into()).is_none())
}

#[test]
fn documents_that_are_none_are_refused_by_field() {
    for (text, expected) in [
        ("[]", "web.yaml: is no object"),
        ("kind: VirtualService", "web.yaml: apiVersion: is missing"),
        ("apiVersion: v1", "web.yaml: kind: is missing"),
        (
            "apiVersion: networking.istio.io/v2\nkind: VirtualService\nmetadata: {name: a}",
            "web.yaml: apiVersion: is not read; accepted: networking.istio.io/ and v1, v1beta1, v1alpha3",
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {}",
            "web.yaml: metadata.name: is missing",
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: A}",
            "web.yaml: metadata.namespace: is no namespace",
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}",
            "VirtualService default/a (web.yaml): spec: is no object",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn what_is_of_another_kind_is_told() {
    let plan = plan("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}");
    assert!(plan.rules.is_empty());
    let told = Ignored {
        at: At {
            document: "web.yaml".to_owned(),
            namespace: String::new(),
            path: "kind".to_owned(),
        },
        why: "Deployment is not read".to_owned(),
    };
    assert_eq!(plan.ignored, [told]);
}

#[test]
fn one_bad_document_does_not_keep_the_others_from_being_read() {
    let good = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: good}\n\
                spec: {hosts: [a], http: [{route: [{destination: {host: a}}], mirror: {host: b}}]}";
    let bad = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bad}\n\
               spec: {hosts: [a], http: 1}";
    let documents = parse("x", &format!("{bad}\n---\n{good}\n---\n{good}")).unwrap();
    let (plan, errors) = Reader::default().read_each(&documents);
    assert_eq!(routes(&plan), ["default/a -> service/default/b"]);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "VirtualService default/good (x, document 3): metadata.name: another document describes \
             the same object",
            "VirtualService default/bad (x, document 1): spec.http: is no list",
        ]
    );
    assert!(read(&documents, &Terms::default()).is_err());
}

#[test]
fn a_policy_of_flags_keeps_the_documents_routes() {
    let plan = plan(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n\
         spec: {hosts: [a], http: [{match: [{uri: {exact: /x}}], route: [{destination: {host: a}}], \
         mirror: {host: b}}]}",
    );
    let flags = PolicyConfig {
        sample_rate: "10%".parse().unwrap(),
        filter: FilterConfig {
            deny_fields: vec!["x-private".parse().unwrap()],
            ..FilterConfig::default()
        },
        ..PolicyConfig::default()
    };
    let plan = plan.with_policy(&flags);
    let rule = &plan.rules[0];
    assert_eq!(rule.policy.sample_rate, flags.sample_rate);
    assert!(mirrors(rule, "/x", ""));
    assert!(!mirrors(rule, "/y", ""));
    assert!(!mirrors(rule, "/x", "x-private: 1\r\n"));
}

#[test]
fn fields_that_are_told_are_bounded() {
    let fields: Vec<_> = (0..500).map(|number| format!("f{number}: 1")).collect();
    let text = format!(
        "{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: a}}, \
         spec: {{hosts: [a], {}}}}}",
        fields.join(", ")
    );
    let plan = plan(&text);
    assert_eq!(plan.ignored.len(), 101);
    assert_eq!(plan.ignored[100].why, "and more fields like these");
}

#[test]
fn a_watched_object_needs_no_file() {
    let value: Value = serde_json::json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "a", "namespace": "shop", "uid": "1", "managedFields": []},
        "spec": {"hosts": ["a"], "http": [{"timeout": "1s", "route": [{"destination": {"host": "a"}}], "mirror": {"host": "b"}}]},
        "status": {},
    });
    let document = Document {
        origin: String::new(),
        value: value.into(),
    };
    let plan = read(&[document], &Terms::default()).unwrap();
    assert_eq!(routes(&plan), ["shop/a -> service/shop/b"]);
    assert_eq!(plan.rules[0].name, "VirtualService shop/a http[0]");
    assert_eq!(plan.ignored[0].at.document, "VirtualService shop/a");
    assert_eq!(ignored(&plan), ["spec.http[0].timeout"]);
}
