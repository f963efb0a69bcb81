//! What consent opens, and what stays closed.

use super::{
    authority::{OWN, gateway, grant, istio, of_evil, subset},
    *,
};
use mirror_core::destination::Origin;

const SERVICE: &str = "{group: '', kind: Service}";

/// Each consent allows what it is for, and nothing else.
#[test]
fn a_grant_is_for_one_kind_one_namespace_and_one_direction() {
    const ISTIO: &str = "networking.istio.io";
    const GATEWAY: &str = "gateway.networking.k8s.io";
    let to_ledger = "{group: '', kind: Service, name: ledger}";
    let to_other = "{group: '', kind: Service, name: other}";
    let steal = istio("host: ledger.bank.svc", "host: sink");
    let ledger = "name: ledger, namespace: bank, port: 80";
    let by_route = gateway("HTTPRoute", ledger, "name: sink, port: 80", "");
    let by_grpc = gateway("GRPCRoute", ledger, "name: sink, port: 80", "");
    for (text, grant, allowed) in [
        (
            &steal,
            grant("bank", ISTIO, "VirtualService", "evil", SERVICE),
            true,
        ),
        (
            &steal,
            grant("bank", ISTIO, "VirtualService", "evil", to_ledger),
            true,
        ),
        (
            &steal,
            grant("bank", ISTIO, "VirtualService", "evil", to_other),
            false,
        ),
        (
            &steal,
            grant("bank", ISTIO, "VirtualService", "good", SERVICE),
            false,
        ),
        (
            &steal,
            grant("bank", GATEWAY, "VirtualService", "evil", SERVICE),
            false,
        ),
        (
            &steal,
            grant("bank", GATEWAY, "HTTPRoute", "evil", SERVICE),
            false,
        ),
        (
            &steal,
            grant("bank", ISTIO, "DestinationRule", "evil", SERVICE),
            false,
        ),
        (
            &steal,
            grant(
                "bank",
                ISTIO,
                "VirtualService",
                "evil",
                "{group: '', kind: Secret}",
            ),
            false,
        ),
        // His own grant, and one of a third namespace.
        (
            &steal,
            grant("evil", ISTIO, "VirtualService", "evil", SERVICE),
            false,
        ),
        (
            &steal,
            grant("istio-system", ISTIO, "VirtualService", "evil", SERVICE),
            false,
        ),
        (
            &by_route,
            grant("bank", GATEWAY, "HTTPRoute", "evil", SERVICE),
            true,
        ),
        (
            &by_route,
            grant("bank", GATEWAY, "GRPCRoute", "evil", SERVICE),
            false,
        ),
        (
            &by_grpc,
            grant("bank", GATEWAY, "GRPCRoute", "evil", SERVICE),
            true,
        ),
        (
            &by_grpc,
            grant("bank", GATEWAY, "HTTPRoute", "evil", SERVICE),
            false,
        ),
    ] {
        let plan = plan(&format!("{text}{grant}"));
        assert_eq!(!plan.rules.is_empty(), allowed, "{grant}");
        assert_eq!(plan.refused.is_empty(), allowed, "{grant}");
    }
}

#[test]
fn the_operators_flags_are_for_one_direction_each() {
    let source = istio("host: ledger.bank.svc", "host: sink");
    let target = istio(OWN, "host: next.bank.svc");
    let by_route = gateway(
        "HTTPRoute",
        "name: mine, port: 80",
        "name: next, namespace: bank, port: 80",
        "",
    );
    let external = istio(OWN, "host: V2.Example.com, port: {number: 8080}");
    let address = istio(OWN, "host: 10.99.0.20");
    let none: &[&str] = &[];
    for (text, sources, targets, externals, allowed) in [
        (&source, &["evil"][..], none, none, true),
        (&source, &["bank"], none, none, false),
        (&source, &["*"], none, none, true),
        (&source, none, &["*"], &["*"], false),
        (&target, none, &["bank"][..], none, true),
        (&target, none, &["evil"], none, false),
        (&target, &["*"], none, &["*"], false),
        (&by_route, none, &["bank"], none, true),
        (&external, none, none, &["*.example.com"][..], true),
        (&external, none, none, &["v2.example.com:8080"], true),
        (&external, none, none, &["*.EXAMPLE.com:8080"], true),
        (&external, none, none, &["*.example.com:80"], false),
        (&external, none, none, &["example.com"], false),
        (&external, none, none, &["v2.example"], false),
        (&external, &["*"], &["*"], none, false),
        (&address, none, none, &["10.99.0.*"], true),
        (&address, none, none, &["10.98.*"], false),
    ] {
        let namespaces = |names: &[&str]| {
            let names = names
                .iter()
                .map(|name| name.parse::<NamespaceOrAll>().unwrap());
            names.collect::<Namespaces>()
        };
        let terms = Terms {
            consent: Consent {
                cross_namespaces: namespaces(sources),
                target_namespaces: namespaces(targets),
                external_targets: externals.iter().map(|glob| glob.parse().unwrap()).collect(),
            },
            ..Terms::default()
        };
        let plan = plan_by(text, &terms);
        let flags = (sources, targets, externals);
        assert_eq!(!plan.rules.is_empty(), allowed, "{flags:?}: {text}");
        // Whatever is allowed: the dispatcher looks at where it leads once more.
        for target in plan.rules.iter().flat_map(|rule| &rule.targets) {
            assert_eq!(target.origin, Origin::Document);
        }
    }
    for bad in ["A", "a b", "", "a/b", "-", "**"] {
        assert!(bad.parse::<NamespaceOrAll>().is_err(), "{bad}");
    }
    for bad in ["", "http://a", "["] {
        assert!(bad.parse::<HostGlob>().is_err(), "{bad}");
    }
}

