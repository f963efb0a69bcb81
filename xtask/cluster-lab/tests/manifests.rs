//! `deploy/`, rendered by kubectl and Helm, held against the API's types and published schemas.

#![cfg(test)]

#[path = "manifests/people.rs"]
mod people;
#[path = "manifests/replaced.rs"]
mod replaced;
#[path = "manifests/rights.rs"]
mod rights;
#[path = "manifests/rollouts.rs"]
mod rollouts;

use cluster_lab::manifests::{self, decode, helm, kustomize, name, of_kind, validate};
use k8s_openapi::{
    api::{
        apps::v1::DaemonSet,
        core::v1::{Namespace, ServiceAccount},
        networking::v1::NetworkPolicy,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
        scheduling::v1::PriorityClass,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use serde_json::{Value, json};

const OVERLAYS: [&str; 9] = [
    "base",
    "overlays/least-privilege",
    "overlays/istio",
    "overlays/gateway-api",
    "overlays/traffic-mirrors",
    "overlays/prometheus",
    "overlays/readiness-gate",
    "overlays/hand-over",
    "overlays/one-namespace",
];

/// Overlays, and the values of the chart that say the same.
const SAME: [(&str, &[&str]); 9] = [
    ("base", &[]),
    ("overlays/least-privilege", &["privileged=false"]),
    ("overlays/istio", &["watchConfig.istio=true"]),
    ("overlays/gateway-api", &["watchConfig.gatewayApi=true"]),
    (
        "overlays/traffic-mirrors",
        &["watchConfig.trafficMirrors=true"],
    ),
    ("overlays/prometheus", &["podMonitor.enabled=true"]),
    ("overlays/readiness-gate", &["readinessGate=true"]),
    ("overlays/hand-over", &["handOver=true"]),
    (
        "overlays/one-namespace",
        &[
            "watchConfig.istio=true",
            "watchConfig.gatewayApi=true",
            "watchConfig.trafficMirrors=true",
            "watchConfig.namespace=default",
        ],
    ),
];

/// The oldest and the newest version that the schemas are known of and that we mean to serve.
const VERSIONS: [&str; 2] = ["1.25", "1.37"];

fn chart(values: &[&str]) -> Vec<Value> {
    helm("podmirror", &[&["createNamespace=true"], values].concat()).unwrap()
}

/// What the API server does with an object, strictly; a PodMonitor is not of its own kinds.
fn decode_any(object: &Value) -> anyhow::Result<()> {
    match object["kind"].as_str() {
        Some("Namespace") => decode::<Namespace>(object).map(drop),
        Some("ServiceAccount") => decode::<ServiceAccount>(object).map(drop),
        Some("ClusterRole") => decode::<ClusterRole>(object).map(drop),
        Some("ClusterRoleBinding") => decode::<ClusterRoleBinding>(object).map(drop),
        Some("Role") => decode::<Role>(object).map(drop),
        Some("RoleBinding") => decode::<RoleBinding>(object).map(drop),
        Some("PriorityClass") => decode::<PriorityClass>(object).map(drop),
        Some("DaemonSet") => decode::<DaemonSet>(object).map(drop),
        Some("NetworkPolicy") => decode::<NetworkPolicy>(object).map(drop),
        Some("CustomResourceDefinition") => decode::<CustomResourceDefinition>(object).map(drop),
        Some("PodMonitor") => Ok(()),
        _ => anyhow::bail!("a kind that nobody expects"),
    }
}

#[test]
fn every_overlay_is_what_the_api_server_takes() {
    for overlay in OVERLAYS {
        let mut objects = kustomize(overlay).unwrap();
        for object in &objects {
            decode_any(object)
                .unwrap_or_else(|error| panic!("{overlay}: {}: {error}", name(object)));
        }
        objects.retain(|object| object["kind"] != "PodMonitor");
        for version in VERSIONS {
            validate(&objects, version).unwrap();
        }
    }
}

#[test]
fn an_unknown_field_is_refused_by_both_checks() {
    let objects = kustomize("base").unwrap();
    let mut wrong = of_kind(&objects, "DaemonSet").unwrap().clone();
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privilegd"] =
        json!(true);
    let error = decode::<DaemonSet>(&wrong).unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown fields: .spec.template.spec.containers[0].securityContext.privilegd"
    );
    let error = validate(&[wrong], "1.37").unwrap_err().to_string();
    assert!(error.contains("privilegd"), "{error}");
}

#[test]
fn the_chart_makes_what_the_overlays_make() {
    for (overlay, values) in SAME {
        let ours = sorted(kustomize(overlay).unwrap());
        let theirs = sorted(chart(values));
        let names = |objects: &[Value]| objects.iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&theirs), "{overlay}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{overlay}: {}", name(ours));
        }
    }
}

