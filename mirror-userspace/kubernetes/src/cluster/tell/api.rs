//! The requests that telling takes, each with an end.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{api::coordination::v1::Lease, api::events::v1::Event, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{ApiResource, GetParams, ListParams, Patch, PatchParams, PostParams},
    core::{DynamicObject, GroupVersionKind},
};
use log::{info, warn};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{events::Due, refusals::REFUSED, seen::Identity};

/// How long the API server may take for one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// After a failure that is nobody's fault.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The Leases in one answer: with the longest notes, some 4 MiB.
const PAGE: u32 = 250;

/// Leases, and where the others begin.
type Page = (Vec<DynamicObject>, Option<String>);

/// Who writes, as `managedFields` has it.
const MANAGER: &str = "podmirror";

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The service account may not, or a namespace takes nothing of the kind.
    Forbidden(String),
    /// There is no such object, or no such kind.
    NotFound,
    /// Another one was faster; or it is there already.
    Conflict,
    /// No answer: the watches say that the API server is away.
    Away(String),
    /// Anything else.
    Other(String),
}

impl Failed {
    /// How long to wait before it is tried again: rights are granted by people.
    pub(super) const fn wait(&self) -> Duration {
        match self {
            Self::Forbidden(_) | Self::NotFound => REFUSED,
            Self::Conflict | Self::Away(_) | Self::Other(_) => TRIED_AGAIN_AFTER,
        }
    }
}

/// A status, and the version of the object that has it or is to have it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Versioned {
    pub(super) version: String,
    pub(super) status: Value,
}

/// The API server, as far as telling asks it.
pub(super) struct TellApi {
    client: Client,
}

impl TellApi {
    pub(super) const fn new(client: Client) -> Self {
        Self { client }
    }

    fn leases(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<Lease>(&());
        Api::default_namespaced_with(self.client.clone(), &resource)
    }

