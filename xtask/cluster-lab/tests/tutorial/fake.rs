//! An API server with a kubelet's and podmirror's effects, in memory: objects are stored, a client
//! pod's requests are in the logs at once, and so are their copies.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cluster_lab::manifests::decode;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{Namespace, Pod, Secret, Service, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    scheduling::v1::PriorityClass,
};
use kube::client::Body;
use serde_json::{Value, json};

/// What is wrong with the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The agents answer 200 to a new rate and keep the old one.
    RateStays,
    /// One request of each client fails.
    V1Fails,
    /// Creating this is answered with 403.
    Forbidden(&'static str),
    /// One of two agents is not ready.
    NeverReady,
}

#[derive(Clone)]
pub(crate) struct FakeCluster {
    state: Arc<Mutex<State>>,
}

struct State {
    fault: Fault,
    requests: Vec<String>,
    objects: BTreeMap<String, Value>,
    logs: BTreeMap<String, String>,
    percent: usize,
    /// What the request that is being answered bears.
    token: Option<String>,
}

/// What an endpoint answers.
enum Answer {
    Object(Value),
    Text(String),
    Status(u16),
}

impl FakeCluster {
    pub(crate) fn new(fault: Fault) -> Self {
        let state = State {
            fault,
            requests: Vec::new(),
            objects: BTreeMap::new(),
            logs: BTreeMap::new(),
            percent: 100,
            token: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn client(&self) -> kube::Client {
        let state = Arc::clone(&self.state);
        let service = tower::service_fn(move |request: Request<Body>| {
            let state = Arc::clone(&state);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let target = head.uri.path_and_query().unwrap().to_string();
                let mut state = state.lock().unwrap();
                let token = head.headers.get("x-podmirror-token");
                state.token = token.map(|token| token.to_str().unwrap().to_owned());
                let answer = state.answer(head.method.as_str(), &target, &body);
                Ok::<_, Infallible>(response(answer.unwrap()))
            }
        });
        kube::Client::new(service, "default")
    }

    /// Method and path of every request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    /// The paths of the objects that are there.
    pub(crate) fn left(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }
}

impl State {
    fn answer(&mut self, method: &str, target: &str, body: &[u8]) -> Result<Answer> {
        self.requests.push(format!("{method} {target}"));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match method {
            "POST" => self.create(path, serde_json::from_slice(body)?),
            "DELETE" => Ok(self.delete(path)),
            "PUT" if path.ends_with(":9090/proxy/sample-rate") => {
                let secrets = self.objects.values().filter(|one| one["kind"] == "Secret");
                let mut tokens = secrets.map(|secret| secret["stringData"]["token"].as_str());
                if !tokens.any(|token| token == self.token.as_deref()) {
                    return Ok(Answer::Status(403));
                }
                if self.fault != Fault::RateStays {
                    let rate = std::str::from_utf8(body)?.strip_suffix('%');
                    self.percent = rate.context("no percentage")?.parse()?;
                }
                Ok(Answer::Text(String::new()))
            }
            "GET" => Ok(self.get(path, query)),
            other => bail!("{other} {target}"),
        }
    }

    fn create(&mut self, collection: &str, object: Value) -> Result<Answer> {
        let kind = object["kind"].as_str().context("no kind")?;
        match kind {
            "Namespace" => drop(decode::<Namespace>(&object)?),
            "ServiceAccount" => drop(decode::<ServiceAccount>(&object)?),
            "ClusterRole" => drop(decode::<ClusterRole>(&object)?),
            "ClusterRoleBinding" => drop(decode::<ClusterRoleBinding>(&object)?),
            "Role" => drop(decode::<Role>(&object)?),
            "RoleBinding" => drop(decode::<RoleBinding>(&object)?),
            "PriorityClass" => drop(decode::<PriorityClass>(&object)?),
            "Deployment" => drop(decode::<Deployment>(&object)?),
            "DaemonSet" => drop(decode::<DaemonSet>(&object)?),
            "Secret" => drop(decode::<Secret>(&object)?),
            "Service" => drop(decode::<Service>(&object)?),
            "Pod" => {
                decode::<Pod>(&object)?;
                self.run_client(&object)?;
            }
            other => bail!("nobody should create a {other}"),
        }
        if matches!(self.fault, Fault::Forbidden(what) if collection.ends_with(what)) {
            return Ok(Answer::Status(403));
        }
        let name = object["metadata"]["name"].as_str().context("no name")?;
        self.objects
            .insert(format!("{collection}/{name}"), object.clone());
        Ok(Answer::Object(object))
    }