/// In one order, without the two labels by which Helm knows what is its own, and without definitions, which Helm
/// installs from a folder of their own.
fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects.retain(|object| object["kind"] != "CustomResourceDefinition");
    for object in &mut objects {
        if let Some(Value::Object(labels)) = object.pointer_mut("/metadata/labels") {
            labels.retain(|label, _| {
                !["app.kubernetes.io/managed-by", "helm.sh/chart"].contains(&label.as_str())
            });
        }
        object.sort_all_objects();
    }
    objects.sort_by_key(name);
    objects
}

#[test]
fn the_chart_takes_other_values_and_refuses_unknown_ones() {
    let objects = helm(
        "second",
        &[
            "mirror.namespace=",
            "mirror.ports={80,8080}",
            "mirror.targets={http://a,http://b}",
            "mirror.args={--sample-rate=25%}",
            "image.tag=x",
            "priorityClass.create=false",
        ],
    )
    .unwrap();
    objects
        .iter()
        .for_each(|object| decode_any(object).unwrap());
    let set: DaemonSet = decode(of_kind(&objects, "DaemonSet").unwrap()).unwrap();
    assert_eq!(set.metadata.name.as_deref(), Some("second-podmirror"));
    let pod = set.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.priority_class_name, None);
    let agent = &pod.containers[0];
    assert_eq!(
        agent.image.as_deref(),
        Some("ghcr.io/podmirror/podmirror:x")
    );
    assert_eq!(
        agent.args.as_deref().unwrap(),
        [
            "agent",
            "--pod-selector=app=web,version=v1",
            "--all-namespaces",
            "--port=80",
            "--port=8080",
            "--target=http://a",
            "--target=http://b",
            "--admin-address=:9090",
            "--proc=/host/proc",
            "--state=/run/podmirror/state",
            "--sample-rate=25%",
        ]
    );
    // By its pod's name it knows its release's Lease.
    let named = json!(agent.env);
    assert!(named.to_string().contains("\"POD_NAME\""), "{named}");
    for unknown in ["mirror.podselector=a", "privilegd=true", "mirror.ports={0}"] {
        let error = helm("podmirror", &[unknown]).unwrap_err().to_string();
        assert!(error.contains("values don't meet"), "{unknown}: {error}");
    }
}

#[test]
fn overlays_can_be_put_together() {
    let everything = chart(&[
        "privileged=false",
        "watchConfig.istio=true",
        "watchConfig.gatewayApi=true",
        "watchConfig.trafficMirrors=true",
        "podMonitor.enabled=true",
    ]);
    assert_eq!(
        sorted(kustomize("overlays/all").unwrap()),
        sorted(everything)
    );
}

/// A namespace's consent must be readable wherever documents are.
#[test]
fn grants_can_be_read_wherever_documents_are() {
    for overlay in ["overlays/istio", "overlays/gateway-api", "overlays/all"] {
        let objects = kustomize(overlay).unwrap();
        let readable = objects.iter().any(|object| {
            let rules = object["rules"].as_array().into_iter().flatten();
            let mut resources = rules
                .filter_map(|rule| rule["resources"].as_array())
                .flatten();
            resources.any(|resource| resource == "referencegrants")
        });
        assert!(readable, "{overlay}");
    }
}

#[test]
fn the_overlay_without_privileges_has_five_capabilities_and_nothing_else() {
    let objects = kustomize("overlays/least-privilege").unwrap();
    let set: DaemonSet = decode(of_kind(&objects, "DaemonSet").unwrap()).unwrap();
    let pod = set.spec.unwrap().template.spec.unwrap();
    assert_eq!(
        (pod.host_network, pod.host_pid, pod.host_ipc),
        (None, None, None)
    );
    let context = pod.containers[0].security_context.clone().unwrap();
    assert_eq!(context.privileged, Some(false));
    assert_eq!(context.allow_privilege_escalation, Some(false));
    assert_eq!(context.read_only_root_filesystem, Some(true));
    assert_eq!(context.seccomp_profile.unwrap().type_, "RuntimeDefault");
    let capabilities = context.capabilities.unwrap();
    assert_eq!(capabilities.drop.unwrap(), ["ALL"]);
    assert_eq!(
        capabilities.add.unwrap(),
        ["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE", "BPF", "PERFMON"]
    );
}

