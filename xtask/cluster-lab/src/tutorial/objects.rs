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

/// One version of the web service: its pods, and a service of its own.
pub(super) fn web(namespace: &str, version: &str, image: &str) -> [Value; 2] {
    let name = format!("web-{version}");
    let labels = json!({"app": "web", "version": version});
    // nginx that answers every path with the name of its version, and logs to its output.
    let script = format!(
        "echo 'server {{ listen 80; location / {{ return 200 \"{version}\\n\"; }} }}' \
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

/// What stands in the path of an act's requests.
pub(super) fn path(rate: u32) -> String {
    format!("/rate-{rate}/")
}

pub(super) fn client_name(rate: u32) -> String {
    format!("client-{rate}")
}

/// Asks v1 one request after the other, each on a connection of its own, and writes what it says.
pub(super) fn client(namespace: &str, rate: u32, options: &Options) -> Value {
    let (path, requests) = (path(rate), options.requests);
    let script = format!(
        "i=0; while [ $i -lt {requests} ]; do i=$((i + 1)); \
         wget -q -T 10 -O - http://web-v1{path}$i || echo failed; done"
    );
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": client_name(rate), "namespace": namespace},
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

/// The agent as `deploy/` has it, in our namespace, for our pods, and with names that collide with
/// nobody's.
pub(super) fn agent(namespace: &str, options: &Options) -> Result<Vec<Value>> {
    let mut objects = kustomize(&options.overlay)?;
    // The namespace is there, the API server's proxy comes from anywhere, and a definition may be others', too.
    let left_out = ["Namespace", "NetworkPolicy", "CustomResourceDefinition"].map(Value::from);
    objects.retain(|object| {
        !object
            .pointer("/kind")
            .is_some_and(|kind| left_out.contains(kind))
    });
    for object in &mut objects {
        let own = if object.pointer("/metadata/namespace").is_some() {
            "/metadata/namespace"
        } else {
            "/metadata/name"
        };
        *at(object, own)? = namespace.into();
        match object.pointer("/kind").and_then(Value::as_str) {
            Some("ClusterRoleBinding") => {
                *at(object, "/roleRef/name")? = namespace.into();
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
                *at(agent, "/args")? = arguments(namespace);
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

fn at<'a>(object: &'a mut Value, path: &str) -> Result<&'a mut Value> {
    object
        .pointer_mut(path)
        .with_context(|| format!("deploy/ has no {path}"))
}

fn arguments(namespace: &str) -> Value {
    json!([
        "agent",
        "--pod-selector=app=web,version=v1",
        format!("--namespace={namespace}"),
        "--port=80",
        format!("--target=service/{namespace}/web-v2:80"),
        // The kubelet's probes are not requests of the client.
        "--allow-path=/rate-*/*",
        "--admin-address=:9090",
        // It is told its rate through the API server's proxy.
        format!("--admin-token-file={TOKEN_FOLDER}/token"),
        "--proc=/host/proc",
    ])
}
