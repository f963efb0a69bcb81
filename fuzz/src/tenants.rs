//! Documents of two tenants and of the mesh: nobody's rule takes requests from, or sends copies to, what
//! its writer has no right to. Nor does what follows from the rules: no pod is attached to, and no address
//! gets copies, that is outside of the writer's authority, however services, slices and pods change.
//!
//! The bytes are choices: which documents there are, what they name and how it is spelled, who consents, and
//! how the cluster changes.

mod authority;
mod cluster;

use std::sync::Arc;

use authority::{Authority, Flags, Grant, writer};
use cluster::Cluster;
use mirror_core::destination::{Destination, Origin};
use mirror_kubernetes::{
    config::{Consent, Document, NamespaceOrAll, Quotas, Reader, Terms},
    plan::{Rule, Source},
};
use serde_json::{Value, json};

use crate::input::Input;

const NAMESPACES: [&str; 3] = ["evil", "bank", "istio-system"];
const SERVICES: [&str; 3] = ["a", "b", "c"];
const ISTIO: &str = "networking.istio.io";
const GATEWAY: &str = "gateway.networking.k8s.io";
const GLOB: &str = "*.example.com";
const MOST: usize = 24;

/// `data` is a sequence of choices, of which the first says how many of the others are about the cluster.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(bits) = input.byte() else { return };
    let mut changes = Input(input.take(8 * usize::from(bits >> 3)));
    let flags = Flags {
        cross: (bits & 1 != 0).then(|| pick(&mut input, &NAMESPACES)),
        target: (bits & 2 != 0).then(|| pick(&mut input, &NAMESPACES)),
        external: bits & 4 != 0,
    };
    let mut grants = Vec::new();
    let mut documents = Vec::new();
    while documents.len() < MOST && !input.0.is_empty() {
        let value = document(&mut input, documents.len(), &mut grants);
        documents.push(Document {
            origin: String::new(),
            value: Arc::new(value),
        });
    }
    let authority = Authority { grants, flags };
    let terms = terms(flags);
    let consent = terms.consent.clone();
    let mut reader = Reader::new(terms);
    let (plan, _) = reader.read_each(&documents);
    for rule in &plan.rules {
        check(rule, &authority);
    }
    let (again, _) = reader.read_each(&documents);
    assert_eq!(again.to_string(), plan.to_string(), "reading has no memory");
    let told: u64 = plan.refusals.values().sum();
    assert!(plan.refused.is_empty() || told > 0);
    Cluster::new(&plan.rules, &authority, &consent, &mut changes).run(&mut changes);
}

fn terms(flags: Flags) -> Terms {
    let namespaces = |name: Option<&str>| {
        let names = name
            .into_iter()
            .filter_map(|name| name.parse::<NamespaceOrAll>().ok());
        names.collect()
    };
    Terms {
        consent: Consent {
            cross_namespaces: namespaces(flags.cross),
            target_namespaces: namespaces(flags.target),
            external_targets: GLOB
                .parse()
                .ok()
                .filter(|_| flags.external)
                .into_iter()
                .collect(),
        },
        quotas: Quotas::default(),
    }
}

fn check(rule: &Rule, authority: &Authority) {
    let (_, writer) = writer(rule);
    assert_eq!(rule.tenant.as_deref(), Some(writer), "{}", rule.name);
    match &rule.source {
        Source::Service { service, .. } => assert!(
            authority.may_take(rule, service),
            "{} takes requests of {service}",
            rule.name
        ),
        Source::Pods { .. } => panic!("{} names pods by label", rule.name),
    }
    for target in &rule.targets {
        assert_eq!(target.origin, Origin::Document, "{}", rule.name);
        match &target.destination {
            Destination::Service { service, .. } => assert!(
                authority.may_send(rule, service),
                "{} sends copies to {service}",
                rule.name
            ),
            Destination::Url(url) => {
                let host = url.host.to_string();
                let host = host.strip_suffix('.').unwrap_or(&host);
                let allowed = authority.flags.external && host.ends_with(".example.com");
                assert!(allowed, "{} sends copies to {url}", rule.name);
            }
            Destination::Pods { .. } => panic!("{} names pods by label", rule.name),
        }
    }
}

fn pick<T: Copy>(input: &mut Input<'_>, all: &[T]) -> T {
    let choice = usize::from(input.byte().unwrap_or_default());
    all[choice % all.len()]
}