/// Notes of what is attached are to outlive the container, wherever they are written by default.
#[test]
fn the_notes_of_what_is_attached_are_the_nodes() {
    let overlays = ["base", "overlays/least-privilege", "overlays/all"].map(kustomize);
    let charts = [&[][..], &["privileged=false"]].map(|values| Ok(chart(values)));
    for objects in overlays.into_iter().chain(charts) {
        let set: DaemonSet = decode(of_kind(&objects.unwrap(), "DaemonSet").unwrap()).unwrap();
        let pod = set.spec.unwrap().template.spec.unwrap();
        let volumes = pod.volumes.unwrap();
        let notes = volumes
            .iter()
            .find(|volume| volume.name == "notes")
            .unwrap();
        let host = notes.host_path.as_ref().unwrap();
        assert_eq!(
            (host.path.as_str(), host.type_.as_deref()),
            ("/run/podmirror", Some("DirectoryOrCreate"))
        );
        let agent = &pod.containers[0];
        let mounts = agent.volume_mounts.as_ref().unwrap();
        let mount = mounts.iter().find(|mount| mount.name == "notes").unwrap();
        assert_eq!(
            (mount.mount_path.as_str(), mount.read_only),
            ("/run/podmirror", None)
        );
        let args = agent.args.as_ref().unwrap();
        assert!(
            !args.iter().any(|arg| arg.starts_with("--notes")),
            "{args:?}"
        );
    }
}

/// A policy guards the pods that its selector names, in a network of their own.
#[test]
fn the_admin_port_is_for_the_scrapers_namespace() {
    let other = "networkPolicy.scraperNamespace=prometheus";
    for (objects, scraper) in [
        (kustomize("base").unwrap(), "monitoring"),
        (kustomize("overlays/all").unwrap(), "monitoring"),
        (chart(&[other]), "prometheus"),
    ] {
        let policy: NetworkPolicy = decode(of_kind(&objects, "NetworkPolicy").unwrap()).unwrap();
        let set: DaemonSet = decode(of_kind(&objects, "DaemonSet").unwrap()).unwrap();
        assert_eq!(policy.metadata.namespace, set.metadata.namespace);
        let policy = policy.spec.unwrap();
        assert_eq!(policy.policy_types.unwrap(), ["Ingress"]);
        let template = set.spec.unwrap().template;
        let labels = template.metadata.unwrap().labels.unwrap();
        let selector = policy.pod_selector.unwrap().match_labels.unwrap();
        assert!(!selector.is_empty());
        for label in selector {
            assert_eq!(labels.get(&label.0), Some(&label.1));
        }
        let pod = template.spec.unwrap();
        assert_eq!(pod.host_network, None, "no policy would hold");
        let ports = pod.containers[0].ports.clone().unwrap();
        assert_eq!(ports[0].name.as_deref(), Some("admin"));
        let rules = serde_json::to_value(policy.ingress.unwrap()).unwrap();
        let from = json!({"namespaceSelector": {
            "matchLabels": {"kubernetes.io/metadata.name": scraper},
        }});
        let to = json!({"port": "admin", "protocol": "TCP"});
        assert_eq!(rules, json!([{"from": [from], "ports": [to]}]));
    }
    let without = chart(&["networkPolicy.enabled=false"]);
    assert!(of_kind(&without, "NetworkPolicy").is_err());
}

/// The image's version is that of the workspace, wherever it stands.
#[test]
fn the_version_is_one() {
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("ghcr.io/podmirror/podmirror:{version}");
    for objects in [kustomize("base").unwrap(), chart(&[])] {
        let set = of_kind(&objects, "DaemonSet").unwrap();
        assert_eq!(
            set["spec"]["template"]["spec"]["containers"][0]["image"],
            image
        );
    }
    let chart = std::fs::read_to_string(manifests::deploy().join("helm/podmirror/Chart.yaml"));
    assert!(chart.unwrap().contains(&format!("\nversion: {version}\n")));
}

/// Of the folder that the agent has on its node, the notes of filters are `*.json`: what is no note is deleted.
#[test]
fn what_is_known_of_the_cluster_is_no_note_of_a_filter() {
    let charts =
        [&[][..], &["watchConfig.istio=true"]].map(|values| helm("podmirror", values).unwrap());
    let overlays = ["base", "overlays/all", "overlays/one-namespace"];
    let overlays = overlays.map(|folder| kustomize(folder).unwrap());
    for objects in charts.iter().chain(&overlays) {
        let set = of_kind(objects, "DaemonSet").unwrap();
        let arguments = &set["spec"]["template"]["spec"]["containers"][0]["args"];
        let arguments = arguments.as_array().unwrap().iter();
        let mut files = arguments.filter_map(|it| it.as_str()?.strip_prefix("--state="));
        let file = files.next().unwrap();
        assert!(file.starts_with("/run/podmirror/"), "{file}");
        assert!(!file.contains('.'), "{file}");
    }
}
