//! The task beside an API server that goes and comes back.

use std::sync::{Arc, Mutex};

use hyper::{Method, Request, Response, StatusCode};
use kube::{Client, client::Body};
use tokio::time::sleep;
use tower::{BoxError, service_fn};

use super::{
    super::{Identity, SeenDocument, Teller},
    *,
};

/// What the API server has, and when the status was written.
#[derive(Default)]
struct Server {
    away: bool,
    lease: Option<Value>,
    written: Vec<(Instant, Value)>,
}

impl Server {
    fn answer(&mut self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        if path.ends_with("/leases") && method == Method::GET {
            return (StatusCode::OK, json!({"metadata": {}, "items": []}));
        }
        if path.contains("/leases") {
            return match (method.as_str(), &mut self.lease) {
                ("GET", Some(lease)) => (StatusCode::OK, lease.clone()),
                ("POST", lease) => (StatusCode::CREATED, lease.insert(body).clone()),
                (_, Some(lease)) => {
                    lease["spec"]["renewTime"] = body["spec"]["renewTime"].clone();
                    (StatusCode::OK, lease.clone())
                }
                _ => (
                    StatusCode::NOT_FOUND,
                    json!({"code": 404, "status": "Failure"}),
                ),
            };
        }
        let mut object = json!({
            "apiVersion": "podmirror.io/v1alpha1", "kind": "TrafficMirror",
            "metadata": {"namespace": "shop", "name": "web", "uid": "u", "resourceVersion": "1"},
        });
        if method == Method::PATCH {
            self.written.push((Instant::now(), body["status"].clone()));
        }
        if let Some((_, status)) = self.written.last() {
            object["status"] = status.clone();
        }
        (StatusCode::OK, object)
    }
}

fn client(server: &Arc<Mutex<Server>>) -> Client {
    let server = Arc::clone(server);
    let service = service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let mut server = server.lock().unwrap();
            if server.away {
                return Err(BoxError::from("connection refused"));
            }
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let (status, object) = server.answer(&head.method, head.uri.path(), body);
            let reply = Response::builder().status(status);
            Ok::<_, BoxError>(reply.body(Body::from(object.to_string().into_bytes()))?)
        }
    });
    Client::new(service, "podmirror")
}

fn seen(suspended: bool) -> Seen {
    let identity = Identity {
        api_version: "podmirror.io/v1alpha1".into(),
        kind: "TrafficMirror".into(),
        namespace: "shop".into(),
        name: "web".into(),
        uid: "u".into(),
        ..Identity::default()
    };
    let document = SeenDocument {
        identity,
        rules: usize::from(!suspended),
        suspended,
        ..SeenDocument::default()
    };
    Seen {
        documents: [(document.identity.title(), document)].into(),
    }
}

/// Waits for the next status, and says when it was written.
async fn next(server: &Mutex<Server>, before: usize) -> (Instant, Value) {
    loop {
        if let Some(written) = server.lock().unwrap().written.get(before) {
            return written.clone();
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_told_during_an_outage_is_told_soon_after_it() {
    let server = Arc::new(Mutex::new(Server::default()));
    let teller = Teller::start(TellConfig {
        client: client(&server),
        node: "node-1".into(),
        pod: Some(("pod".into(), "uid".into())),
        lease: "podmirror".into(),
    });
    teller.show(seen(false));
    let (_, first) = next(&server, 0).await;
    assert_eq!(first["conditions"][0]["reason"], "Accepted", "{first:#}");

    server.lock().unwrap().away = true;
    teller.show(seen(true));
    // Longer than anybody leads without renewing the Lease.
    sleep(LASTS * 4).await;
    assert_eq!(server.lock().unwrap().written.len(), 1);
    server.lock().unwrap().away = false;
    let back = Instant::now();
    let (told, second) = next(&server, 1).await;
    assert_eq!(second["conditions"][0]["reason"], "Suspended", "{second:#}");
    let after = told.duration_since(back);
    assert!(after <= Duration::from_secs(12), "{after:?}");
}
