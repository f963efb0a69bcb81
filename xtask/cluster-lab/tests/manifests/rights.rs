//! What the agent may ask of the API.

use cluster_lab::manifests::{self, decode, kustomize, of_kind};
use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding},
};

/// All that is written is for people: Events, and the status of our own kind.
const WRITTEN: [(&str, &str, &[&str]); 2] = [
    ("events.k8s.io", "events", &["create"]),
    ("podmirror.io", "trafficmirrors/status", &["get", "patch"]),
];

fn assert_lists_watches_and_tells(rule: PolicyRule) -> Vec<String> {
    let (groups, resources) = (rule.api_groups.unwrap(), rule.resources.unwrap());
    let tells = WRITTEN.iter().any(|(group, resource, verbs)| {
        groups == [*group] && resources == [*resource] && rule.verbs == **verbs
    });
    assert!(tells || rule.verbs == ["list", "watch"], "{resources:?}");
    assert!(!resources.iter().any(|it| it == "*"), "{resources:?}");
    resources
}

/// In its own namespace alone, and of one kind.
fn assert_writes_leases(rules: Vec<PolicyRule>) {
    let [rule] = rules.try_into().unwrap();
    assert_eq!(rule.api_groups.unwrap(), ["coordination.k8s.io"]);
    assert_eq!(rule.resources.unwrap(), ["leases"]);
    assert_eq!(rule.verbs, ["get", "list", "create", "patch"]);
}

#[test]
fn the_agent_may_only_list_watch_and_tell() {
    let mut roles = 0;
    for object in kustomize("overlays/all").unwrap() {
        if object["kind"] == "ClusterRole" {
            let role: ClusterRole = decode(&object).unwrap();
            for rule in role.rules.unwrap() {
                assert_lists_watches_and_tells(rule);
            }
        }
        if object["kind"] == "Role" {
            roles += 1;
            let role: Role = decode(&object).unwrap();
            assert_eq!(role.metadata.namespace.as_deref(), Some("podmirror"));
            assert_writes_leases(role.rules.unwrap());
        }
    }
    assert_eq!(roles, 1);
    // With flags alone there is nothing to tell of.
    let base = kustomize("base").unwrap();
    let role: ClusterRole = decode(of_kind(&base, "ClusterRole").unwrap()).unwrap();
    for rule in role.rules.unwrap() {
        assert_eq!(rule.verbs, ["list", "watch"]);
    }
    for objects in [base, manifests::helm("podmirror", &[]).unwrap()] {
        let role: Role = decode(of_kind(&objects, "Role").unwrap()).unwrap();
        assert_eq!(role.rules, Some(Vec::new()));
    }
}

/// Whoever may patch the status of pods can give them other addresses: only who asks for it has that right.
#[test]
fn only_for_readiness_gates_the_agent_may_patch_the_status_of_pods() {
    let rights = |overlay: &str| {
        let mut found = Vec::new();
        for object in kustomize(overlay).unwrap() {
            if object["kind"] == "ClusterRole" {
                let role: ClusterRole = decode(&object).unwrap();
                found.extend(role.rules.unwrap());
            }
        }
        found.retain(|rule| !rule.verbs.iter().all(|it| it == "list" || it == "watch"));
        found
    };
    assert_eq!(rights("base"), []);
    let [rule] = rights("overlays/readiness-gate").try_into().unwrap();
    assert_eq!(rule.api_groups.unwrap(), [""]);
    assert_eq!(rule.resources.unwrap(), ["pods/status"]);
    assert_eq!(rule.verbs, ["patch"]);
    let everything = rights("overlays/all").into_iter();
    let resources: Vec<_> = everything.flat_map(|it| it.resources.unwrap()).collect();
    assert!(
        !resources.contains(&"pods/status".to_owned()),
        "{resources:?}"
    );
}

/// Where one namespace is watched, nothing outside of it can be.
#[test]
fn the_agent_of_one_namespace_has_roles_in_it_and_no_others() {
    let objects = kustomize("overlays/one-namespace").unwrap();
    let kind = |kind: &str| objects.iter().filter(|it| it["kind"] == kind).count();
    assert_eq!((kind("ClusterRole"), kind("ClusterRoleBinding")), (0, 0));
    let roles = objects.iter().filter(|it| it["kind"] == "Role");
    let mut resources = Vec::new();
    for object in roles {
        let role: Role = decode(object).unwrap();
        let rules = role.rules.unwrap();
        if role.metadata.name.as_deref() == Some("podmirror-status") {
            assert_eq!(role.metadata.namespace.as_deref(), Some("podmirror"));
            assert_writes_leases(rules);
            continue;
        }
        assert_eq!(role.metadata.namespace.as_deref(), Some("default"));
        for rule in rules {
            resources.extend(assert_lists_watches_and_tells(rule));
        }
    }
    resources.sort();
    resources.dedup();
    let expected = [
        "destinationrules",
        "endpointslices",
        "events",
        "grpcroutes",
        "httproutes",
        "pods",
        "referencegrants",
        "services",
        "trafficmirrors",
        "trafficmirrors/status",
        "virtualservices",
    ];
    assert_eq!(resources, expected);
    for object in objects.iter().filter(|it| it["kind"] == "RoleBinding") {
        let binding: RoleBinding = decode(object).unwrap();
        let own = binding.metadata.name.as_deref() == Some("podmirror-status");
        let namespace = if own { "podmirror" } else { "default" };
        assert_eq!(binding.metadata.namespace.as_deref(), Some(namespace));
        let subject = &binding.subjects.unwrap()[0];
        assert_eq!(subject.namespace.as_deref(), Some("podmirror"));
    }
    let set = of_kind(&objects, "DaemonSet").unwrap();
    let args = &set["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(args[1], "--watch-namespace=default");
}

/// The rights go with the agent, wherever it is put.
#[test]
fn another_namespace_takes_the_subjects_of_bindings_along() {
    for overlay in ["base", "overlays/all"] {
        let objects = manifests::kustomize_into(overlay, "elsewhere").unwrap();
        let mut subjects = 0;
        for object in &objects {
            if object["kind"] == "ClusterRoleBinding" {
                let binding: ClusterRoleBinding = decode(object).unwrap();
                for subject in binding.subjects.unwrap() {
                    assert_eq!(subject.namespace.as_deref(), Some("elsewhere"));
                    subjects += 1;
                }
            }
            if object["kind"] == "RoleBinding" {
                let binding: RoleBinding = decode(object).unwrap();
                assert_eq!(binding.metadata.namespace.as_deref(), Some("elsewhere"));
                let subject = &binding.subjects.unwrap()[0];
                assert_eq!(subject.namespace.as_deref(), Some("elsewhere"));
            }
        }
        assert!(subjects > 0, "{overlay}");
        let account: ServiceAccount = decode(of_kind(&objects, "ServiceAccount").unwrap()).unwrap();
        assert_eq!(account.metadata.namespace.as_deref(), Some("elsewhere"));
    }
}
