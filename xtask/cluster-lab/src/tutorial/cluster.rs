//! What the tutorial asks of an API server.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hyper::Request;
use kube::Client;
use serde_json::{Value, json};
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

    /// The server's version: 34 of `v1.34.2`.
    pub(super) async fn minor_version(&self) -> Result<u32> {
        let version: Value = self.client.request(get("/version")?).await?;
        let minor = version.pointer("/minor").and_then(Value::as_str);
        let digits = minor.map(|minor| minor.trim_end_matches(|last: char| !last.is_ascii_digit()));
        Ok(digits.context("no version")?.parse()?)
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

    /// What the server says to an object that it would not create, without creating it; `None` if it would.
    pub(super) async fn refusal(&self, object: &Value) -> Result<Option<String>> {
        let path = format!("{}?dryRun=All", collection(object)?);
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(object.to_string().into_bytes())?;
        match self.client.request::<Value>(request).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 422 => Ok(Some(status.message.clone())),
            Err(error) => Err(error).with_context(|| format!("trying {}", name_of(object))),
        }
    }

    /// Creates a definition that is not there, marked as ours.
    pub(super) async fn make(&self, definition: &Value) -> Result<()> {
        if self.find(definition).await?.is_none() {
            self.create(definition).await?;
        }
        self.wait_until(definition, "the definition to be established", |object| {
            let conditions = object.pointer("/status/conditions")?.as_array()?;
            let mut names = conditions.iter().filter(|it| it["type"] == "Established");
            names.any(|it| it["status"] == "True").then_some(())
        })
        .await
    }

    /// Deletes a definition, if it bears our mark.
    pub(super) async fn unmake(&self, definition: &Value) -> Result<()> {
        let labels = "/metadata/labels";
        let found = self.find(definition).await?;
        if found.is_some_and(|found| found.pointer(labels) == definition.pointer(labels)) {
            self.delete(definition).await?;
        }
        Ok(())
    }

    /// Merges a change into an object.
    pub(super) async fn change(&self, object: &Value, change: &Value) -> Result<()> {
        let request = Request::patch(path_of(object)?)
            .header("content-type", "application/merge-patch+json")
            .body(change.to_string().into_bytes())?;
        let changed: kube::Result<Value> = self.client.request(request).await;
        changed.with_context(|| format!("changing {}", name_of(object)))?;
        Ok(())
    }

    /// The object as it is now; `None` if there is none.
    pub(super) async fn find(&self, object: &Value) -> Result<Option<Value>> {
        match self.client.request(get(&path_of(object)?)?).await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", name_of(object))),
        }
    }

    /// The objects of this kind in this namespace; `like` is one of them.
    pub(super) async fn list(&self, like: &Value) -> Result<Vec<Value>> {
        let mut list: Value = self.client.request(get(&collection(like)?)?).await?;
        let items = list.get_mut("items").map(Value::take);
        Ok(serde_json::from_value(
            items.unwrap_or_else(|| Value::Array(Vec::new())),
        )?)
    }

    /// A token of this service account, for an hour.
    pub(super) async fn token(&self, namespace: &str, account: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let wanted = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        });
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(wanted.to_string().into_bytes())?;
        let made: kube::Result<Value> = self.client.request(request).await;
        let made = made.with_context(|| format!("asking for a token of {account}"))?;
        let token = made.pointer("/status/token").and_then(Value::as_str);
        Ok(token.context("no token")?.to_owned())
    }

    /// Looks at this object until it is as wanted.
    pub(super) async fn wait_until<T>(
        &self,
        object: &Value,
        what: &str,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        self.wait(&path_of(object)?, what, wanted).await
    }

    /// The pause between two looks.
    pub(super) async fn pause(&self) {
        sleep(self.pause).await;
    }

    /// How long anything may take.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Deletes an object, if it exists.
    pub(super) async fn delete(&self, object: &Value) -> Result<()> {
        let request = Request::delete(path_of(object)?).body(Vec::new())?;
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

    /// Waits until the pods with a label have gone.
    pub(super) async fn wait_for_no_pods(&self, namespace: &str, label: &str) -> Result<()> {
        self.wait_while(namespace, label, |_| true).await
    }

    /// The names of the pods with a label; those that are ending are not among them.
    pub(super) async fn pods(&self, namespace: &str, label: &str) -> Result<Vec<String>> {
        let mut pods = self.all_pods(namespace, label).await?;
        pods.retain(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
        let names = pods.iter().map(own_name);
        names.map(|name| name.map(str::to_owned)).collect()
    }

    /// The pods with a label.
    pub(super) async fn all_pods(&self, namespace: &str, label: &str) -> Result<Vec<Value>> {
        let label = label.replace('=', "%3D");
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={label}");
        let mut list: Value = self.client.request(get(&path)?).await?;
        let items = list.get_mut("items").map(Value::take);
        Ok(serde_json::from_value(items.unwrap_or_default()).unwrap_or_default())
    }

    /// Ends the pods with a label, and waits until they have gone.
    pub(super) async fn replace_pods(&self, namespace: &str, label: &str) -> Result<()> {
        let old = self.pods(namespace, label).await?;
        for pod in &old {
            let metadata = json!({"name": pod, "namespace": namespace});
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
            self.delete(&pod).await?;
        }
        self.wait_until_gone(namespace, label, &old).await
    }

    /// Waits until none of these pods with a label is there any more.
    pub(super) async fn wait_until_gone(
        &self,
        namespace: &str,
        label: &str,
        pods: &[String],
    ) -> Result<()> {
        self.wait_while(namespace, label, |name| pods.iter().any(|it| it == name))
            .await
    }

    async fn wait_while(
        &self,
        namespace: &str,
        label: &str,
        which: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        loop {
            let pods = self.all_pods(namespace, label).await?;
            let names = pods.iter().filter_map(|pod| own_name(pod).ok());
            let left: Vec<_> = names.filter(|name| which(name)).collect();
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("waited {:?} for {} to end", self.patience, left.join(", "));
            }
            sleep(self.pause).await;
        }
    }

    /// What the pod's container has written.
    pub(super) async fn logs(&self, namespace: &str, pod: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
        let text = self.client.request_text(get(&path)?).await;
        text.with_context(|| format!("the log of {pod}"))
    }

    /// The same, each line with its time before it.
    pub(super) async fn dated_logs(&self, namespace: &str, pod: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?timestamps=true");
        let text = self.client.request_text(get(&path)?).await;
        text.with_context(|| format!("the log of {pod}"))
    }

    /// A GET of the admin port of an agent, through the API server.
    pub(super) async fn ask(&self, namespace: &str, pod: &str, path: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{ADMIN_PORT}/proxy/{path}");
        let said = self.client.request_text(get(&path)?).await;
        said.with_context(|| format!("asking {pod}"))
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

fn path_of(object: &Value) -> Result<String> {
    Ok(format!("{}/{}", collection(object)?, own_name(object)?))
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
