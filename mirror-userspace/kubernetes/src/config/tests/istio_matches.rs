use super::{
    istio::{HEAD, route, service},
    *,
};

#[test]
fn the_first_route_that_matches_decides() {
    let plan = plan(&service(&format!(
        "{{match: [{{uri: {{exact: /health}}}}, {{headers: {{x-test: {{}}}}}}], route: [{{destination: {{host: v1}}}}]}}, {}, {}",
        route("match: [{uri: {prefix: /api}, ignoreUriCase: true}]"),
        route("match: [{uri: {regex: '/v\\d+'}, withoutHeaders: {x-old: {exact: '1'}}}]"),
    )));
    assert_eq!(
        plan.rules.len(),
        1,
        "routes of one source and one target are one rule"
    );
    assert_eq!(
        plan.rules[0].name,
        "VirtualService shop/web http[1], http[2]"
    );
    for (target, lines, expected) in [
        ("/api", "", true),
        ("/API/x", "", true),
        ("/api", "X-Test: 0\r\n", false),
        ("/health", "", false),
        ("/v12", "", true),
        ("/v12", "x-old: 2\r\n", true),
        ("/v12", "x-old: 1\r\n", false),
        ("/v12/x", "", false),
        ("/", "", false),
    ] {
        assert_eq!(
            mirrors(&plan.rules[0], target, lines),
            expected,
            "{target} {lines}"
        );
    }
}

#[test]
fn every_condition_of_a_match_counts() {
    let plan = plan(&service(&route(
        "match: [{method: {exact: GET}, authority: {prefix: we}, \
         headers: {a: {exact: '1'}, b: {regex: '*'}, uri: {exact: x}, ':authority': {exact: web}}, \
         queryParams: {q: {regex: '\\d+$'}, p: {}}}]",
    )));
    let rule = &plan.rules[0];
    assert_eq!(ignored(&plan), ["spec.http[0].match[0].headers[\"uri\"]"]);
    let lines = "A: 1\r\nB:\r\n";
    assert!(mirrors(rule, "/?p&q=12", lines));
    for (target, lines) in [
        ("/?p&q=a12", lines),
        ("/?q=12", lines),
        ("/?p&q=12", "A: 1\r\n"),
        ("/?p&q=12", "A: 2\r\nB:\r\n"),
    ] {
        assert!(!mirrors(rule, target, lines), "{target} {lines}");
    }
}

#[test]
fn what_a_request_does_not_show_is_left_to_nobody() {
    for unseen in [
        "sourceLabels: {app: a}",
        "sourceNamespace: a",
        "scheme: {exact: https}",
        "gateways: [istio-system/gw]",
    ] {
        let plan = plan(&service(&format!(
            "{}, {}",
            route(&format!("match: [{{uri: {{prefix: /a}}, {unseen}}}]")),
            route("")
        )));
        let name = unseen.split(':').next().unwrap();
        assert_eq!(ignored(&plan), [format!("spec.http[0].match[0].{name}")]);
        assert!(!mirrors(&plan.rules[0], "/a", ""), "{unseen}");
        assert!(mirrors(&plan.rules[0], "/b", ""), "{unseen}");
    }
    let all = plan(&service(&route("match: [{gateways: [mesh, gw]}]")));
    assert_eq!(all.ignored, []);
    assert!(mirrors(&all.rules[0], "/", ""));
}

#[test]
fn a_port_that_is_asked_for_is_the_source_port() {
    let one = plan(&service(&route("match: [{port: 8080}]")));
    assert_eq!(routes(&one), ["shop/v1:8080 -> service/shop/v2"]);
    assert!(mirrors(&one.rules[0], "/", ""));
    let two = plan(&service(
        "{match: [{port: 81}], route: [{destination: {host: v1}}]}, \
         {match: [{port: 80, uri: {prefix: /a}}, {port: 81}], \
         route: [{destination: {host: v1, port: {number: 80}}}], mirror: {host: v2}}",
    ));
    assert_eq!(routes(&two), ["shop/v1:80 -> service/shop/v2"]);
    assert!(mirrors(&two.rules[0], "/a", ""));
    assert!(!mirrors(&two.rules[0], "/b", ""));
    let mixed = plan(&service(&route(
        "match: [{port: 80, uri: {prefix: /a}}, {uri: {prefix: /}}]",
    )));
    assert!(
        !mirrors(&mixed.rules[0], "/a", ""),
        "it may have come to another port"
    );
    assert!(mirrors(&mixed.rules[0], "/b", ""));
    assert_eq!(ignored(&mixed), ["spec.http[0].mirror"], "and it is told");
}

#[test]
fn matches_on_several_ports_are_a_source_for_each() {
    let plan = plan(&service(&route(
        "match: [{port: 80, uri: {prefix: /a}}, {port: 8080}]",
    )));
    assert_eq!(
        routes(&plan),
        [
            "shop/v1:80 -> service/shop/v2",
            "shop/v1:8080 -> service/shop/v2"
        ]
    );
    assert_eq!(
        plan.rules[0].name,
        "VirtualService shop/web http[0] to shop/v1 port 80"
    );
    assert!(mirrors(&plan.rules[0], "/a", "") && !mirrors(&plan.rules[0], "/b", ""));
    assert!(mirrors(&plan.rules[1], "/b", ""));
    assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);
}

#[test]
fn more_ports_than_can_be_mirrored_are_told() {
    let ports: Vec<_> = (1..=17).map(|port| format!("{{port: {port}}}")).collect();
    let plan = plan(&service(&route(&format!("match: [{}]", ports.join(", ")))));
    assert!(plan.rules.is_empty());
    assert_eq!(ignored(&plan), ["spec.http[0].mirror"]);
}

#[test]
fn hosts_matter_where_none_is_a_service() {
    let with = |hosts: &str| {
        plan(&format!(
            "{HEAD}spec: {{hosts: {hosts}, gateways: [gw], http: [{}]}}",
            route("")
        ))
    };
    let outside = with("[example.com, '*.example.com']");
    assert_eq!(ignored(&outside), ["spec.gateways"]);
    assert!(!mirrors(&outside.rules[0], "/", ""));
    assert!(mirrors(&outside.rules[0], "http://www.example.com:80/", ""));
    for any in [
        "[example.com, web]",
        "['*']",
        "[web.shop.svc.cluster.local]",
    ] {
        assert!(mirrors(&with(any).rules[0], "/", ""), "{any}");
    }
    let delegate = plan(&format!("{HEAD}spec: {{http: [{}]}}", route("")));
    assert!(delegate.rules.is_empty());
    assert_eq!(ignored(&delegate), ["spec"]);
}
