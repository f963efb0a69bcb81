//! What `podmirror explain` prints, word for word.

use super::{istio::TUTORIAL, plan};

#[test]
fn the_tutorial_in_words() {
    assert_eq!(
        plan(TUTORIAL).to_string(),
        "\
VirtualService default/web-service http[0]
  copies requests that come to the pods of service default/web-service with version=v1, every TCP port of the service
  every request
  100 % of them to the pods of service default/web-service with version=v2, the service's port
"
    );
}

#[test]
fn conditions_and_what_is_not_acted_on_in_words() {
    let text = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: ['*.example.com']
  http:
  - match: [{uri: {exact: /health}}]
    route: [{destination: {host: v1}}]
  - match: [{uri: {prefix: /Api}, ignoreUriCase: true, headers: {x-user: {}}}, {method: {regex: PUT|POST}}]
    timeout: 1s
    route: [{destination: {host: v1, port: {number: 8080}}}]
    mirrors:
    - {destination: {host: v2, port: {number: 80}}, percentage: {value: 0.5}}
    - {destination: {host: v1}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: v1}
";
    assert_eq!(
        plan(text).to_string(),
        "\
VirtualService default/web http[1]
  copies requests that come to the pods of service default/v1, service port 8080
  for host *.example.com
  the first of these that holds decides, and nothing else is copied:
    1. the path is \"/health\": not copied
    2. the path starts with \"/Api\" in any case and the header x-user is there: copied
    3. the method matches \"PUT|POST\": copied
  0.5 % of them to the pods of service default/v2, service port 80

Not acted on:
  web.yaml, document 2
    kind: ConfigMap is not read
  VirtualService default/web (web.yaml, document 1)
    spec.http[1].timeout: podmirror does not stand in the path of requests
    spec.http[1].mirrors[1].destination: leads back to the pods whose requests are mirrored, default/v1 port 8080
"
    );
    assert_eq!(plan("").to_string(), "Nothing is mirrored.\n");
}

/// A tutorial's one service, of which v1 and v2 are subsets, and one that has a service for each.
#[test]
fn a_service_that_leads_live_requests_to_v2_is_warned_of() {
    let service = |name: &str, selector: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{{selector}}}}}\n"
        )
    };
    let one = plan(&(TUTORIAL.to_owned() + &service("web-service", "app: web")));
    assert_eq!(one.warnings.len(), 1);
    let warned = "\nWarnings:\n  service default/web-service selects the pods of \
                  service/default/web-service/version=v2, too: unless a mesh keeps them apart, they serve live \
                  requests as well; give the pods that are mirrored a service of their own\n";
    assert!(one.to_string().ends_with(warned), "{one}");

    let mirror = |target: &str| {
        format!(
            "apiVersion: podmirror.io/v1alpha1\nkind: TrafficMirror\nmetadata: {{name: web}}\n\
             spec: {{source: {{service: web}}, targets: [{target}]}}\n"
        )
    };
    let v2 = service("v2", "app: web, version: v2");
    let by_label = "{selector: {matchLabels: {app: web, version: v2}}, port: 80}";
    for (target, of_web, warnings) in [
        ("{service: v2}", "app: web", 1),
        ("{service: v2}", "app: web, version: v1", 0),
        ("{service: v3}", "app: web", 0),
        (by_label, "app: web", 1),
        (by_label, "app: web, version: v1", 0),
    ] {
        let plan = plan(&(mirror(target) + &v2 + &service("web", of_web)));
        assert_eq!(plan.warnings.len(), warnings, "{target} {of_web}");
        assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);
    }
}

/// A target whose pods are those that are mirrored: by labels, whatever its name is.
#[test]
fn a_target_that_is_itself_a_source_is_warned_of() {
    let mirror = |source: &str, target: &str| {
        format!(
            "apiVersion: podmirror.io/v1alpha1\nkind: TrafficMirror\nmetadata: {{name: web}}\n\
             spec: {{source: {{{source}}}, targets: [{target}]}}\n"
        )
    };
    let service = |name: &str, selector: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{{selector}}}}}\n"
        )
    };
    let by_label = "selector: {matchLabels: {app: web, version: v1}}, ports: [80]";
    for (source, target, v2, warned) in [
        ("service: v1", "{service: v2}", "app: web", true),
        ("service: v1", "{service: v2}", "version: v1", true),
        (
            "service: v1",
            "{service: v2}",
            "app: web, version: v2",
            false,
        ),
        (
            "service: v1",
            "{service: v2}",
            "app: web, version: v1, track: canary",
            false,
        ),
        ("service: v1", "{service: v3}", "app: web", false),
        (by_label, "{service: v2}", "app: web", true),
        (by_label, "{service: v2}", "version: v2", false),
        (
            by_label,
            "{selector: {matchLabels: {app: web}}, port: 80}",
            "version: v2",
            true,
        ),
        // Another condition may keep them out.
        (
            by_label,
            "{selector: {matchLabels: {app: web}, matchExpressions: [{key: version, operator: NotIn, values: [v1]}]}, port: 80}",
            "version: v2",
            false,
        ),
    ] {
        let text =
            mirror(source, target) + &service("v1", "app: web, version: v1") + &service("v2", v2);
        let plan = plan(&text);
        let says =
            |it: &&String| it.contains("selects pods that are mirrored, too: those get no copies");
        assert_eq!(
            plan.warnings.iter().any(|it| says(&it)),
            warned,
            "{source} {target} {v2}: {plan}"
        );
    }
}
