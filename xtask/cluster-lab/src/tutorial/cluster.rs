//! What the tutorial asks of an API server.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hyper::Request;
use kube::Client;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::manifests::name as name_of;

/// Where agents are asked, as `deploy/` has it.
const ADMIN_PORT: u16 = 9090;

/// A cluster, and how patient we are with it.
pub(super) struct Cluster {
    client: Client,
    patience: Duration,
    pause: Duration,
}

impl Cluster {
    pub(super) fn new(client: Client, patience: Duration, pause: Duration) -> Self {
        Self {
            client,
            patience,
            pause,
        }
    }

    /// Creates an object; fields that the server does not know are refused by it.
    pub(super) async fn create(&self, object: &Value) -> Result<()> {
        let path = format!("{}?fieldValidation=Strict", collection(object)?);
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(object.to_string().into_bytes())?;
        let made: kube::Result<Value> = self.client.request(request).await;
        made.with_context(|| format!("creating {}", name_of(object)))?;
        Ok(())
    }

    /// Deletes an object, if it exists.
    pub(super) async fn delete(&self, object: &Value) -> Result<()> {
        let path = format!("{}/{}", collection(object)?, own_name(object)?);
        let request = Request::delete(path).body(Vec::new())?;
        match self.client.request::<Value>(request).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            done => done
                .map(drop)
                .with_context(|| format!("deleting {}", name_of(object))),
        }
    }

    pub(super) async fn wait_for_deployment(&self, namespace: &str, name: &str) -> Result<()> {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        self.wait(&path, &format!("{name} to be available"), |object| {
            let available = object.pointer("/status/availableReplicas")?.as_u64()?;
            (available > 0).then_some(())
        })
        .await
    }

    /// Waits until its pods are ready on every node, and returns on how many.
    pub(super) async fn wait_for_daemon_set(&self, namespace: &str, name: &str) -> Result<u64> {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}");
        self.wait(&path, &format!("{name} to be ready"), |object| {
            let number = |field: &str| object.pointer(&format!("/status/{field}"))?.as_u64();
            let wanted = number("desiredNumberScheduled")?;
            (wanted > 0 && number("numberReady")? == wanted).then_some(wanted)
        })
        .await
    }

    /// Waits until a pod has succeeded.
    pub(super) async fn wait_for_end(&self, namespace: &str, name: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let ended = |object: &Value| {
            let phase = object.pointer("/status/phase")?.as_str()?;
            matches!(phase, "Succeeded" | "Failed").then(|| phase.to_owned())
        };
        let what = format!("{name} to end");
        match self.wait(&path, &what, ended).await?.as_str() {
            "Succeeded" => Ok(()),
            phase => bail!("{name}: {phase}"),
        }
    }

    /// The names of the pods with a label.
    pub(super) async fn pods(&self, namespace: &str, label: &str) -> Result<Vec<String>> {
        let label = label.replace('=', "%3D");
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={label}");
        let list: Value = self.client.request(get(&path)?).await?;
        let items = list.pointer("/items").and_then(Value::as_array);
        let names = items.into_iter().flatten().map(own_name);
        names.map(|name| name.map(str::to_owned)).collect()
    }

    /// What the pod's container has written.
    pub(super) async fn logs(&self, namespace: &str, pod: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
        let text = self.client.request_text(get(&path)?).await;
        text.with_context(|| format!("the log of {pod}"))
    }

    /// A PUT to the admin port of an agent, through the API server, which keeps `Authorization` for
    /// itself.
    pub(super) async fn put(
        &self,
        namespace: &str,
        pod: &str,
        path: &str,
        token: &str,
        body: &str,
    ) -> Result<()> {
        // The proxy knows a pod's port by its number only.
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{ADMIN_PORT}/proxy/{path}");
        let request = Request::put(path)
            .header("x-podmirror-token", token)
            .body(body.as_bytes().to_vec())?;
        self.client.request_text(request).await?;
        Ok(())
    }

    /// Looks at an object until there is what is wanted.
    async fn wait<T>(
        &self,
        path: &str,
        what: &str,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + self.patience;
        loop {
            let object: Value = self.client.request(get(path)?).await?;
            if let Some(found) = wanted(&object) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                let status = object.pointer("/status").unwrap_or(&Value::Null);
                bail!("waited {:?} for {what}: {status}", self.patience);
            }
            sleep(self.pause).await;
        }
    }
}

fn get(path: &str) -> Result<Request<Vec<u8>>> {
    Ok(Request::get(path).body(Vec::new())?)
}

fn own_name(object: &Value) -> Result<&str> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    name.context("an object without a name")
}

/// The path under which objects of this kind are, in its namespace if it has one.
fn collection(object: &Value) -> Result<String> {
    let word = |path: &str| object.pointer(path).and_then(Value::as_str);
    let version = word("/apiVersion").context("no apiVersion")?;
    let kind = word("/kind").context("no kind")?;
    let root = if version.contains('/') { "apis" } else { "api" };
    let plural = match kind {
        "PriorityClass" => "priorityclasses".to_owned(),
        other => format!("{}s", other.to_lowercase()),
    };
    Ok(match word("/metadata/namespace") {
        Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
        None => format!("/{root}/{version}/{plural}"),
    })
}
