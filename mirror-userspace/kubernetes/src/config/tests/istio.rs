use super::*;

/// The tutorial that everybody follows, as it is written.
pub(super) const TUTORIAL: &str = "\
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: web-service
spec:
  hosts:
    - web-service
  http:
  - route:
    - destination:
        host: web-service
        subset: v1
      weight: 100
    mirror:
      host: web-service
      subset: v2
    mirrorPercentage:
      value: 100.0
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata:
  name: web-service
spec:
  host: web-service
  subsets:
  - name: v1
    labels:
      version: v1
  - name: v2
    labels:
      version: v2
";

pub(super) const HEAD: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
                    metadata: {name: web, namespace: shop}\n";

/// A VirtualService for service `web` with these HTTP routes, in flow style.
pub(super) fn service(http: &str) -> String {
    format!("{HEAD}spec: {{hosts: [web], http: [{http}]}}")
}

/// A route from service `v1` to `v2` with more fields.
pub(super) fn route(more: &str) -> String {
    format!("{{route: [{{destination: {{host: v1}}}}], mirror: {{host: v2}}, {more}}}")
}

/// What goes to `v2` by a route with these fields: the rate, `all`, or `off`.
fn share(more: &str) -> String {
    let plan = plan(&service(&route(more)));
    match plan.rules.first().map(|rule| rule.targets[0].sample) {
        None => "off".to_owned(),
        Some(None) => "all".to_owned(),
        Some(Some(rate)) => rate.to_string(),
    }
}

#[test]
fn the_tutorial_works_unchanged() {
    let plan = plan(TUTORIAL);
    assert_eq!(
        routes(&plan),
        ["default/web-service/version=v1 -> service/default/web-service/version=v2,sample=100 %"]
    );
    assert_eq!(plan.ignored, []);
    assert!(mirrors(&plan.rules[0], "/anything", ""));
    assert!(
        plan.rules[0].policy.filter.route.is_none(),
        "no condition, no cost"
    );
    for version in ["v1", "v1beta1"] {
        let text = TUTORIAL.replace("v1alpha3", version);
        assert_eq!(routes(&super::plan(&text)), routes(&plan));
    }
}

#[test]
fn absent_is_all_zero_is_off_and_steps_are_exact() {
    for (more, expected) in [
        ("", "all"),
        ("mirrorPercentage: {value: 0}", "off"),
        ("mirrorPercentage: {value: 0.0}", "off"),
        ("mirrorPercentage: {}", "off"),
        ("mirrorPercentage: {value: 0.0001}", "0.0001 %"),
        ("mirrorPercentage: {value: 33.3333}", "33.3333 %"),
        ("mirrorPercentage: {value: 100}", "100 %"),
        ("mirrorPercentage: null", "all"),
        ("mirrorPercent: 25", "25 %"),
        ("mirror_percent: 25", "25 %"),
        ("mirror_percent: 0", "off"),
        ("mirrorPercent: 25, mirrorPercentage: {value: 50}", "50 %"),
    ] {
        assert_eq!(share(more), expected, "{more}");
    }
    let plan = plan(&service(&route("mirrorPercentage: {value: 0}")));
    assert_eq!(ignored(&plan), ["spec.http[0].mirror"]);
    assert_eq!(plan.ignored[0].why, "0 % switches this mirror off");
}

#[test]
fn what_is_no_share_is_refused_by_path() {
    let at = "VirtualService shop/web (web.yaml): spec.http[0].";
    for (more, expected) in [
        (
            "mirrorPercentage: {value: 100.1}",
            "mirrorPercentage.value: \"100.1\" is above 100 %",
        ),
        (
            "mirrorPercentage: {value: -1}",
            "mirrorPercentage.value: \"-1\" is negative",
        ),
        (
            "mirrorPercentage: {value: '5'}",
            "mirrorPercentage.value: is no number of per cent",
        ),
        ("mirrorPercentage: 5", "mirrorPercentage: is no object"),
        (
            "mirrorPercent: 101",
            "mirrorPercent: is no whole number from 0 to 100",
        ),
        (
            "mirror_percent: 0.5",
            "mirror_percent: is no whole number from 0 to 100",
        ),
        ("mirrors: []", "mirrors: and mirror exclude each other"),
    ] {
        let error = refused(&service(&route(more)));
        assert!(error.starts_with(&format!("{at}{expected}")), "{error}");
    }
}