fn document(input: &mut Input<'_>, number: usize, grants: &mut Vec<Grant>) -> Value {
    let namespace = pick(input, &NAMESPACES);
    let choice = pick(input, &[0, 1, 2, 3, 4]);
    let (group, kind, spec) = match choice {
        0 => (ISTIO, "VirtualService", virtual_service(input)),
        1 => (GATEWAY, "HTTPRoute", route(input)),
        2 => (GATEWAY, "GRPCRoute", route(input)),
        3 => (ISTIO, "DestinationRule", subsets(input)),
        _ => (GATEWAY, "ReferenceGrant", grant(input, namespace, grants)),
    };
    json!({
        "apiVersion": format!("{group}/v1"),
        "kind": kind,
        "metadata": {"namespace": namespace, "name": format!("d{number}")},
        "spec": spec,
    })
}

/// A host, by one of the ways to spell one.
fn host(input: &mut Input<'_>) -> String {
    let (service, namespace) = (pick(input, &SERVICES), pick(input, &NAMESPACES));
    match pick(input, &[0, 1, 2, 3, 4, 5, 6, 7, 8]) {
        0 | 1 => service.to_owned(),
        2 => format!("{service}.{namespace}.svc"),
        3 => format!("{service}.{namespace}.svc.cluster.local"),
        4 => format!("{service}.{namespace}"),
        5 => format!("{service}.{namespace}.svc.example.com:80"),
        6 => format!("{service}.{namespace}.example.com"),
        7 => pick(
            input,
            &[
                "127.0.0.1",
                "169.254.169.254",
                "::1",
                "[::1]",
                "localhost",
                "0x7f.1",
                "*",
                "A.B.SVC",
            ],
        )
        .to_owned(),
        _ => {
            let len = usize::from(pick(input, &[1_u8, 4, 9, 30]));
            String::from_utf8_lossy(input.take(len)).into_owned()
        }
    }
}

fn destination(input: &mut Input<'_>) -> Value {
    let mut value = json!({"host": host(input)});
    let bits = input.byte().unwrap_or_default();
    if bits & 1 != 0 {
        value["subset"] = json!("s");
    }
    if bits & 2 != 0 {
        value["port"] = json!({"number": 80});
    }
    value
}

fn virtual_service(input: &mut Input<'_>) -> Value {
    let routes = 1 + usize::from(input.byte().unwrap_or_default() % 3);
    let routes: Vec<_> = (0..routes)
        .map(|_| {
            let to = [destination(input), destination(input)];
            let to = to.map(|destination| json!({"destination": destination, "weight": 1}));
            json!({"route": to, "mirror": destination(input)})
        })
        .collect();
    json!({"hosts": [host(input)], "exportTo": ["*"], "http": routes})
}

fn backend(input: &mut Input<'_>) -> Value {
    let mut value = json!({"name": pick(input, &SERVICES), "port": 80});
    if input.byte().is_some_and(|bits| bits & 1 != 0) {
        value["namespace"] = json!(pick(input, &NAMESPACES));
    }
    value
}

fn route(input: &mut Input<'_>) -> Value {
    let filter = |to: Value| json!({"type": "RequestMirror", "requestMirror": {"backendRef": to}});
    let filters = json!([filter(backend(input))]);
    let mut own = backend(input);
    own["filters"] = json!([filter(backend(input))]);
    let parent = json!({"kind": "Service", "group": "", "name": "a", "namespace": "bank"});
    json!({
        "parentRefs": [parent],
        "rules": [{"backendRefs": [own, backend(input)], "filters": filters}],
    })
}

fn subsets(input: &mut Input<'_>) -> Value {
    let labels = pick(input, &["1", "2,!x", "", "a b"]);
    json!({
        "host": host(input),
        "exportTo": [pick(input, &["*", ".", "evil"])],
        "subsets": [{"name": "s", "labels": {"v": labels}}],
    })
}

fn grant(input: &mut Input<'_>, within: &'static str, grants: &mut Vec<Grant>) -> Value {
    let kinds = ["VirtualService", "HTTPRoute", "GRPCRoute", "Gateway"];
    let grant = Grant {
        within,
        from: (pick(input, &[ISTIO, GATEWAY]), pick(input, &kinds)),
        of: pick(input, &NAMESPACES),
        to: pick(input, &["Service", "Secret"]),
        name: pick(input, &[None, Some("a"), Some("b")]),
    };
    let mut to = json!({"group": "", "kind": grant.to});
    if let Some(name) = grant.name {
        to["name"] = json!(name);
    }
    let (group, kind) = grant.from;
    let from = json!({"group": group, "kind": kind, "namespace": grant.of});
    grants.push(grant);
    json!({"from": [from], "to": [to]})
}