/// What may be named goes on, though the rest of the document is refused.
#[test]
fn only_the_reference_is_refused() {
    let text = of_evil(
        "networking.istio.io",
        "VirtualService",
        "hosts: [any], http: [{route: [{destination: {host: mine}, weight: 1}, \
         {destination: {host: ledger.bank.svc}, weight: 1}], mirrors: [{destination: {host: sink}}, \
         {destination: {host: next.bank.svc}}, {destination: {host: 127.0.0.1}}]}]",
    );
    let plan = plan(&text);
    assert_eq!(routes(&plan), ["evil/mine -> service/evil/sink"]);
    assert_eq!(
        refusals(&plan),
        [
            "target spec.http[0].mirrors[1].destination",
            "external spec.http[0].mirrors[2].destination",
            "source spec.http[0].route[1].destination",
        ]
    );
    let counted: Vec<_> = plan.refusals.iter().collect();
    let evil = |reason| ("evil".to_owned(), reason);
    assert_eq!(
        counted,
        [
            (&evil(Reason::Source), &1),
            (&evil(Reason::Target), &1),
            (&evil(Reason::External), &1)
        ]
    );
}

/// A subset of somebody else's making narrows a service and never leads elsewhere; and it is seen from
/// where it is exported to.
#[test]
fn subsets_widen_nothing() {
    let text = istio("host: mine, subset: s", "host: sink");
    let exported = |namespace: &str, to: &str| {
        subset(namespace, "mine.evil.svc")
            .replace("spec: {", &format!("spec: {{exportTo: [{to}], "))
    };
    for (rules, seen) in [
        (subset("istio-system", "mine.evil.svc"), true),
        (exported("istio-system", "'.'"), false),
        (exported("istio-system", "bank"), false),
        (exported("istio-system", "bank, evil"), true),
        (exported("istio-system", "'*'"), true),
        (exported("evil", "'.'"), true),
        (subset("bank", "mine.evil.svc"), false),
    ] {
        let plan = plan(&format!("{text}{rules}"));
        let expected: &[&str] = if seen {
            &["evil/mine/v=1 -> service/evil/sink"]
        } else {
            &[]
        };
        assert_eq!(routes(&plan), expected, "{rules}");
    }
    let bad = subset("evil", "mine").replace("'1'", "'1,!x'");
    assert!(refused(&format!("{text}{bad}")).ends_with("is no label"));
}

/// What a document says never breaks out of its line.
#[test]
fn names_and_values_stay_in_their_line() {
    let ugly = [
        "metadata: {name: \"a\\nb\", namespace: evil}",
        "metadata: {name: '../../etc', namespace: evil}",
        "metadata: {name: 'a\"b', namespace: evil}",
        "metadata: {name: a, namespace: \"e\\nvil\"}",
        "metadata: {name: a, namespace: '../x'}",
    ];
    for metadata in ugly {
        let text =
            istio(OWN, "host: sink").replace("metadata: {name: steal, namespace: evil}", metadata);
        assert!(refused(&text).starts_with("web.yaml"), "{metadata}");
        assert!(!refused(&text).contains('\n'), "{metadata}");
    }
    for (source, target) in [
        ("host: \"a\\nb\"", "host: sink"),
        (OWN, "host: \"sink\\n[ERROR] forged\""),
        (OWN, "host: \"\\u001b[2J\""),
    ] {
        let told = refused(&istio(source, target));
        assert!(!told.contains(['\n', '\u{1b}']), "{told:?}");
    }
    let key = format!("\"x\\n{}\"", "y".repeat(900));
    let text = istio(OWN, &format!("host: sink, {key}: 1"));
    let plan = plan(&text);
    let told = &plan.ignored[0].at.path;
    assert!(told.len() < 200 && !told.contains('\n'), "{told:?}");
}
