//! An API server that a test plays, request by request.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use bytes::Bytes;
use futures::channel::mpsc;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Frame};
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock::{Handle, SendResponse, pair};

use crate::cluster::watch::{Needs, Update, Watches};

type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;
type Reply = Response<ReplyBody>;

/// The API server's side of a connection, played by a test.
pub(super) struct Server(Handle<Request<Body>, Reply>);

/// A request that waits for its answer.
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    answer: SendResponse<Reply>,
}

/// A watch that the client follows; it ends when this is dropped.
pub(super) struct Watched(mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>);

/// The watches of a node and the server that they ask.
pub(super) fn watching(needs: Needs) -> (Watches, Server) {
    let (service, handle) = pair();
    let client = kube::Client::new(service, "default");
    let mut watches = Watches::new(client, "node-1");
    watches.need(needs);
    (watches, Server(handle))
}

impl Server {
    /// Waits for the client's next request.
    pub(super) async fn asked(&mut self) -> Asked {
        let (request, answer) = self.0.next_request().await.unwrap();
        assert_eq!(request.method(), "GET");
        let query = request.uri().query().unwrap_or_default();
        let query = query.replace('+', " ");
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let decoded = |text: &str| {
            let text = text.replace("%3D", "=").replace("%2C", ",");
            text.replace("%28", "(")
                .replace("%29", ")")
                .replace("%2F", "/")
        };
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), decoded(value))
        };
        Asked {
            path: request.uri().path().to_owned(),
            query: pairs.map(pair).collect(),
            answer,
        }
    }

    /// The next request must be a list of this path.
    pub(super) async fn list(&mut self, path: &str) -> Asked {
        let asked = self.asked().await;
        assert_eq!((asked.path.as_str(), asked.get("watch")), (path, None));
        asked
    }

    /// The next request must be a watch of this path from this version on.
    pub(super) async fn watch(&mut self, path: &str, version: &str) -> Asked {
        let asked = self.asked().await;
        assert_eq!(
            (asked.path.as_str(), asked.get("watch")),
            (path, Some("true"))
        );
        assert_eq!(asked.get("resourceVersion"), Some(version));
        asked
    }

    /// Whether nothing is asked for so long.
    pub(super) async fn is_left_alone(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.0.next_request())
            .await
            .is_err()
    }
}

impl Asked {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn reply(self, status: u16, body: ReplyBody) {
        let reply = Response::builder().status(status).body(body).unwrap();
        self.answer.send_response(reply);
    }

    /// Answers with a list of these objects at this version.
    pub(super) fn listed(self, version: &str, items: &[Value]) {
        self.page(version, "", items);
    }

    /// Answers with a page, and the token of the next one.
    pub(super) fn page(self, version: &str, next: &str, items: &[Value]) {
        let list = json!({
            "kind": "List", "apiVersion": "v1", "items": items,
            "metadata": {"resourceVersion": version, "continue": next},
        });
        self.reply(200, text(&list));
    }

    /// Answers with a failure.
    pub(super) fn refused(self, code: u16) {
        self.reply(code, text(&status(code)));
    }

    /// Doesn't answer: the connection breaks.
    pub(super) fn broken(self) {
        self.answer
            .send_error(std::io::Error::other("connection reset"));
    }

    /// Answers a watch request with a stream that stays open.
    pub(super) fn watched(self) -> Watched {
        let (sender, receiver) = mpsc::unbounded();
        self.reply(200, StreamBody::new(receiver).boxed_unsync());
        Watched(sender)
    }
}

impl Watched {
    /// Sends an event: `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`.
    pub(super) fn send(&self, kind: &str, object: &Value) {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        self.0.unbounded_send(Ok(Frame::data(line.into()))).unwrap();
    }

    /// Sends a failure in the stream.
    pub(super) fn fail(&self, code: u16) {
        self.send("ERROR", &status(code));
    }
}

fn text(object: &Value) -> ReplyBody {
    Full::new(object.to_string().into()).boxed_unsync()
}

fn status(code: u16) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("told {code}"), "reason": "Told", "code": code,
    })
}

/// A pod at a version.
pub(super) fn pod(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": "default", "name": name, "uid": format!("uid-{name}"),
            "resourceVersion": version, "labels": {"app": "web"},
        },
        "spec": {"containers": []},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    })
}

/// What a server sends from time to time, so that a watch can go on from there.
pub(super) fn bookmark(version: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"resourceVersion": version}})
}

/// What the update says of pods, as `listed a b`, `applied a` or `deleted uid-a`.
pub(super) async fn said(watches: &mut Watches) -> String {
    use crate::cluster::Event;
    match watches.next().await {
        Update::Event(Event::PodsListed(pods)) => {
            let names = pods.into_iter().map(|pod| format!(" {}", pod.name));
            format!("listed{}", names.collect::<String>())
        }
        Update::Event(Event::PodApplied(pod)) => format!("applied {}", pod.name),
        Update::Event(Event::PodDeleted(uid)) => format!("deleted {uid}"),
        other => format!("{other:?}"),
    }
}
