use super::*;

/// A route in namespace `shop` with these fields of its spec, in flow style.
fn route(kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\n\
         metadata: {{name: web, namespace: shop}}\nspec: {{{spec}}}\n"
    )
}

/// A rule from service v1 to v2 with more fields of the mirror and of the rule.
fn rule(mirror: &str, more: &str) -> String {
    format!(
        "{{backendRefs: [{{name: v1, port: 80}}], filters: [{{type: RequestMirror, \
         requestMirror: {{backendRef: {{name: v2, port: 81}}, {mirror}}}}}], {more}}}"
    )
}

fn http(rules: &str) -> String {
    route("HTTPRoute", &format!("rules: [{rules}]"))
}

fn plain(path: &str) -> String {
    format!("{{matches: [{{path: {{{path}}}}}], backendRefs: [{{name: v1, port: 80}}]}}")
}

#[test]
fn shares_are_percent_or_fraction() {
    for (mirror, expected) in [
        ("", "shop/v1:80 -> service/shop/v2:81"),
        (
            "percent: 42",
            "shop/v1:80 -> service/shop/v2:81,sample=42 %",
        ),
        (
            "fraction: {numerator: 5}",
            "shop/v1:80 -> service/shop/v2:81,sample=5 %",
        ),
        (
            "fraction: {numerator: 1, denominator: 1000000}",
            "shop/v1:80 -> service/shop/v2:81,sample=0.0001 %",
        ),
        ("percent: 0", ""),
        ("fraction: {numerator: 0}", ""),
    ] {
        assert_eq!(
            routes(&plan(&http(&rule(mirror, "")))).concat(),
            expected,
            "{mirror}"
        );
    }
    for (mirror, expected) in [
        ("percent: 101", "percent: is no whole number from 0 to 100"),
        ("percent: 0.5", "percent: is no whole number from 0 to 100"),
        (
            "percent: 1, fraction: {numerator: 1}",
            "fraction: and percent exclude each other",
        ),
        (
            "fraction: {numerator: 101}",
            "fraction: is more than the whole",
        ),
        (
            "fraction: {numerator: 0, denominator: 0}",
            "fraction.denominator: is no whole",
        ),
        (
            "fraction: {denominator: 2}",
            "fraction.numerator: is missing",
        ),
    ] {
        let error = refused(&http(&rule(mirror, "")));
        let at = "HTTPRoute shop/web (web.yaml): spec.rules[0].filters[0].requestMirror.";
        assert!(error.starts_with(&format!("{at}{expected}")), "{error}");
    }
}

#[test]
fn several_filters_and_backends_make_several_mirrors() {
    let mirror = |name: &str| {
        format!(
            "{{type: RequestMirror, requestMirror: {{backendRef: {{name: {name}, port: 80}}}}}}"
        )
    };
    let plan = plan(&http(&format!(
        "{{filters: [{}, {}], backendRefs: [{{name: a, port: 80}}, {{name: b, port: 80, weight: 0}}, \
         {{name: c, port: 80, filters: [{}]}}]}}",
        mirror("v2"),
        mirror("v3"),
        mirror("v4")
    )));
    assert_eq!(
        routes(&plan),
        [
            "shop/a:80 -> service/shop/v2:80 + service/shop/v3:80",
            "shop/c:80 -> service/shop/v2:80 + service/shop/v3:80 + service/shop/v4:80",
        ]
    );
}

#[test]
fn the_most_specific_match_comes_first() {
    let plan = plan(&http(&[
        rule("", "matches: [{path: {value: /}}]"),
        plain("value: /api"),
        rule("", "matches: [{path: {value: /api/v2}}, {path: {value: /api}, method: POST}]"),
        plain("type: Exact, value: /api/v2/x"),
        plain("type: RegularExpression, value: '/api/v2/y+'"),
        rule("", "matches: [{path: {value: /api}, headers: [{name: X-A, value: '1'}, {name: x-a, value: '2'}]}]"),
    ]
    .join(", ")));
    assert_eq!(plan.rules.len(), 1);
    assert_eq!(ignored(&plan), ["spec.rules[5].matches[0].headers[1]"]);
    let rule = &plan.rules[0];
    for (target, lines, expected) in [
        ("/", "", true),
        ("/apix", "", true),
        ("/api", "", false),
        ("/api/", "", false),
        ("/api", "X-A: 1\r\n", true),
        ("/api", "X-A: 2\r\n", false),
        ("/api/v2", "", true),
        ("/api/v2/", "", true),
        ("/api/v2x", "", false),
        ("/api/v2/x", "", false),
        ("/api/v2/x/", "", true),
        ("/api/v2/yy", "", false),
        ("/api/v2/yyx", "", true),
    ] {
        assert_eq!(mirrors(rule, target, lines), expected, "{target} {lines}");
    }
}

#[test]
fn queries_and_methods_count() {
    let plan = plan(&http(&rule(
        "",
        "matches: [{method: GET, queryParams: [{name: a, value: '1'}, {type: RegularExpression, name: b, value: '[0-9]+'}]}]",
    )));
    assert!(mirrors(&plan.rules[0], "/x?a=1&b=22", ""));
    assert!(!mirrors(&plan.rules[0], "/x?a=1&b=2x", ""));
    assert!(!mirrors(&plan.rules[0], "/x?a=1", ""));
}

