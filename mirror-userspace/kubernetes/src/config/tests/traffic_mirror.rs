//! `TrafficMirror`: what it means, what it may name, and what is refused of it.

use super::*;

fn mirror(spec: &str) -> String {
    format!(
        "apiVersion: podmirror.io/v1alpha1\nkind: TrafficMirror\n\
         metadata: {{name: web, namespace: shop}}\nspec: {{{spec}}}\n---\n"
    )
}

const PLAIN: &str = "source: {service: v1}, targets: [{service: v2}]";

#[test]
fn sources_and_targets_are_services_or_pods_of_its_namespace() {
    for (spec, expected) in [
        (PLAIN, "shop/v1 -> service/shop/v2"),
        (
            "source: {service: v1, ports: [81, 80, 80]}, targets: [{service: v2, port: 8080, percent: 0.5}]",
            "shop/v1:80:81 -> service/shop/v2:8080,sample=0.5 %",
        ),
        (
            "source: {selector: {matchLabels: {app: web, v: '1'}}, ports: [80]}, \
             targets: [{selector: {matchExpressions: [{key: v, operator: NotIn, values: ['1']}, \
             {key: app, operator: Exists}]}, port: 80, host: web}]",
            "pods app=web,v=1 [80] -> pods/shop/v!=1,app:80,host=web",
        ),
        (
            "source: {service: v1}, targets: [{service: v2, percent: 100}, {service: v3, percent: 1}]",
            "shop/v1 -> service/shop/v2,sample=100 % + service/shop/v3,sample=1 %",
        ),
    ] {
        let plan = plan(&mirror(spec));
        assert_eq!(routes(&plan), [expected], "{spec}");
        assert_eq!(plan.rules[0].name, "TrafficMirror shop/web");
        assert_eq!(plan.rules[0].tenant.as_deref(), Some("shop"));
        assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);
    }
}

