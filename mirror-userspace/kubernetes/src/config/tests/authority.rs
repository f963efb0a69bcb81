//! Who may name what: a victim in namespace `bank`, and `evil`, who may write in namespace `evil`.

use super::*;

/// A document of namespace `evil`.
pub(super) fn of_evil(group: &str, kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: steal, namespace: evil}}\n\
         spec: {{{spec}}}\n---\n"
    )
}

/// A `VirtualService` of namespace `evil`.
pub(super) fn istio(source: &str, target: &str) -> String {
    let http = format!("{{route: [{{destination: {{{source}}}}}], mirror: {{{target}}}}}");
    of_evil(
        "networking.istio.io",
        "VirtualService",
        &format!("hosts: [any], http: [{http}]"),
    )
}

/// A route of namespace `evil`.
pub(super) fn gateway(kind: &str, source: &str, target: &str, more: &str) -> String {
    let mirror = format!("{{type: RequestMirror, requestMirror: {{backendRef: {{{target}}}}}}}");
    let rule = format!("{{backendRefs: [{{{source}}}], filters: [{mirror}]}}");
    of_evil(
        "gateway.networking.k8s.io",
        kind,
        &format!("{more} rules: [{rule}]"),
    )
}

pub(super) fn grant(namespace: &str, group: &str, kind: &str, from: &str, to: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n\
         metadata: {{name: g, namespace: {namespace}}}\n\
         spec: {{from: [{{group: {group}, kind: {kind}, namespace: {from}}}], to: [{to}]}}\n---\n"
    )
}

pub(super) fn subset(namespace: &str, host: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
         metadata: {{name: d, namespace: {namespace}}}\n\
         spec: {{host: {host}, subsets: [{{name: s, labels: {{v: '1'}}}}]}}\n---\n"
    )
}

pub(super) const OWN: &str = "host: mine";

