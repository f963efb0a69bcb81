//! A small Kubernetes API server: objects are listed and watched, and it fails as it is told to.
//!
//! It speaks as much as a watcher hears: lists, watches from a version on, label and field selectors,
//! single objects, and the failures that an agent has to live with. Objects are put in by the test, and
//! written by clients where the test does not forbid it. Plain HTTP without authentication: [`FakeApi::kubeconfig`] leads to it.

mod inside;
mod request;
mod selector;
mod store;
#[cfg(test)]
mod tests;
mod watch;
mod write;

use std::{
    io::{self, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::socket;
use serde_json::{Value, json};

use inside::Inside;
use request::Request;
use store::Store;
pub use write::Write;

use super::Namespace;

/// How the server treats requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// The server answers.
    #[default]
    Up,
    /// It closes connections without a word.
    Down,
    /// It answers every request with this status, such as 403 or 500.
    Refusing(u16),
}

/// The running server; it stops when this value is dropped.
#[derive(Debug)]
pub struct FakeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: TcpListener,
    accepting: Option<thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    health: Health,
    /// Watches that began under a smaller number end.
    watch_epoch: u64,
    stopping: bool,
    /// Paths and queries in the order in which they were asked for.
    requests: Vec<String>,
    writes: Vec<Write>,
    /// Parts of paths of which no client may write anything.
    forbidden: Vec<String>,
    /// What is in pods, for those who forward ports or execute commands there.
    insides: Vec<Arc<Inside>>,
}

impl FakeApi {
    /// Listens on `address` in our own network namespace, or in the given one.
    ///
    /// # Errors
    ///
    /// When the address is taken or not the namespace's.
    pub fn start(namespace: Option<&Namespace>, address: SocketAddr) -> Result<Self> {
        let listener = match namespace {
            Some(namespace) => namespace.run(|| TcpListener::bind(address))?,
            None => TcpListener::bind(address),
        };
        let listener = listener.with_context(|| format!("listening on {address}"))?;
        let shared = Arc::new(Shared::default());
        for path in store::BUILT_IN {
            shared.lock().store.serve(path);
        }
        let accepting = {
            let (listener, shared) = (listener.try_clone()?, Arc::clone(&shared));
            thread::spawn(move || accept(&listener, &shared))
        };
        Ok(Self {
            address: listener.local_addr()?,
            shared,
            listener,
            accepting: Some(accepting),
        })
    }

    /// The address that the server listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig that leads to it.
    pub fn kubeconfig(&self) -> String {
        let server = format!("http://{}", self.address);
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": server}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "current-context": "fake",
        })
        .to_string()
    }

    /// Serves one more kind, such as `/apis/networking.istio.io/v1/virtualservices`: a path that is
    /// not served is answered with 404, as for a CRD that is not installed.
    pub fn serve(&self, collection: &str) {
        self.change(|state| state.store.serve(collection));
    }

    /// Creates or replaces an object of a collection such as `/api/v1/pods`. Its
    /// `metadata.resourceVersion` is set here.
    pub fn apply(&self, collection: &str, object: Value) {
        self.change(|state| state.store.apply(collection, object));
    }

    /// Deletes an object; nothing happens if there is none.
    pub fn delete(&self, collection: &str, namespace: &str, name: &str) {
        self.change(|state| state.store.delete(collection, namespace, name));
    }

    /// Changes how it treats requests. Anything but [`Health::Up`] also ends open watches.
    pub fn set_health(&self, health: Health) {
        self.change(|state| {
            state.health = health;
            if health != Health::Up {
                state.watch_epoch += 1;
            }
        });
    }

    /// Ends all watches, as a proxy does that has enough of a long connection.
    pub fn drop_watches(&self) {
        self.change(|state| state.watch_epoch += 1);
    }

    /// Forgets what happened: open watches are told 410 in the stream, and a watch from a version before this
    /// moment is refused with 410.
    pub fn expire(&self) {
        self.change(|state| state.store.expire());
    }

    /// The paths with their queries that were asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.lock().requests.clone()
    }

    /// What clients have asked to write so far.
    pub fn writes(&self) -> Vec<Write> {
        self.shared.lock().writes.clone()
    }

    /// Answers 403 to whoever reads or writes one object, or creates one, where the path contains this.
    pub fn forbid(&self, part: &str) {
        self.change(|state| state.forbidden.push(part.to_owned()));
    }

    /// Lets clients forward ports of a pod, which lead to the loopback of that network, and execute commands in it:
    /// there is one, `podmirror`, which is this program.
    ///
    /// # Errors
    /// The network namespace is gone.
    pub fn let_in(
        &self,
        namespace: &str,
        pod: &str,
        network: &Namespace,
        podmirror: &Path,
    ) -> Result<()> {
        let inside = Inside::new(namespace, pod, network, podmirror)?;
        self.change(|state| state.insides.push(Arc::new(inside)));
        Ok(())
    }

    /// The object of this name, if there is one.
    pub fn object(&self, collection: &str, namespace: &str, name: &str) -> Option<Value> {
        let state = self.shared.lock();
        state.store.object(collection, namespace, name)
    }

    /// All objects of a collection, in all namespaces.
    pub fn objects(&self, collection: &str) -> Vec<Value> {
        self.shared.lock().store.all(collection)
    }

    /// Waits until something holds of what the API has and was asked, at most 60 s. Says whether it does.
    pub fn wait_until(&self, holds: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // Whatever happens is told; what happened between the look and this is seen a moment later.
            let wait = left.min(Duration::from_millis(500));
            let waited = self.shared.changed.wait_timeout(self.shared.lock(), wait);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        true
    }

    /// Waits until a request was made that contains all of `parts`, at most 30 s. Says whether one
    /// was.
    pub fn wait_for_request(&self, parts: &[&str]) -> bool {
        let asked = |state: &State| {
            let mut requests = state.requests.iter();
            requests.any(|request| parts.iter().all(|part| request.contains(part)))
        };
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), Duration::from_secs(30), |state| {
                !asked(state)
            })
            .unwrap_or_else(PoisonError::into_inner);
        asked(&state)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.lock());
        self.shared.changed.notify_all();
    }
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        self.change(|state| state.stopping = true);
        // Wakes the thread that waits in `accept`.
        let _woken = socket::shutdown(
            std::os::fd::AsRawFd::as_raw_fd(&self.listener),
            socket::Shutdown::Both,
        );
        if let Some(accepting) = self.accepting.take() {
            let _ended = accepting.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.lock().stopping {
        let Ok((connection, _)) = listener.accept() else {
            continue;
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A client that went away is its own affair.
            let _gone = answer(&connection, &shared);
            let _closed = connection.shutdown(Shutdown::Both);
        });
    }
}