    /// With a namespace goes all that is in it.
    fn delete(&mut self, path: &str) -> Answer {
        let Some(object) = self.objects.remove(path) else {
            return Answer::Status(404);
        };
        if let Some((_, name)) = path.split_once("/api/v1/namespaces/") {
            let inside = format!("/namespaces/{name}/");
            self.objects.retain(|path, _| !path.contains(&inside));
        }
        Answer::Object(object)
    }

    fn get(&self, path: &str, query: &str) -> Answer {
        if let Some(pod) = path.strip_suffix("/log") {
            let name = pod.rsplit('/').next().unwrap_or_default();
            return Answer::Text(self.logs.get(name).cloned().unwrap_or_default());
        }
        if path.ends_with("/pods") {
            let names: &[&str] = match query {
                "labelSelector=version%3Dv1" => &["web-v1-0"],
                "labelSelector=version%3Dv2" => &["web-v2-0"],
                "labelSelector=app.kubernetes.io/name%3Dpodmirror" if self.has("DaemonSet") => {
                    &["podmirror-a", "podmirror-b"]
                }
                _ => &[],
            };
            let items: Vec<_> = names
                .iter()
                .map(|name| json!({"metadata": {"name": name}}))
                .collect();
            return Answer::Object(json!({"items": items}));
        }
        let Some(mut object) = self.objects.get(path).cloned() else {
            return Answer::Status(404);
        };
        let ready = if self.fault == Fault::NeverReady {
            1
        } else {
            2
        };
        object["status"] = match object["kind"].as_str() {
            Some("Deployment") => json!({"availableReplicas": 1}),
            Some("DaemonSet") => json!({"desiredNumberScheduled": 2, "numberReady": ready}),
            Some("Pod") => json!({"phase": "Succeeded"}),
            _ => json!({}),
        };
        Answer::Object(object)
    }

    fn has(&self, kind: &str) -> bool {
        self.objects.values().any(|object| object["kind"] == kind)
    }

    /// The client asks, v1 answers, and podmirror copies.
    fn run_client(&mut self, pod: &Value) -> Result<()> {
        let name = pod["metadata"]["name"].as_str().context("no name")?;
        let act = name.strip_prefix("client-").context("an unknown pod")?;
        let script = pod["spec"]["containers"][0]["command"][2].to_string();
        let count = script
            .split("-lt ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let count: usize = count.context("no count in the script")?.parse()?;
        let answered = count - usize::from(self.fault == Fault::V1Fails);
        let said = "v1\n".repeat(answered) + &"failed\n".repeat(count - answered);
        self.logs.insert(name.to_owned(), said);
        let line = |number| format!("10.0.0.1 \"GET /{act}/{number} HTTP/1.1\" 200\n");
        let lines = |count: usize| (1..=count).map(line).collect::<String>();
        *self.logs.entry("web-v1-0".to_owned()).or_default() += &lines(count);
        *self.logs.entry("web-v2-0".to_owned()).or_default() += &lines(count * self.percent / 100);
        Ok(())
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let (status, body) = match answer {
        Answer::Object(object) => (200, object.to_string()),
        Answer::Text(text) => (200, text),
        Answer::Status(code) => (
            code,
            json!({
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "as the test wants it",
                "reason": "Test",
                "code": code,
            })
            .to_string(),
        ),
    };
    let body = Full::new(Bytes::from(body));
    Response::builder().status(status).body(body).unwrap()
}