/// Everything that a document of `evil` may try without anybody's consent, and what it is refused for.
#[test]
fn nobody_names_what_is_not_his() {
    let ledger = "name: ledger, namespace: bank, port: 80";
    let mine = "name: mine, port: 80";
    let sink = "name: sink, port: 80";
    let source = "source spec.http[0].route[0].destination";
    let target = "target spec.http[0].mirror";
    let external = "external spec.http[0].mirror";
    let parent = "parentRefs: [{kind: Service, group: '', name: ledger, namespace: bank}],";
    let export = "exportTo: ['*'], gateways: [bank/gw, mesh],";
    for (text, expected) in [
        // Sources of others, by every spelling of their name.
        (istio("host: ledger.bank.svc", "host: sink"), source),
        (
            istio("host: ledger.bank.svc.cluster.local", "host: sink"),
            source,
        ),
        (
            istio("host: ledger.bank.svc.cluster.local.", "host: sink"),
            source,
        ),
        (
            istio("host: 'ledger.bank.svc.cluster.local:80'", "host: sink"),
            source,
        ),
        (
            istio("host: ledger.bank.svc.elsewhere.example", "host: sink"),
            source,
        ),
        (
            istio("host: ledger.bank.svc, port: {number: 80}", "host: sink"),
            source,
        ),
        (
            istio("host: ledger.bank.svc, subset: s", "host: sink")
                + &subset("evil", "ledger.bank.svc"),
            source,
        ),
        (
            istio("host: ledger.bank.svc, subset: s", "host: sink")
                + &subset("istio-system", "ledger.bank.svc"),
            source,
        ),
        (
            istio("host: ledger.bank.svc, subset: s", "host: sink") + &subset("bank", "ledger"),
            source,
        ),
        (
            istio("host: ledger.bank.svc", "host: sink")
                .replace("hosts", &format!("{export} hosts")),
            source,
        ),
        (
            gateway("HTTPRoute", ledger, sink, ""),
            "source spec.rules[0].backendRefs[0]",
        ),
        (
            gateway("HTTPRoute", ledger, sink, parent),
            "source spec.rules[0].backendRefs[0]",
        ),
        (
            gateway("GRPCRoute", ledger, sink, ""),
            "source spec.rules[0].backendRefs[0]",
        ),
        // Names that are no service's at all: nobody's pods.
        (istio("host: ledger.bank", "host: sink"), ""),
        (istio("host: '*.bank.svc'", "host: sink"), "no host"),
        (istio("host: '*'", "host: sink"), "no host"),
        (istio("host: bank/ledger", "host: sink"), "no host"),
        (istio("host: 10.99.0.10", "host: sink"), ""),
        // Targets of others.
        (istio(OWN, "host: next.bank.svc"), target),
        (
            istio(OWN, "host: next.bank.svc.cluster.local, port: {number: 81}"),
            target,
        ),
        (
            istio(OWN, "host: next.bank.svc, subset: s") + &subset("istio-system", "next.bank.svc"),
            target,
        ),
        (
            gateway(
                "HTTPRoute",
                mine,
                "name: next, namespace: bank, port: 80",
                "",
            ),
            "target spec.rules[0].filters[0].requestMirror.backendRef",
        ),
        (
            gateway(
                "GRPCRoute",
                mine,
                "name: next, namespace: bank, port: 80",
                "",
            ),
            "target spec.rules[0].filters[0].requestMirror.backendRef",
        ),
        // What is no service: addresses and names, by every spelling.
        (
            istio(OWN, "host: 127.0.0.1, port: {number: 9090}"),
            external,
        ),
        (istio(OWN, "host: 10.99.0.20"), external),
        (istio(OWN, "host: 169.254.169.254"), external),
        (istio(OWN, "host: localhost"), ""),
        (istio(OWN, "host: localhost.localdomain"), external),
        (istio(OWN, "host: next.bank"), external),
        (istio(OWN, "host: NEXT.BANK.svc"), external),
        (
            istio(OWN, "host: next-0.next.bank.svc.cluster.local"),
            external,
        ),
        (
            istio(OWN, "host: 10-99-0-20.bank.pod.cluster.local"),
            external,
        ),
        (istio(OWN, "host: example.com"), external),
        (istio(OWN, "host: '[::1]'"), "no host"),
        (istio(OWN, "host: '::ffff:127.0.0.1'"), "no host"),
        (istio(OWN, "host: '[::ffff:127.0.0.1]'"), "no host"),
        (istio(OWN, "host: '127.0.0.1:9090'"), "no host"),
        (istio(OWN, "host: '2130706433'"), ""),
        (istio(OWN, "host: 0x7f.1"), "no host"),
        (istio(OWN, "host: '127.1'"), "no host"),
        (istio(OWN, "host: 'user@10.0.0.1'"), "no host"),
    ] {
        if expected == "no host" {
            assert!(refused(&text).contains("is no host"), "{text}");
            continue;
        }
        let plan = plan(&text);
        assert_eq!(refusals(&plan).concat(), expected, "{text}");
        if expected.is_empty() {
            // It is a service of his own, by an odd name, or nothing.
            for rule in &plan.rules {
                assert_eq!(rule.source, own_source(), "{text}");
                assert!(
                    rule.targets[0].to_string().starts_with("service/evil/"),
                    "{text}"
                );
            }
        } else {
            assert_eq!(routes(&plan), [""; 0], "{text}");
            assert_eq!(plan.refusals.values().sum::<u64>(), 1, "{text}");
        }
    }
}

fn own_source() -> Source {
    plan(&istio(OWN, "host: sink")).rules[0].source.clone()
}

#[test]
fn what_is_refused_is_told_with_what_would_allow_it() {
    for (text, why) in [
        (
            istio("host: ledger.bank.svc", "host: sink"),
            "the requests of service bank/ledger are namespace bank's: copying them takes a \
             ReferenceGrant there (from VirtualService of namespace evil to Service), or \
             --watch-cross-namespace=evil",
        ),
        (
            istio(OWN, "host: next.bank.svc"),
            "service bank/next is namespace bank's: sending copies to it takes a ReferenceGrant there \
             (from VirtualService of namespace evil to Service), or --allow-target-namespace=bank",
        ),
        (
            istio(OWN, "host: 10.99.0.20, port: {number: 81}"),
            "http://10.99.0.20:81 is no service of the cluster: sending copies to it takes \
             --allow-external-target=10.99.0.20",
        ),
    ] {
        let plan = plan(&text);
        assert_eq!(plan.refused[0].why, why);
        let told = plan.to_string();
        assert!(told.contains("Nothing is mirrored.\n\nRefused:\n  VirtualService evil/steal ("));
        assert!(told.contains(why), "explain says the same: {told}");
    }
}