/// One request per connection, which is closed after the answer.
fn answer(mut connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    if shared.lock().health == Health::Down {
        return Ok(());
    }
    let Some(request) = Request::read(connection)? else {
        return Ok(());
    };
    let mut state = shared.lock();
    state.requests.push(request.target.clone());
    shared.changed.notify_all();
    match state.health {
        Health::Up => {}
        Health::Down => return Ok(()),
        Health::Refusing(status) => return connection.write_all(&failure(status)),
    }
    if let Some((wish, inside)) = inside::find(&state.insides, &request) {
        let forbidden = state.forbidden.iter().any(|it| request.path.contains(it));
        drop(state);
        return match (forbidden, inside) {
            (true, _) => connection.write_all(&failure(403)),
            (_, None) => connection.write_all(&failure(404)),
            (_, Some(inside)) => inside::serve(connection, &request, wish, &inside),
        };
    }
    let write = (request.method != "GET").then(|| Write::of(&request));
    state.writes.extend(write.clone());
    let single = write.is_some()
        || state
            .store
            .locate(&request.path)
            .is_some_and(|it| it.name.is_some());
    if single
        && state
            .forbidden
            .iter()
            .any(|part| request.path.contains(part))
    {
        return connection.write_all(&failure(403));
    }
    let Some(place) = state.store.locate(&request.path) else {
        return connection.write_all(&failure(404));
    };
    if let Some(write) = write {
        let outcome = write::carry_out(&mut state.store, &place, &write);
        drop(state);
        shared.changed.notify_all();
        return connection.write_all(&match outcome {
            Ok((status, object)) => reply_with(status, &object),
            Err(status) => failure(status),
        });
    }
    if request
        .parameter("watch")
        .is_some_and(|watch| watch == "true" || watch == "1")
    {
        drop(state);
        return watch::serve(connection, shared, &place, &request, Instant::now());
    }
    let reply = match &place.name {
        None => Some(state.store.list(&place, &request)),
        Some(name) => state.store.get(&place, name),
    };
    drop(state);
    match reply {
        Some(reply) => connection.write_all(&reply_with(200, &reply)),
        None => connection.write_all(&failure(404)),
    }
}

fn failure(code: u16) -> Vec<u8> {
    reply_with(code, &status(code))
}

/// The object that the API describes failures with.
fn status(code: u16) -> Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        409 => "Conflict",
        410 => "Expired",
        _ => "InternalError",
    };
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("as the test wants it: {reason}"),
        "reason": reason,
        "code": code,
    })
}

fn reply_with(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