    fn events(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<Event>(&());
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    fn documents(&self, of: &Identity) -> Api<DynamicObject> {
        let (group, version) = of.api_version.split_once('/').unwrap_or_default();
        let kind = GroupVersionKind::gvk(group, version, &of.kind);
        // Only TrafficMirrors have a status of ours.
        let resource = ApiResource::from_gvk_with_plural(&kind, "trafficmirrors");
        Api::namespaced_with(self.client.clone(), &of.namespace, &resource)
    }

    /// A Lease; one that may be a little `old` costs the API server's store nothing.
    pub(super) async fn lease(&self, name: &str, old: bool) -> Result<Value, Failed> {
        let params = if old {
            GetParams::any()
        } else {
            GetParams::default()
        };
        value(self.leases().get_with(name, &params)).await
    }

    pub(super) async fn create_lease(&self, lease: Value) -> Result<Value, Failed> {
        let lease = object(lease)?;
        value(self.leases().create(&PostParams::default(), &lease)).await
    }

    pub(super) async fn change_lease(&self, name: &str, change: &Value) -> Result<Value, Failed> {
        let (params, patch) = (manager(), Patch::Merge(change));
        value(self.leases().patch(name, &params, &patch)).await
    }

    /// The next [`PAGE`] Leases with this label, and where to go on; from the start without `from`. Not from the API
    /// server's memory, as it gives out all at once from there.
    pub(super) async fn labelled(&self, label: &str, from: Option<&str>) -> Result<Page, Failed> {
        let mut params = ListParams::default().labels(label).limit(PAGE);
        if let Some(from) = from {
            params = params.continue_token(from);
        }
        let leases = self.leases();
        let list = within(leases.list(&params)).await?;
        let next = list.metadata.continue_.filter(|next| !next.is_empty());
        Ok((list.items, next))
    }

    /// The status that an object has, with the version of the object; null if it has none.
    pub(super) async fn status(&self, of: &Identity) -> Result<Versioned, Failed> {
        let mut object = value(self.documents(of).get_status(&of.name)).await?;
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
        if !of.uid.is_empty() && uid.is_some_and(|uid| uid != of.uid) {
            // It is another object of that name, of which the watch will tell.
            return Err(Failed::NotFound);
        }
        let status = object.get_mut("status").map(Value::take);
        Ok(Versioned {
            version: version(&object),
            status: status.unwrap_or_default(),
        })
    }

    /// Sets the status of the object that has this version, and returns the one that it has then. One that was
    /// changed meanwhile, or another one of that name that has come in its place, is refused by its version: a UID
    /// says nothing here, as all metadata of a status is ignored but that.
    pub(super) async fn set_status(&self, of: &Identity, to: &Versioned) -> Result<String, Failed> {
        let patch = json!({"metadata": {"resourceVersion": to.version}, "status": to.status});
        let (documents, params) = (self.documents(of), manager());
        let patch = Patch::Merge(&patch);
        let object = value(documents.patch_status(&of.name, &params, &patch)).await?;
        Ok(version(&object))
    }

    /// Tells what is due, as `me`.
    pub(super) async fn tell(&self, due: &Due, me: &str) -> Result<(), Failed> {
        let event = object(due.event(me, &micros()))?;
        let events = self.events(&due.regarding.namespace);
        match within(events.create(&PostParams::default(), &event)).await {
            // The agent that was elected before this one has told it.
            Err(Failed::Conflict) => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

fn version(object: &Value) -> String {
    let version = object.pointer("/metadata/resourceVersion");
    version
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn manager() -> PatchParams {
    PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn object(value: Value) -> Result<DynamicObject, Failed> {
    serde_json::from_value(value).map_err(|error| Failed::Other(error.to_string()))
}

async fn value(asked: impl Future<Output = kube::Result<DynamicObject>>) -> Result<Value, Failed> {
    let object = within(asked).await?;
    serde_json::to_value(object).map_err(|error| Failed::Other(error.to_string()))
}

async fn within<T>(asked: impl Future<Output = kube::Result<T>>) -> Result<T, Failed> {
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            401 | 403 => Failed::Forbidden(format!("status {}: {}", status.code, status.message)),
            404 => Failed::NotFound,
            409 => Failed::Conflict,
            code => Failed::Other(format!("status {code}: {}", status.message)),
        }),
        Ok(Err(error @ kube::Error::SerdeError(_))) => Err(Failed::Other(error.to_string())),
        Ok(Err(error)) => Err(Failed::Away(error.to_string())),
        Err(_) => Err(Failed::Away("no answer".to_owned())),
    }
}

/// `2026-01-01T00:00:00Z`, as conditions have it.
pub(super) fn seconds() -> String {
    format!("{:.0}", Timestamp::now())
}

/// `2026-01-01T00:00:00.000000Z`, as Leases and Events have it.
pub(super) fn micros() -> String {
    format!("{:.6}", Timestamp::now())
}

/// What people were told that can't be written, until it can.
#[derive(Debug, Default)]
pub(super) struct Complaints(BTreeMap<&'static str, Failed>);

impl Complaints {
    /// It works: `what` is as `status of TrafficMirrors`.
    pub(super) fn works(&mut self, what: &'static str) {
        if self.0.remove(what).is_some() {
            info!("{what} can be written now");
        }
    }

    /// It is not allowed, or there is no such thing: said once.
    pub(super) fn fails(&mut self, what: &'static str, failed: &Failed) {
        let (why, help) = match failed {
            Failed::Forbidden(why) => (
                why.as_str(),
                "grant it as deploy/base/rbac.yaml and its components do",
            ),
            Failed::NotFound => (
                "the API server has none",
                "apply the definitions of deploy/components/definitions, which Helm does not upgrade",
            ),
            // Said by the watches, or nothing to speak of.
            Failed::Conflict | Failed::Away(_) | Failed::Other(_) => return,
        };
        if self.0.insert(what, failed.clone()).is_none() {
            warn!(
                "{what} can't be written, so nobody sees there what became of documents ({why}): \
                 mirroring does not need it; {help}, or give --cluster-status off"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::{Request, Response};
    use kube::client::Body;
    use tower_test::mock::pair;

    use super::*;

    fn mirror(uid: &str) -> Identity {
        Identity {
            api_version: "podmirror.io/v1alpha1".to_owned(),
            kind: "TrafficMirror".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            uid: uid.to_owned(),
            ..Identity::default()
        }
    }

    #[tokio::test]
    async fn leases_are_listed_page_by_page() {
        let (service, mut handle) = pair::<Request<Body>, Response<Body>>();
        let api = TellApi::new(Client::new(service, "default"));
        let play = async {
            let mut asked = Vec::new();
            for (name, next) in [("a", "more"), ("b", "")] {
                let (request, answer) = handle.next_request().await.unwrap();
                asked.push(request.uri().to_string());
                let lease = json!({"metadata": {"name": name}});
                let list = json!({"metadata": {"continue": next}, "items": [lease]});
                let body = Body::from(list.to_string().into_bytes());
                answer.send_response(Response::new(body));
            }
            asked
        };
        let ask = async {
            let (first, next) = api.labelled("a=b", None).await.unwrap();
            assert_eq!((first.len(), next.as_deref()), (1, Some("more")));
            let (second, next) = api.labelled("a=b", next.as_deref()).await.unwrap();
            assert_eq!((second.len(), next), (1, None));
        };
        let (asked, ()) = tokio::join!(play, ask);
        assert!(asked.iter().all(|it| it.contains("limit=250")), "{asked:?}");
        assert!(!asked[0].contains("continue"), "{asked:?}");
        assert!(asked[1].contains("continue=more"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_status_is_that_of_the_very_object() {
        let (service, mut handle) = pair::<Request<Body>, Response<Body>>();
        let api = TellApi::new(Client::new(service, "default"));
        let object = json!({
            "apiVersion": "podmirror.io/v1alpha1", "kind": "TrafficMirror",
            "metadata": {"namespace": "shop", "name": "web", "uid": "new", "resourceVersion": "7"},
            "status": {"nodes": 1},
        });
        let play = async {
            let mut bodies = Vec::new();
            for _ in 0..3 {
                let (request, answer) = handle.next_request().await.unwrap();
                let body = request.into_body().collect_bytes().await.unwrap();
                bodies.push(serde_json::from_slice::<Value>(&body).unwrap_or_default());
                let body = Body::from(object.to_string().into_bytes());
                answer.send_response(Response::new(body));
            }
            bodies
        };
        let ask = async {
            let of_gone = api.status(&mirror("old")).await;
            assert_eq!(of_gone, Err(Failed::NotFound));
            let mut of_new = api.status(&mirror("new")).await.unwrap();
            assert_eq!(of_new.status, json!({"nodes": 1}));
            of_new.status = json!({"nodes": 2});
            let set = api.set_status(&mirror("new"), &of_new).await;
            assert_eq!(set, Ok("7".to_owned()));
        };
        let (bodies, ()) = tokio::join!(play, ask);
        let expected = json!({"metadata": {"resourceVersion": "7"}, "status": {"nodes": 2}});
        assert_eq!(bodies[2], expected);
    }
}
