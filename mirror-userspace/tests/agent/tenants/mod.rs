//! Two tenants of a node: `bank`, whose requests are nobody else's business, and `evil`, who may write
//! documents, services and slices in his own namespace.
//!
//! The agent has the flags that `deploy/components/watch-config` gives it.

mod failures;
mod names;
mod slices;
mod usage;

use std::{collections::BTreeMap, fs, path::Path};

use lab::{Family, RecordedRequest};
use serde_json::{Value, json};

use crate::{
    documents::{self, SERVICES, SLICES, slice_of},
    node::{Agent, NODE, Node, PODS, Web},
};

const ISTIO: &str = "networking.istio.io";
const GATEWAY: &str = "gateway.networking.k8s.io";

/// A node with pods of both, each behind a service of its name.
pub(crate) struct Cluster {
    node: Node,
    pods: BTreeMap<&'static str, Web>,
}

/// Each pod with its namespace and the last number of its address.
const ALL: [(&str, &str, u8); 4] = [
    ("ledger", "bank", 30),
    ("next", "bank", 31),
    ("mine", "evil", 32),
    ("sink", "evil", 33),
];

impl Cluster {
    fn new() -> Self {
        let node = Node::new();
        for kind in ["virtualservices", "destinationrules"] {
            node.api.serve(&collection(ISTIO, kind));
        }
        for kind in ["httproutes", "grpcroutes", "referencegrants"] {
            node.api.serve(&collection(GATEWAY, kind));
        }
        let mut pods = BTreeMap::new();
        for (name, namespace, host) in ALL {
            let web = node.web(name, host);
            let mut pod = web.pod.object(NODE, &[("app", name)]);
            pod["metadata"]["namespace"] = json!(namespace);
            node.api.apply(PODS, pod);
            pods.insert(name, web);
            let cluster_service = service(namespace, name, json!({"app": name}));
            node.api.apply(SERVICES, cluster_service);
        }
        let cluster = Self { node, pods };
        for (name, namespace, _) in ALL {
            let reference = json!({
                "kind": "Pod", "namespace": namespace, "name": name,
                "uid": cluster.pods[name].pod.uid(),
            });
            cluster.slice(namespace, name, &cluster.ip(name), Some(reference));
        }
        cluster
    }

    /// The bank's own mirror, which must go on whatever happens.
    fn mirror_the_bank(&self) {
        let legit = istio("legit", "host: ledger", "host: next");
        self.apply_in("bank", legit);
    }

    fn agent(&self, flags: &[&str]) -> Agent {
        self.agent_where(&[], flags)
    }

    fn agent_where(&self, variables: &[&str], flags: &[&str]) -> Agent {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../deploy/components/watch-config/args.yaml");
        let text = fs::read_to_string(manifest).unwrap();
        let rendered: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- "))
            // These two are the lab's.
            .filter(|flag| flag.starts_with("--") && !flag.starts_with("--proc="))
            .filter(|flag| !flag.starts_with("--admin-address="))
            .collect();
        assert!(rendered.contains(&"--watch-config"), "{rendered:?}");
        self.node
            .agent_where(variables, &[&rendered[..], flags].concat())
    }

    /// Applies a document of the namespace `evil`.
    fn apply(&self, document: Value) {
        self.apply_in("evil", document);
    }

    fn apply_in(&self, namespace: &str, mut document: Value) {
        document["metadata"]["namespace"] = json!(namespace);
        let (group, _) = document["apiVersion"]
            .as_str()
            .unwrap()
            .split_once('/')
            .unwrap();
        let kind = document["kind"].as_str().unwrap().to_lowercase() + "s";
        self.node.api.apply(&collection(group, &kind), document);
    }

    fn delete(&self, group: &str, kind: &str, namespace: &str, name: &str) {
        self.node
            .api
            .delete(&collection(group, kind), namespace, name);
    }

    /// The endpoints of a service: one address, and what the slice says it is.
    fn slice(&self, namespace: &str, service: &str, address: &str, reference: Option<Value>) {
        let mut endpoint = json!({"addresses": [address], "conditions": {"ready": true}});
        if let Some(reference) = reference {
            endpoint["targetRef"] = reference;
        }
        let mut slice = slice_of(service, vec![endpoint]);
        slice["metadata"]["namespace"] = json!(namespace);
        if address.contains(':') {
            slice["addressType"] = json!("IPv6");
        }
        self.node.api.apply(SLICES, slice);
    }

    fn ip(&self, pod: &str) -> String {
        self.pods[pod].pod.ip(Family::V4).to_string()
    }

    fn request(&self, pod: &str, target: &str) {
        self.node.request(&self.pods[pod], target);
    }

    /// What a pod was sent, once there is so much.
    fn got(&self, pod: &str, count: usize) -> Vec<String> {
        let requests = self.pods[pod].wait_for(count);
        requests
            .iter()
            .map(RecordedRequest::target)
            .map(Into::into)
            .collect()
    }

    /// Sends the bank a request, which must be mirrored as the last of so many.
    fn assert_bank_is_mirrored(&self, target: &str, count: usize) {
        self.request("ledger", target);
        let got = self.got("next", count);
        assert!(got.iter().any(|it| it == target), "{got:?}");
    }
}

fn collection(group: &str, kind: &str) -> String {
    format!("/apis/{group}/v1/{kind}")
}

fn service(namespace: &str, name: &str, selector: Value) -> Value {
    let mut service = documents::service(name, &[], &json!(80));
    service["metadata"]["namespace"] = json!(namespace);
    service["spec"]["selector"] = selector;
    service
}

fn document(group: &str, kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("{group}/v1"),
        "kind": kind,
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
    })
}

/// `host: a, port: 80` as an object, whose numbers are numbers of ports.
fn fields(text: &str) -> Value {
    let mut object = json!({});
    for field in text.split(", ") {
        let (name, value) = field.split_once(": ").unwrap();
        object[name] = match (name, value.parse::<u16>()) {
            ("number", Ok(port)) => {
                object["port"] = json!({"number": port});
                continue;
            }
            ("port", Ok(port)) => json!(port),
            _ => json!(value),
        };
    }
    object
}

/// A `VirtualService` that mirrors one destination to another.
fn istio(name: &str, source: &str, target: &str) -> Value {
    let route = json!({
        "route": [{"destination": fields(source)}],
        "mirror": fields(target),
    });
    document(
        ISTIO,
        "VirtualService",
        name,
        json!({"hosts": ["any"], "http": [route]}),
    )
}

/// A route that mirrors one backend to another.
fn gateway(kind: &str, name: &str, source: &str, target: &str) -> Value {
    let mirror = json!({"type": "RequestMirror", "requestMirror": {"backendRef": fields(target)}});
    let rule = json!({"backendRefs": [fields(source)], "filters": [mirror]});
    document(GATEWAY, kind, name, json!({"rules": [rule]}))
}

/// A `ReferenceGrant` for documents of the namespace `evil`.
fn grant(name: &str, group: &str, kind: &str) -> Value {
    let spec = json!({
        "from": [{"group": group, "kind": kind, "namespace": "evil"}],
        "to": [{"group": "", "kind": "Service"}],
    });
    document(GATEWAY, "ReferenceGrant", name, spec)
}
