//! What the tutorial creates.

use std::{fs::File, io::Read as _};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Options;
use crate::manifests::kustomize;

/// What tells the agent's pods from others.
pub(super) const AGENT_LABEL: &str = "app.kubernetes.io/name=podmirror";

/// The Secret of who tunes the agent.
const TOKEN: &str = "podmirror-admin";

/// Where the agent finds it.
const TOKEN_FOLDER: &str = "/etc/podmirror-admin";

/// A token that nobody else knows.
pub(super) fn token() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// The Secret with it.
pub(super) fn secret(namespace: &str, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": TOKEN, "namespace": namespace},
        "stringData": {"token": token},
    })
}

pub(super) fn web_label(version: &str) -> String {
    format!("version={version}")
}

/// The namespace of everything; its label lets privileged pods in.
pub(super) fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
        },
    })
}

/// The act whose requests v2 fails.
pub(super) const FAILING: &str = "act-fails";

/// One version of the web service: its pods, and a service of its own.
pub(super) fn web(namespace: &str, version: &str, image: &str) -> [Value; 2] {
    let name = format!("web-{version}");
    let labels = json!({"app": "web", "version": version});
    // nginx that answers every path with the name of its version, and logs to its output.
    let fails = match version {
        "v2" => format!("location {} {{ return 500; }} ", path(FAILING)),
        _ => String::new(),
    };
    let script = format!(
        "echo 'server {{ listen 80; {fails}location / {{ return 200 \"{version}\\n\"; }} }}' \
         > /etc/nginx/conf.d/default.conf && exec nginx -g 'daemon off;'"
    );
    [
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{
                        "name": "web",
                        "image": image,
                        "command": ["sh", "-c", script],
                        "ports": [{"containerPort": 80}],
                        "readinessProbe": {"httpGet": {"path": "/ready", "port": 80}},
                        // Nodes lead requests to it for a moment after it is told to end.
                        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
                    }]},
                },
            },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 80}]},
        }),
    ]
}

/// The name of the pods of a version.
pub(super) fn deployment(namespace: &str, version: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": format!("web-{version}"), "namespace": namespace},
    })
}

/// The service of a version.
pub(super) fn service(namespace: &str, version: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": format!("web-{version}"), "namespace": namespace},
    })
}

/// The DaemonSet of this name.
pub(super) fn daemon_set(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace},
    })
}

/// A change of a template that replaces its pods.
pub(super) fn mark(with: &str) -> Value {
    json!({"spec": {"template": {"metadata": {"annotations": {"podmirror.io/e2e": with}}}}})
}

/// Whether all pods of a DaemonSet are of its newest template, and ready.
pub(super) fn is_replaced(object: &Value) -> Option<()> {
    let number = |path: &str| object.pointer(path)?.as_u64();
    let current = number("/status/observedGeneration")? == number("/metadata/generation")?;
    let wanted = number("/status/desiredNumberScheduled")?;
    let new = number("/status/updatedNumberScheduled").unwrap_or_default();
    let ready = number("/status/numberReady").unwrap_or_default();
    let missing = number("/status/numberUnavailable").unwrap_or_default();
    (current && new == wanted && ready == wanted && missing == 0).then_some(())
}

/// What stands in the path of an act's requests.
pub(super) fn path(act: &str) -> String {
    format!("/{act}/")
}

/// Asks v1 one request after the other, each on a connection of its own, and writes what it says.
/// It takes at least so many seconds.
pub(super) fn client(namespace: &str, act: &str, options: &Options, seconds: u32) -> Value {
    let (path, requests) = (path(act), options.requests);
    let script = format!(
        "begun=$(date +%s); i=0; while [ $i -lt {requests} ]; do i=$((i + 1)); \
         timeout 10 wget -q -O - http://web-v1{path}$i || echo failed; \
         while [ $(($(date +%s) - begun)) -lt $((i * {seconds} / {requests})) ]; do sleep 1; done; done"
    );
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("client-{act}"), "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "client",
                "image": options.web_image,
                "command": ["sh", "-c", script],
            }],
        },
    })
}