#[test]
fn another_namespace_needs_a_grant() {
    let text = http(&rule("", "").replace("name: v2", "name: v2, namespace: other"));
    let grant = |from: &str, to: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n\
             metadata: {{name: g, namespace: other}}\nspec: {{from: [{from}], to: [{to}]}}\n"
        )
    };
    let from = |kind: &str, namespace: &str| {
        format!("{{group: gateway.networking.k8s.io, kind: {kind}, namespace: {namespace}}}")
    };
    let service = "{group: '', kind: Service}";
    for (from, to, expected) in [
        (from("HTTPRoute", "shop"), service, true),
        (
            from("HTTPRoute", "shop"),
            "{group: '', kind: Service, name: v2}",
            true,
        ),
        (
            from("HTTPRoute", "shop"),
            "{group: '', kind: Service, name: v3}",
            false,
        ),
        (
            from("HTTPRoute", "shop"),
            "{group: '', kind: Secret}",
            false,
        ),
        (from("GRPCRoute", "shop"), service, false),
        (from("HTTPRoute", "default"), service, false),
    ] {
        let plan = plan(&format!("{text}{}", grant(&from, to)));
        assert_eq!(!plan.rules.is_empty(), expected, "{from} {to}");
    }
    let alone = plan(&text);
    assert_eq!(
        refusals(&alone),
        ["target spec.rules[0].filters[0].requestMirror.backendRef"]
    );
    assert!(
        alone.refused[0]
            .why
            .contains("a ReferenceGrant there (from HTTPRoute of namespace shop to Service)")
    );
}

#[test]
fn a_call_is_a_path() {
    for (method, hits, misses) in [
        ("{service: a.B, method: C}", "/a.B/C", "/a.B/CC"),
        ("{service: a.B}", "/a.B/C", "/a.BB/C"),
        ("{method: C}", "/a.B/C", "/a/b/C"),
        (
            "{type: RegularExpression, service: 'a.*', method: 'C|D'}",
            "/a.B/D",
            "/a.B/DD",
        ),
    ] {
        let plan = plan(&route(
            "GRPCRoute",
            &format!(
                "rules: [{}]",
                rule("", &format!("matches: [{{method: {method}}}]"))
            ),
        ));
        assert_eq!(ignored(&plan), ["spec"], "HTTP/2 is told");
        assert!(mirrors(&plan.rules[0], hits, ""), "{method}");
        assert!(!mirrors(&plan.rules[0], misses, ""), "{method}");
    }
}

#[test]
fn hostnames_matter_unless_the_parent_is_a_service() {
    let with = |parent: &str| {
        plan(&route(
            "HTTPRoute",
            &format!(
                "parentRefs: [{parent}], hostnames: [a.example], rules: [{}]",
                rule("", "")
            ),
        ))
    };
    let gateway = with("{name: gw}");
    assert_eq!(ignored(&gateway), ["spec.parentRefs"]);
    assert!(!mirrors(&gateway.rules[0], "/", ""));
    assert!(mirrors(&gateway.rules[0], "http://A.example/", ""));
    assert!(mirrors(
        &with("{kind: Service, group: '', name: v1}").rules[0],
        "/",
        ""
    ));
}

#[test]
fn what_is_not_acted_on_is_told() {
    let plan = plan(&http(&format!(
        "{{timeouts: {{}}, extra: 1, filters: [{{type: URLRewrite, urlRewrite: {{}}}}, {{type: New}}], \
         backendRefs: [{{kind: ServiceImport, name: x}}]}}, {}",
        rule("new: 1", "filters2: 1").replace("name: v2", "name: v1")
    )));
    assert!(plan.rules.is_empty());
    assert_eq!(
        ignored(&plan),
        [
            "spec.rules[0].filters[0]",
            "spec.rules[0].filters[1]",
            "spec.rules[0].backendRefs[0]",
            "spec.rules[0].timeouts",
            "spec.rules[0].extra",
            "spec.rules[1].filters[0].requestMirror.new",
            "spec.rules[1].filters2",
            "spec.rules[1].filters[0].requestMirror.backendRef",
        ]
    );
    assert!(plan.ignored[7].why.starts_with("leads back to the pods"));
}

#[test]
fn fields_that_are_wrong_are_refused_by_path() {
    for (rule, expected) in [
        (
            "{backendRefs: [{name: v1}]}",
            "backendRefs[0].port: is missing",
        ),
        (
            "{backendRefs: [{port: 1}]}",
            "backendRefs[0].name: is missing",
        ),
        ("{filters: [{}]}", "filters[0].type: is missing"),
        (
            "{filters: [{type: RequestMirror}]}",
            "filters[0].requestMirror: is missing",
        ),
        (
            "{matches: [{path: {type: X, value: /}}]}",
            "matches[0].path.type: is none of",
        ),
        (
            "{matches: [{path: {value: x}}]}",
            "matches[0].path.value: does not start with /",
        ),
        (
            "{matches: [{headers: [{name: a}]}]}",
            "matches[0].headers[0].value: is missing",
        ),
    ] {
        let error = refused(&http(rule));
        let expected = format!("HTTPRoute shop/web (web.yaml): spec.rules[0].{expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
}