#[test]
fn each_of_several_mirrors_has_a_percentage_of_its_own() {
    let text = service(
        "{route: [{destination: {host: v1}}], mirrors: [\
         {destination: {host: v2, port: {number: 81}}, percentage: {value: 12.5}}, \
         {destination: {host: v3}}, \
         {destination: {host: v4}, percentage: {value: 0}}, \
         {destination: {host: shadow.example.com}}]}",
    );
    let plan = plan_by(&text, &anything_goes());
    assert_eq!(
        routes(&plan),
        [
            "shop/v1 -> service/shop/v2:81,sample=12.5 % + service/shop/v3 + http://shadow.example.com"
        ]
    );
    assert_eq!(ignored(&plan), ["spec.http[0].mirrors[2].destination"]);
}

#[test]
fn hosts_are_resolved_in_the_documents_namespace() {
    let to = |host: &str| {
        let text = service(&format!(
            "{{route: [{{destination: {{host: v1}}}}], mirror: {{host: '{host}'}}}}"
        ));
        read(&parse("x", &text).unwrap(), &anything_goes()).map(|plan| routes(&plan).concat())
    };
    for (host, expected) in [
        ("v2", "shop/v1 -> service/shop/v2"),
        ("v2.other.svc", "shop/v1 -> service/other/v2"),
        ("v2.other.svc.cluster.local", "shop/v1 -> service/other/v2"),
        ("v2.other.svc.corp.example", "shop/v1 -> service/other/v2"),
        ("v2.other", "shop/v1 -> http://v2.other"),
        ("10.0.0.9", "shop/v1 -> http://10.0.0.9"),
    ] {
        assert_eq!(to(host), Ok(expected.to_owned()), "{host}");
    }
    for bad in ["", "a b", "a/b", "a:80", "http://a", "a..b"] {
        let error = to(bad).unwrap_err();
        assert_eq!(error.at.path, "spec.http[0].mirror.host", "{error}");
    }
}

#[test]
fn a_mirror_never_leads_back_to_its_own_source() {
    let with = |source: &str, mirror: &str| {
        let subsets = TUTORIAL.split("---\n").nth(1).unwrap();
        plan(&format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web}}\n\
             spec: {{hosts: [web-service], http: [{{route: [{{destination: {source}}}], mirror: {mirror}}}]}}\n\
             ---\n{subsets}"
        ))
    };
    let (all, v1, v2) = (
        "{host: web-service}",
        "{host: web-service, subset: v1}",
        "{host: web-service, subset: v2}",
    );
    for (source, mirror) in [(all, all), (v1, v1), (v1, all)] {
        let plan = with(source, mirror);
        assert!(plan.rules.is_empty(), "{source} to {mirror}");
        assert_eq!(ignored(&plan), ["spec.http[0].mirror"]);
        assert!(
            plan.ignored[0].why.starts_with("leads back to the pods"),
            "{:?}",
            plan.ignored
        );
    }
    for (source, mirror) in [(v1, v2), (all, v2)] {
        let plan = with(source, mirror);
        assert_eq!(plan.rules.len(), 1, "{source} to {mirror}");
        let copy = "x-mirrored-by: podmirror\r\n";
        assert!(!mirrors(&plan.rules[0], "/", copy), "a copy ends the round");
    }
}

#[test]
fn each_weighted_destination_is_a_source() {
    let plan = plan(&service(
        "{route: [{destination: {host: a}, weight: 90}, {destination: {host: b}, weight: 10}, \
         {destination: {host: c}, weight: 0}, {destination: {host: d}}], mirror: {host: b}}",
    ));
    assert_eq!(routes(&plan), ["shop/a -> service/shop/b"]);
    assert_eq!(
        plan.rules[0].name,
        "VirtualService shop/web http[0] to shop/a"
    );
    assert_eq!(
        ignored(&plan),
        ["spec.http[0].mirror"],
        "b would be its own mirror"
    );
}

#[test]
fn an_unknown_subset_or_source_is_told_and_nothing_is_mirrored() {
    let plan = plan(&service(
        "{route: [{destination: {host: v1, subset: x}}], mirror: {host: v2, subset: other}}, \
         {route: [{destination: {host: v1, subset: x}}], mirror: {host: v2}}, \
         {route: [{destination: {host: example.com}}], mirror: {host: v2}}, \
         {mirror: {host: v2}}",
    ));
    assert_eq!(routes(&plan), [""; 0]);
    assert_eq!(
        ignored(&plan),
        [
            "spec.http[0].mirror.subset",
            "spec.http[1].route[0].destination.subset",
            "spec.http[2].route[0].destination",
            "spec.http[3].mirror",
        ]
    );
}

#[test]
fn routes_that_never_reach_a_pod_mirror_nothing() {
    for more in [
        "redirect: {uri: /x}",
        "directResponse: {status: 200}",
        "delegate: {name: x}",
    ] {
        let plan = plan(&service(&format!("{}, {}", route(more), route(""))));
        assert!(plan.rules.is_empty(), "{more}");
        let name = more.split(':').next().unwrap();
        let told = [
            format!("spec.http[0].{name}"),
            "spec.http[1].mirror".to_owned(),
        ];
        assert_eq!(ignored(&plan), told);
    }
}

