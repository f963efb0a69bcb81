//! Requests of HTTP/2 face the same rules as those of HTTP/1.

use super::*;
use crate::testing::{flow_of, with_head, with_http2_head};

/// A unary call of gRPC, and more fields.
fn call<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let begin = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "shop.example.com:8080"),
        ("content-type", "application/grpc"),
    ];
    [&begin[..], more].concat()
}

fn refused(config: FilterConfig, fields: &[(&str, &str)]) -> Option<String> {
    let filter = Filter::new(config);
    let rule = with_http2_head(fields, |head| filter.refuses(head.into()));
    rule.map(|rule| filter.names()[rule.0].clone())
}

#[test]
fn guards_know_both_versions() {
    let refused = |fields: &[_]| refused(FilterConfig::default(), fields);
    assert_eq!(refused(&call("/a.B/c", &[])), None);
    let loops = call("/a.B/c", &[("x-mirrored-by", "podmirror")]);
    assert_eq!(refused(&loops).as_deref(), Some("loop"));
    let probe = ("user-agent", "kube-probe/1.33 grpc-go/1.68.1");
    let probe = call("/grpc.health.v1.Health/Check", &[probe]);
    assert_eq!(refused(&probe).as_deref(), Some("kube-probe"));
    let user = ("user-agent", "grpc-go/1.68.1");
    let asked = call("/grpc.health.v1.Health/Check", &[user]);
    assert_eq!(refused(&asked), None, "asked by somebody else");
}

#[test]
fn methods_paths_and_fields_are_filtered() {
    let config = || FilterConfig {
        deny_methods: vec!["PUT".parse().unwrap()],
        deny_paths: vec!["/admin.*".parse().unwrap()],
        deny_fields: vec![
            "cookie=*a=1; b=2*".parse().unwrap(),
            "host=*:9090".parse().unwrap(),
        ],
        allow_fields: vec!["Content-Type=application/grpc*".parse().unwrap()],
        ..FilterConfig::default()
    };
    for (fields, expected) in [
        (call("/a.B/c", &[]), None),
        (call("/admin.A/c?x", &[]), Some("deny-path /admin.*")),
        (call("/%61dmin.A/c", &[]), Some("deny-path /admin.*")),
        (
            call(
                "/",
                &[("cookie", "x=y"), ("cookie", "a=1"), ("cookie", "b=2")],
            ),
            Some("deny-header cookie=*a=1; b=2*"),
        ),
        (call("/", &[("cookie", "a=1"), ("cookie", "c")]), None),
        (
            vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "h:9090"),
            ],
            Some("deny-header host=*:9090"),
        ),
        (
            vec![
                (":method", "PUT"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "h"),
            ],
            Some("deny-method PUT"),
        ),
        (
            vec![
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                ("host", "h"),
            ],
            Some("allow-header"),
        ),
    ] {
        assert_eq!(
            refused(config(), &fields).as_deref(),
            expected,
            "{fields:?}"
        );
    }
}

#[test]
fn routes_match_services_hosts_and_metadata() {
    let condition = |part, text: &str| Condition {
        part,
        text: TextMatch::Exact(text.to_owned(), Case::Counts),
        expected: Expectation::Holds,
    };
    let table = |hosts: &[&str], conditions: Vec<Condition>| {
        let step = RouteStep {
            requests: std::sync::Arc::new(RequestMatch { conditions }),
            verdict: Verdict::Mirror,
        };
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        RouteTable::new(hosts, vec![step])
    };
    let more = [
        ("x-user", "1"),
        ("x-user", "2"),
        ("cookie", "a"),
        ("cookie", "b"),
    ];
    let sent = call("/shop.Cart/Add?q=1", &more);
    let field = |name: &str| Part::Field(name.parse().unwrap());
    for (table, expected) in [
        (table(&["*.example.com"], vec![]), true),
        (table(&["shop.example.com"], vec![]), true),
        (table(&["other.example.com"], vec![]), false),
        (
            table(&[], vec![condition(Part::Path, "/shop.Cart/Add")]),
            true,
        ),
        (table(&[], vec![condition(Part::Path, "/shop.Cart")]), false),
        (table(&[], vec![condition(Part::Method, "POST")]), true),
        (
            table(
                &[],
                vec![condition(Part::Authority, "shop.example.com:8080")],
            ),
            true,
        ),
        (table(&[], vec![condition(field("X-User"), "1,2")]), true),
        (table(&[], vec![condition(field("cookie"), "a; b")]), true),
        (
            table(&[], vec![condition(Part::Query("q".into()), "1")]),
            true,
        ),
    ] {
        let mirrors = with_http2_head(&sent, |head| table.mirrors(head.into()));
        assert_eq!(mirrors, expected, "{table:?}");
    }
}

#[test]
fn a_sample_by_a_field_is_the_same_in_both_versions() {
    let by: SampleBy = "header:cookie".parse().unwrap();
    let flow = flow_of("10.0.0.1:4242");
    let hash = |head: RequestHead<'_>| by.hash(Secret::NONE, &flow, &flow.client, 1, head);
    let old = b"GET / HTTP/1.1\r\nHost: h\r\nCookie: a=1; b=2\r\n\r\n";
    let old = with_head(old, |head| hash(head.into()));
    let crumbs = call("/", &[("cookie", "a=1"), ("cookie", "b=2")]);
    assert_eq!(with_http2_head(&crumbs, |head| hash(head.into())), old);
    let whole = call("/", &[("cookie", "a=1; b=2")]);
    assert_eq!(with_http2_head(&whole, |head| hash(head.into())), old);
}
