//! The task beside an API server that goes and comes back.

use std::sync::{Arc, Mutex};

use hyper::{Method, Request, Response, StatusCode};
use kube::{Client, client::Body};
use mirror_core::verdict::Terms;
use tokio::time::{sleep, timeout};
use tower::{BoxError, service_fn};

use super::{
    super::{Identity, SeenDocument, Teller, seen::Remark},
    *,
};

/// What the API server has, and when the status was written.
#[derive(Default)]
struct Server {
    away: bool,
    /// The object that nothing is said of.
    hole: Option<&'static str>,
    lease: Option<Value>,
    written: Vec<(Instant, Value)>,
    /// The Events that were told.
    events: Vec<Value>,
    /// How many pages a list of Leases has more than one, and how long each takes.
    more_pages: usize,
    page_takes: Duration,
    /// How many were read.
    read: usize,
    /// When the Lease of the election was renewed.
    renewed: Vec<Instant>,
}

impl Server {
    fn answer(&mut self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        if path.ends_with("/leases") && method == Method::GET {
            let next = if self.read < self.more_pages {
                "more"
            } else {
                ""
            };
            self.read += 1;
            return (
                StatusCode::OK,
                json!({"metadata": {"continue": next}, "items": []}),
            );
        }
        if path.ends_with("/leases/podmirror") && method == Method::PATCH {
            self.renewed.push(Instant::now());
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
        if path.ends_with("/events") {
            self.events.push(body.clone());
            return (StatusCode::CREATED, body);
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
            if head.uri.path().ends_with("/leases") && head.method == Method::GET {
                let takes = server.lock().unwrap().page_takes;
                sleep(takes).await;
            }
            let mut server = server.lock().unwrap();
            let path = head.uri.path();
            let said = format!("{path} {}", String::from_utf8_lossy(&body));
            let is_hole = |hole| !path.contains("/leases") && said.contains(hole);
            if server.away || server.hole.is_some_and(is_hole) {
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
    let document = document("web", suspended);
    Seen {
        documents: [(document.identity.title(), document)].into(),
    }
}

fn document(name: &str, suspended: bool) -> SeenDocument {
    let identity = Identity {
        api_version: "podmirror.io/v1alpha1".into(),
        kind: "TrafficMirror".into(),
        namespace: "shop".into(),
        name: name.into(),
        uid: "u".into(),
        ..Identity::default()
    };
    SeenDocument {
        identity,
        rules: usize::from(!suspended),
        suspended,
        ..SeenDocument::default()
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

fn teller(server: &Arc<Mutex<Server>>) -> Teller {
    Teller::start(TellConfig {
        client: client(server),
        node: "node-1".into(),
        pod: Some(("pod".into(), "uid".into())),
        lease: "podmirror".into(),
        terms: Terms::default(),
    })
}

#[tokio::test(start_paused = true)]
async fn what_was_not_told_during_an_outage_is_told_soon_after_it() {
    let server = Arc::new(Mutex::new(Server::default()));
    let teller = teller(&server);
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

/// A webhook of one owner's that never answers takes nobody else's turn.
#[tokio::test(start_paused = true)]
async fn an_object_that_nothing_is_said_of_keeps_nobody_waiting() {
    let server = Arc::new(Mutex::new(Server {
        hole: Some("a-hole"),
        ..Server::default()
    }));
    let teller = teller(&server);
    let documents = ["a-hole", "web"].map(|name| {
        let mut document = document(name, false);
        document.remarks.push(Remark {
            reason: "Invalid",
            text: "why".to_owned(),
        });
        (document.identity.title(), document)
    });
    teller.show(Seen {
        documents: documents.into(),
    });
    let told = async {
        // It is that of the other one: of this one nothing is answered.
        next(&server, 0).await;
        while server.lock().unwrap().events.is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), told).await.unwrap();
    let event = server.lock().unwrap().events.remove(0);
    assert_eq!(event["regarding"]["name"], "web", "{event:#}");
}

/// In the largest clusters, or on a slow API, the list takes longer than a Lease lasts.
#[tokio::test(start_paused = true)]
async fn whoever_reads_many_pages_renews_the_lease_meanwhile() {
    let server = Arc::new(Mutex::new(Server {
        more_pages: 19,
        page_takes: Duration::from_secs(2),
        ..Server::default()
    }));
    let began = Instant::now();
    let teller = teller(&server);
    teller.show(seen(false));
    let told = timeout(Duration::from_secs(300), next(&server, 0)).await;
    let (told, first) = told.unwrap();
    assert_eq!(first["conditions"][0]["reason"], "Accepted", "{first:#}");
    let server = server.lock().unwrap();
    assert_eq!(server.read, 20, "nothing is told before all is known");
    let times = || {
        std::iter::once(&began)
            .chain(&server.renewed)
            .chain([&told])
    };
    let longest = times().skip(1).zip(times()).map(|(b, a)| *b - *a).max();
    let longest = longest.unwrap();
    assert!(longest < LASTS, "not renewed for {longest:?}");
}