#[test]
fn every_other_field_is_told_by_its_path_once() {
    let plan = plan(&format!(
        "{HEAD}spec: {{hosts: [web], exportTo: ['.'], tcp: [], http: [{}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: d}}\n\
         spec: {{host: d, trafficPolicy: {{}}, subsets: [{{name: a, trafficPolicy: {{}}, extra: 1}}]}}",
        route(
            "name: n, timeout: 1s, retries: {}, rewrite: {uri: /}, mirrorr: 1, \
             match: [{name: m, uri: {exact: /}, statPrefix: x}]"
        )
        .replace("{host: v2}", "{host: v2, weight: 1}")
    ));
    assert_eq!(
        ignored(&plan),
        [
            "spec.trafficPolicy",
            "spec.subsets[0].trafficPolicy",
            "spec.subsets[0].extra",
            "spec.tcp",
            "spec.exportTo",
            "spec.http[0].match[0].statPrefix",
            "spec.http[0].mirror.weight",
            "spec.http[0].rewrite",
            "spec.http[0].timeout",
            "spec.http[0].retries",
            "spec.http[0].mirrorr",
        ]
    );
}

#[test]
fn fields_of_the_wrong_kind_are_refused_by_path() {
    for (http, expected) in [
        ("1", "http[0]: is no object"),
        ("{mirror: 1}", "http[0].mirror: is no object"),
        ("{mirror: {}}", "http[0].mirror.host: is missing"),
        ("{match: 1}", "http[0].match: is no list"),
        (
            "{match: [{port: 0}]}",
            "http[0].match[0].port: is no whole number from 1 to 65535",
        ),
        ("{match: [{uri: x}]}", "http[0].match[0].uri: is no object"),
        (
            "{match: [{uri: {exact: a, prefix: b}}]}",
            "http[0].match[0].uri: has more than one of",
        ),
        (
            "{match: [{uri: {regex: '('}}]}",
            "http[0].match[0].uri.regex: \"(\" is no regular",
        ),
        (
            "{match: [{ignoreUriCase: 1}]}",
            "http[0].match[0].ignoreUriCase: is neither",
        ),
        (
            "{match: [{headers: {'a b': {}}}]}",
            "http[0].match[0].headers[\"a b\"]: \"a b\" is no",
        ),
    ] {
        let error = refused(&service(http));
        let expected = format!("VirtualService shop/web (web.yaml): spec.{expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
    let many = vec!["{uri: {regex: a}}"; 65].join(", ");
    let error = refused(&service(&format!("{{match: [{many}]}}")));
    assert!(
        error.ends_with("match[64].uri.regex: is beyond 64 regular expressions"),
        "{error}"
    );
}

#[test]
fn subsets_are_looked_up_near_the_document_first() {
    let rule = |namespace: &str, label: &str| {
        format!(
            "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
             metadata: {{name: d, namespace: {namespace}}}\n\
             spec: {{host: v2.other.svc, subsets: [{{name: s, labels: {{v: {label}}}}}]}}"
        )
    };
    let text = service(
        "{route: [{destination: {host: v1}}], mirror: {host: v2.other.svc.cluster.local, subset: s}}",
    );
    let [mesh, service, own, far] = [
        ("istio-system", "m"),
        ("other", "s"),
        ("shop", "o"),
        ("far", "f"),
    ]
    .map(|(namespace, label)| rule(namespace, label));
    let to = |rules: &str| {
        let text = format!("{text}{rules}");
        routes(&plan_by(&text, &anything_goes())).concat()
    };
    assert_eq!(to(&far), "");
    assert_eq!(to(&mesh), "shop/v1 -> service/other/v2/v=m");
    assert_eq!(
        to(&format!("{mesh}{service}")),
        "shop/v1 -> service/other/v2/v=s"
    );
    assert_eq!(
        to(&format!("{mesh}{service}{own}")),
        "shop/v1 -> service/other/v2/v=o"
    );
}

#[test]
fn a_percentage_beside_several_mirrors_is_told() {
    for name in [
        "mirrorPercentage: {value: 5}",
        "mirrorPercent: 5",
        "mirror_percent: 5",
    ] {
        let http = format!(
            "{{route: [{{destination: {{host: v1}}}}], mirrors: [{{destination: {{host: v2}}}}], {name}}}"
        );
        let plan = plan(&service(&http));
        assert_eq!(routes(&plan), ["shop/v1 -> service/shop/v2"]);
        let field = name.split(':').next().unwrap();
        assert_eq!(ignored(&plan), [format!("spec.http[0].{field}")]);
    }
}
