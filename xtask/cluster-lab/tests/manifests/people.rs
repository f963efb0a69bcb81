//! What people may do who use `kubectl podmirror`, and how krew would install it.

use std::fs;

use cluster_lab::manifests::{self, decode, deploy, helm, kustomize, validate};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use serde_json::Value;

use crate::VERSIONS;

fn rights(rules: Option<Vec<PolicyRule>>) -> Vec<String> {
    let mut rights = Vec::new();
    for rule in rules.unwrap() {
        for resource in rule.resources.unwrap() {
            rights.push(format!("{resource}: {}", rule.verbs.join(", ")));
        }
    }
    rights.sort();
    rights
}

#[test]
fn people_who_look_may_change_nothing() {
    let objects = kustomize("people").unwrap();
    for version in VERSIONS {
        validate(&objects, version).unwrap();
    }
    let mut named = Vec::new();
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let rights = if object["kind"] == "Role" {
            let role: Role = decode(object).unwrap();
            assert_eq!(role.metadata.namespace.as_deref(), Some("podmirror"));
            rights(role.rules)
        } else {
            rights(decode::<ClusterRole>(object).unwrap().rules)
        };
        named.push((name, rights));
    }
    named.sort();
    let [documents, editor, operator, viewer] = named.try_into().unwrap();
    assert_eq!(documents.0, "podmirror-documents-viewer");
    assert!(
        documents.1.iter().all(|right| right.ends_with(": list")),
        "{documents:?}"
    );
    assert_eq!(editor.0, "podmirror-mirrors-editor");
    assert_eq!(editor.1, ["trafficmirrors: get, list, patch"]);
    assert_eq!(operator.0, "podmirror-operator");
    let exec = "pods/exec: get, create";
    let viewers = ["pods/portforward: get, create", "pods: list"];
    assert_eq!(operator.1, [exec, viewers[0], viewers[1]]);
    assert_eq!(viewer.0, "podmirror-viewer");
    assert_eq!(viewer.1, viewers);
}

/// By the chart they are called as the release is.
#[test]
fn the_chart_makes_the_same_roles_for_people_if_it_is_told_to() {
    let without = helm("podmirror", &[]).unwrap();
    for release in ["podmirror", "second"] {
        let prefix = if release == "podmirror" {
            "podmirror"
        } else {
            "second-podmirror"
        };
        let mut more = helm(release, &["people.create=true"]).unwrap();
        more.retain(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let ends = ["-viewer", "-operator", "-editor"];
            ends.iter().any(|end| name.ends_with(end))
        });
        let shown = |object: &Value, own: &str| {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let rules: Vec<PolicyRule> = serde_json::from_value(object["rules"].clone()).unwrap();
            let rules: Vec<_> = rules
                .into_iter()
                .map(|it| (it.api_groups, it.resources, it.verbs))
                .collect();
            let name = name.strip_prefix(own).unwrap().to_owned();
            (name, object["kind"].to_string(), rules)
        };
        let mut theirs: Vec<_> = more.iter().map(|it| shown(it, prefix)).collect();
        let mut ours: Vec<_> = kustomize("people")
            .unwrap()
            .iter()
            .map(|it| shown(it, "podmirror"))
            .collect();
        theirs.sort();
        ours.sort();
        assert_eq!(theirs, ours);
        validate(&more, VERSIONS[1]).unwrap();
    }
    let named = |end: &str| without.iter().any(|it| manifests::name(it).ends_with(end));
    assert!(!named("-viewer") && !named("-operator") && !named("-editor"));
}

/// The template is filled in as krew-release-bot does, and has the archives that a release has.
#[test]
fn krew_finds_what_a_release_has() {
    let root = deploy().join("..");
    let template = fs::read_to_string(root.join("deploy/krew/podmirror.yaml")).unwrap();
    let mut archives = Vec::new();
    let filled: Vec<_> = template
        .lines()
        .map(|line| match line.strip_prefix("{{addURIAndSha \"") {
            Some(rest) => {
                let (uri, how) = rest.split_once("\" .TagName |").unwrap();
                assert_eq!(how, " indent 6 }}");
                let uri = uri.replace("{{ .TagName }}", "v1.2.3");
                let uri = uri.replace("{{ slice .TagName 1 }}", "1.2.3");
                archives.push(uri.rsplit('/').next().unwrap().to_owned());
                format!("      uri: {uri}\n      sha256: \"0\"")
            }
            None => line.replace("{{ .TagName }}", "v1.2.3"),
        })
        .collect();
    let plugin: Value = serde_saphyr::from_str(&filled.join("\n")).unwrap();
    assert_eq!(plugin["kind"], "Plugin");
    assert_eq!(plugin["spec"]["version"], "v1.2.3");
    // Longer ones are refused by the index.
    assert!(plugin["spec"]["shortDescription"].as_str().unwrap().len() <= 50);
    let release = fs::read_to_string(root.join(".github/workflows/release.yml")).unwrap();
    assert!(release.contains("folder=\"podmirror-${VERSION#v}-$ARCHITECTURE-linux\""));
    assert!(release.contains("cp target/image/podmirror README.md"));
    let platforms = plugin["spec"]["platforms"].as_array().unwrap();
    assert_eq!((platforms.len(), archives.len()), (2, 2));
    for (platform, archive) in platforms.iter().zip(archives) {
        let arch = platform["selector"]["matchLabels"]["arch"]
            .as_str()
            .unwrap();
        let of = match arch {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            other => panic!("{other}"),
        };
        assert_eq!(archive, format!("podmirror-1.2.3-{of}-linux.tar.gz"));
        assert!(release.contains(&format!("architecture: {of}")));
        assert_eq!(platform["bin"], "podmirror");
        assert_eq!(platform["files"][0]["from"], "*/podmirror");
    }
}