#[test]
fn what_is_off_or_leads_back_is_told() {
    for (spec, field) in [
        (format!("{PLAIN}, suspend: true"), "spec.suspend"),
        (
            "source: {service: v1}, targets: [{service: v2, percent: 0}]".to_owned(),
            "spec.targets[0]",
        ),
        (
            "source: {service: v1}, targets: [{service: v1, port: 81}]".to_owned(),
            "spec.targets[0]",
        ),
        (
            "source: {selector: {matchLabels: {a: b}}, ports: [80]}, \
             targets: [{selector: {matchLabels: {a: b}}, port: 80}]"
                .to_owned(),
            "spec.targets[0]",
        ),
        (
            format!("{PLAIN}, filters: {{deny: [{{path: {{prefix: /}}}}]}}"),
            "spec.filters",
        ),
    ] {
        let plan = plan(&mirror(&spec));
        assert!(plan.rules.is_empty(), "{spec}");
        assert_eq!(ignored(&plan), [field], "{spec}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_field() {
    let with = |more: &str| format!("{PLAIN}, {more}");
    for (spec, expected) in [
        (String::new(), "spec.source: is missing"),
        (
            "source: {service: v1}".to_owned(),
            "spec.targets: is missing",
        ),
        (
            "source: {service: v1}, targets: []".to_owned(),
            "spec.targets: is empty",
        ),
        (
            "source: {}, targets: [{service: v2}]".to_owned(),
            "spec.source: has not exactly one of service and selector",
        ),
        (
            "source: {selector: {}}, targets: [{service: v2}]".to_owned(),
            "spec.source.ports: is missing: with a selector the pods' ports are listed",
        ),
        (
            "source: {service: v1}, targets: [{selector: {}}]".to_owned(),
            "spec.targets[0].port: is missing: with a selector it is the pods' port",
        ),
        (
            "source: {service: other/v1}, targets: [{service: v2}]".to_owned(),
            "spec.source.service: is no name of a service",
        ),
        (
            "source: {service: v1}, targets: [{service: v2, percent: 101}]".to_owned(),
            "spec.targets[0].percent: \"101\" is above 100 %",
        ),
        (
            with("sampleBy: weather"),
            "spec.sampleBy: \"weather\" is nothing to sample by",
        ),
        (
            with("limits: {maxRequestsPerSecond: 0}"),
            "spec.limits.maxRequestsPerSecond: is no whole number from 1",
        ),
        (
            with("limits: {backOff: 'off'}"),
            "spec.limits.backOff: is neither true nor false",
        ),
        (
            with("filters: {allow: [{}]}"),
            "spec.filters.allow[0]: names none of",
        ),
        (
            with("filters: {allow: [{path: {regex: '('}}]}"),
            "spec.filters.allow[0].path.regex: ",
        ),
        (
            with("rewrites: {setHeaders: [{name: Content-Length, value: '1'}]}"),
            "spec.rewrites.setHeaders[0].name: \"Content-Length\" frames the request",
        ),
        (
            with("rewrites: {setHeaders: [{name: a, value: \"b\\nc: d\"}]}"),
            "spec.rewrites.setHeaders[0].value: ",
        ),
        (
            with("rewrites: {removeHeaders: [a]}, redact: {headers: [A]}"),
            "spec.redact.headers[0]: is a header that is set, removed or redacted before",
        ),
        (
            with("rewrites: {paths: [{prefix: '/a=b', replacement: /c}]}"),
            "spec.rewrites.paths[0].prefix: ",
        ),
        (
            with("rewrites: {host: a, hostSuffix: -b}"),
            "spec.rewrites: has both",
        ),
    ] {
        let said = refused(&mirror(&spec));
        let expected = format!("TrafficMirror shop/web (web.yaml): {expected}");
        assert!(said.starts_with(&expected), "{spec}\n{said}");
    }
    let ports: Vec<_> = (1..18).map(|port| port.to_string()).collect();
    let many = format!(
        "source: {{service: v1, ports: [{}]}}, targets: [{{service: v2}}]",
        ports.join(", ")
    );
    let said = refused(&mirror(&many));
    assert!(
        said.ends_with("spec.source.ports: has more than 16 items"),
        "{said}"
    );
}

#[test]
fn deny_wins_however_a_path_is_spelled() {
    let plan = plan(&mirror(&format!(
        "{PLAIN}, filters: {{deny: [{{path: {{prefix: /admin}}}}, {{headers: [{{name: x-private}}]}}], \
         allow: [{{method: {{exact: GET}}, path: {{prefix: /}}}}]}}"
    )));
    let rule = &plan.rules[0];
    assert!(mirrors(rule, "/a", ""));
    for denied in ["/admin", "/%61dmin", "//admin/x", "/a/../admin/x"] {
        assert!(!mirrors(rule, denied, ""), "{denied}");
    }
    assert!(!mirrors(rule, "/a", "X-Private: 1\r\n"));
}

/// Another namespace's services take the same consent as a route's.
#[test]
fn what_is_of_another_namespace_takes_its_consent() {
    let elsewhere = "source: {service: v1}, targets: [{service: v2, namespace: bank}]";
    let asked = plan(&mirror(elsewhere));
    assert_eq!(refusals(&asked), ["target spec.targets[0]"]);
    let why = asked.refused[0].to_string();
    assert!(
        why.contains("from TrafficMirror of namespace shop to Service"),
        "{why}"
    );
    let grant = authority::grant(
        "bank",
        "podmirror.io",
        "TrafficMirror",
        "shop",
        "{group: '', kind: Service, name: v2}",
    );
    let granted = plan(&(mirror(elsewhere) + &grant));
    assert_eq!(routes(&granted), ["shop/v1 -> service/bank/v2"]);
    let other = grant.replace("kind: TrafficMirror", "kind: HTTPRoute");
    let other = other.replace("group: podmirror.io", "group: gateway.networking.k8s.io");
    assert_eq!(plan(&(mirror(elsewhere) + &other)).rules.len(), 0);

    let pods = "source: {service: v1}, targets: [{selector: {}, port: 80, namespace: bank}]";
    assert_eq!(
        refusals(&plan(&(mirror(pods) + &grant))),
        ["target spec.targets[0]"]
    );
    let allowed = plan_by(&mirror(pods), &anything_goes());
    assert_eq!(routes(&allowed), ["shop/v1 -> pods/bank/:80"]);
}

#[test]
fn quotas_of_a_namespace_hold() {
    let terms = Terms {
        quotas: Quotas {
            mirrors: 1,
            patterns: 20 << 10,
        },
        ..Terms::default()
    };
    let two = "source: {service: v1}, targets: [{service: v2}, {service: v3}]";
    assert_eq!(refusals(&plan_by(&mirror(two), &terms)), ["quota spec"]);
    let heavy = format!("{PLAIN}, filters: {{allow: [{{path: {{regex: '/(a|b){{200}}'}}}}]}}");
    let plan = plan_by(&mirror(&heavy), &terms);
    assert_eq!(refusals(&plan), ["quota spec.filters.allow[0].path.regex"]);
}

#[test]
fn the_operators_flags_hold_beside_it() {
    let plan = plan(&mirror(&format!(
        "{PLAIN}, sampleBy: client-ip, filters: {{deny: [{{path: {{prefix: /x}}}}]}}, \
         redact: {{headers: [Cookie]}}, limits: {{maxRequestsPerSecond: 7}}"
    )));
    let flags = PolicyConfig {
        filter: FilterConfig {
            deny_paths: vec!["/y*".parse().unwrap()],
            ..FilterConfig::default()
        },
        ..PolicyConfig::default()
    };
    let plan = plan.with_policy(&flags);
    let rule = &plan.rules[0];
    assert!(mirrors(rule, "/a", ""));
    assert!(!mirrors(rule, "/x", "") && !mirrors(rule, "/y", ""));
    assert_eq!(rule.policy.sample_by.to_string(), "client-ip");
    assert_eq!(rule.policy.rewrite.redact_fields.len(), 1);
    assert_eq!(rule.max_rps.map(u32::from), Some(7));
}

#[test]
fn whether_overloaded_targets_get_less_is_its_own_choice() {
    for (limits, chosen, words) in [
        ("{}", None, None),
        ("{backOff: true}", Some(true), Some("  fewer to")),
        ("{backOff: false}", Some(false), Some("  no fewer to")),
    ] {
        let plan = plan(&mirror(&format!("{PLAIN}, limits: {limits}")));
        let plan = plan.with_policy(&PolicyConfig::default());
        assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);
        assert_eq!(plan.rules[0].back_off, chosen);
        let text = plan.to_string();
        let said = text.lines().find(|line| line.contains("overloaded"));
        assert_eq!(said.is_some(), words.is_some(), "{text}");
        assert!(
            said.unwrap_or_default()
                .starts_with(words.unwrap_or_default())
        );
    }
}

#[test]
fn all_of_it_in_words() {
    let plan = plan(&mirror(
        "source: {selector: {matchLabels: {app: web}}, ports: [80]}, \
         targets: [{service: v2, percent: 10}, {selector: {}, port: 81}], sampleBy: 'header:x-user', \
         filters: {deny: [{path: {prefix: /admin}}]}, \
         rewrites: {host: web, setHeaders: [{name: X-Env, value: shadow}], removeHeaders: [x-a], \
         paths: [{prefix: /v1, replacement: /v2}], forwardedFor: true}, \
         redact: {headers: [Authorization]}, limits: {maxRequestsPerSecond: 100}, color: red",
    ));
    assert_eq!(
        plan.to_string(),
        "\
TrafficMirror shop/web
  copies requests that come to the pods with app=web of namespace shop, port 80
  the first of these that holds decides, and nothing else is copied:
    1. the path, however it is spelled, starts with \"/admin\": not copied
    2. every request: copied
  sampled by header:x-user
  with the header X-Env set
  without the header x-a
  with the header Authorization redacted
  with the host web
  with other beginnings of paths
  with the client in X-Forwarded-For
  10 % of them to the pods of service shop/v2, the service's port
  all of them to all pods of namespace shop, port 81
  at most 100 per second to each target, from all nodes together

Not acted on:
  TrafficMirror shop/web (web.yaml)
    spec.color: not known to podmirror
"
    );
}
