//! What is kept of the configuration in a cluster.

use super::*;

fn object(text: Value) -> RawDocument {
    serde_json::from_value(text).unwrap()
}

fn with_spec(spec: Value) -> RawDocument {
    object(json!({"metadata": {"namespace": "default", "name": "web"}, "spec": spec}))
}

#[test]
fn what_the_api_server_adds_is_dropped() {
    let route = object(json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "namespace": "default", "name": "web", "uid": "u", "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "spec": {"hosts": ["web"], "http": [{"mirror": {"host": "web"}}]},
        "status": {"conditions": []},
    }));
    let version = "networking.istio.io/v1";
    let document = Document::of(DocumentKind::VirtualService, version, route);
    assert_eq!(document.key, "default/web");
    let expected = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "namespace": "default", "name": "web", "creationTimestamp": "2026-01-01T00:00:00Z",
            "uid": "u",
        },
        "spec": {"hosts": ["web"], "http": [{"mirror": {"host": "web"}}]},
    });
    let Content::Some(content, weight) = document.content else {
        panic!("{document:?}");
    };
    assert_eq!(content, expected);
    assert!((ENVELOPE..ENVELOPE + 1_000).contains(&weight), "{weight}");
}

#[test]
fn what_can_not_mirror_is_not_kept() {
    use DocumentKind::{DestinationRule, GrpcRoute, HttpRoute, ReferenceGrant, VirtualService};
    let mirror = json!([{"type": "RequestMirror", "requestMirror": {}}]);
    let header = json!([{"type": "RequestHeaderModifier"}]);
    for (kind, spec, kept) in [
        (VirtualService, json!({"http": [{"route": []}]}), false),
        (VirtualService, json!({"http": [{}, {"mirrors": []}]}), true),
        (
            VirtualService,
            json!({"http": [{"mirror_percent": 1}]}),
            true,
        ),
        (VirtualService, json!({"tcp": [{"mirror": {}}]}), false),
        (VirtualService, json!({"http": "odd"}), false),
        (VirtualService, Value::Null, false),
        (DestinationRule, json!({"host": "web"}), false),
        (DestinationRule, json!({"subsets": []}), false),
        (DestinationRule, json!({"subsets": [{"name": "v1"}]}), true),
        (HttpRoute, json!({"rules": [{"filters": mirror}]}), true),
        (GrpcRoute, json!({"rules": [{"filters": header}]}), false),
        (
            HttpRoute,
            json!({"rules": [{"backendRefs": [{"filters": mirror}]}]}),
            true,
        ),
        (ReferenceGrant, json!({"from": []}), true),
    ] {
        let shown = format!("{kind:?} {spec}");
        let document = Document::of(kind, "v", with_spec(spec));
        assert_eq!(document.content != Content::Nothing, kept, "{shown}");
    }
}

#[test]
fn what_is_too_large_is_not_kept() {
    let spec = json!({"http": [{"mirror": {"host": "x".repeat(2 << 20)}}]});
    let document = Document::of(DocumentKind::VirtualService, "v", with_spec(spec));
    assert_eq!(document.content, Content::TooLarge);
    assert_eq!(document.key, "default/web");
}

#[test]
fn each_kind_is_asked_for_where_it_is_served() {
    let resources = DocumentKind::HttpRoute.resources();
    let paths: Vec<String> = resources
        .map(|it| format!("/apis/{}/{}", it.api_version, it.plural))
        .collect();
    let expected = [
        "/apis/gateway.networking.k8s.io/v1/httproutes",
        "/apis/gateway.networking.k8s.io/v1beta1/httproutes",
    ];
    assert_eq!(paths, expected);
    assert_eq!(
        DocumentKind::DestinationRule.definition(),
        "destinationrules.networking.istio.io"
    );
}