/// The agent of this folder of `deploy/`, in our namespace, with these arguments, and with names that collide with
/// nobody's.
pub(super) fn agent(
    namespace: &str,
    folder: &str,
    arguments: &[String],
    options: &Options,
) -> Result<Vec<Value>> {
    let mut objects = kustomize(folder)?;
    // The namespace is there, the API server's proxy comes from anywhere, a definition may be others', too, and
    // not everybody has the Prometheus operator.
    let left_out = [
        "Namespace",
        "NetworkPolicy",
        "CustomResourceDefinition",
        "PodMonitor",
    ];
    let left_out = left_out.map(Value::from);
    objects.retain(|object| {
        !object
            .pointer("/kind")
            .is_some_and(|kind| left_out.contains(kind))
    });
    for object in &mut objects {
        if let Some(place) = object.pointer_mut("/metadata/namespace") {
            *place = namespace.into();
        } else {
            rename(at(object, "/metadata/name")?, namespace);
        }
        match object.pointer("/kind").and_then(Value::as_str) {
            Some("ClusterRoleBinding") => {
                rename(at(object, "/roleRef/name")?, namespace);
                *at(object, "/subjects/0/namespace")? = namespace.into();
            }
            Some("RoleBinding") => *at(object, "/subjects/0/namespace")? = namespace.into(),
            Some("DaemonSet") => {
                *at(object, "/spec/template/spec/priorityClassName")? = namespace.into();
                add(
                    at(object, "/spec/template/spec/volumes")?,
                    json!({"name": TOKEN, "secret": {"secretName": TOKEN}}),
                )?;
                let agent = at(object, "/spec/template/spec/containers/0")?;
                add(
                    at(agent, "/volumeMounts")?,
                    json!({"name": TOKEN, "mountPath": TOKEN_FOLDER, "readOnly": true}),
                )?;
                *at(agent, "/image")? = options.image.as_str().into();
                *at(agent, "/args")? = json!(arguments);
            }
            _ => {}
        }
    }
    Ok(objects)
}

fn add(list: &mut Value, item: Value) -> Result<()> {
    list.as_array_mut().context("no list")?.push(item);
    Ok(())
}

pub(super) fn at<'a>(object: &'a mut Value, path: &str) -> Result<&'a mut Value> {
    object
        .pointer_mut(path)
        .with_context(|| format!("deploy/ has no {path}"))
}

/// `podmirror` and `podmirror-istio` become our name, and ours with `-istio`.
pub(super) fn rename(name: &mut Value, namespace: &str) {
    let more = name
        .as_str()
        .and_then(|name| name.strip_prefix("podmirror"));
    *name = format!("{namespace}{}", more.unwrap_or_default()).into();
}

/// What the agent is told that mirrors by flags.
pub(super) fn by_flags(namespace: &str) -> Vec<String> {
    with_common(&[
        "agent".to_owned(),
        "--pod-selector=app=web,version=v1".to_owned(),
        format!("--namespace={namespace}"),
        "--port=80".to_owned(),
        // So there is a verdict.
        format!("--target=service/{namespace}/web-v2:80,role=candidate"),
        // The kubelet's probes are not requests of the client.
        "--allow-path=/rate-*/*".to_owned(),
        "--compare=v1".to_owned(),
    ])
}

/// What the agent is told that mirrors what documents say.
pub(super) fn by_documents(namespace: &str) -> Vec<String> {
    with_common(&[
        "agent".to_owned(),
        // Nobody else's.
        format!("--watch-namespace={namespace}"),
        "--shards=1".to_owned(),
        // As in deploy/: rules share it.
        "--ring-size=8M".to_owned(),
        "--max-memory=64M".to_owned(),
        "--readiness-gate".to_owned(),
        "--hand-over=/run/podmirror/hand-over.sock".to_owned(),
    ])
}

fn with_common(arguments: &[String]) -> Vec<String> {
    let common = [
        "--admin-address=:9090".to_owned(),
        // It is told its rate through the API server's proxy.
        format!("--admin-token-file={TOKEN_FOLDER}/token"),
        "--proc=/host/proc".to_owned(),
    ];
    [arguments, &common].concat()
}

/// The text at this path; empty if there is none.
pub(super) fn text<'a>(of: &'a Value, path: &str) -> &'a str {
    of.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
