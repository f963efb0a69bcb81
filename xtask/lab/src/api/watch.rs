//! A watch: changes as lines of JSON, until the client, the time or the test ends it.

use std::{
    io::{self, Write as _},
    net::TcpStream,
    sync::PoisonError,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Health, Shared, failure, request::Request, status, store::Resource};

/// How long a watch lasts unless the request says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// Serves a watch that was asked for at `start`.
pub(super) fn serve(
    mut connection: &TcpStream,
    shared: &Shared,
    place: &Resource,
    request: &Request,
    start: Instant,
) -> io::Result<()> {
    let seconds = request
        .parameter("timeoutSeconds")
        .and_then(|seconds| seconds.parse().ok());
    let end = start + seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let version = request
        .parameter("resourceVersion")
        .and_then(|version| version.parse().ok());
    let mut state = shared.lock();
    let epoch = state.watch_epoch;
    // Without a version a watch begins with now; a real server would send what there is first.
    let mut seen = version.unwrap_or_else(|| state.store.version());
    if state.store.since(seen).is_none() {
        drop(state);
        return connection.write_all(&failure(410));
    }
    drop(state);
    connection.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    loop {
        state = shared.lock();
        if state.stopping || state.watch_epoch != epoch || state.health != Health::Up {
            return Ok(());
        }
        let Some(changes) = state.store.since(seen) else {
            drop(state);
            send(connection, &json!({"type": "ERROR", "object": status(410)}))?;
            return finish(connection);
        };
        seen = state.store.version().max(seen);
        if changes.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return finish(connection);
            }
            let waited = shared.changed.wait_timeout(state, left);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            continue;
        }
        drop(state);
        for change in changes {
            if let Some(event) = change.told_to(place, request) {
                send(connection, &event)?;
            }
        }
    }
}

fn send(mut connection: &TcpStream, event: &Value) -> io::Result<()> {
    let line = format!("{event}\n");
    write!(connection, "{:x}\r\n{line}\r\n", line.len())
}

fn finish(mut connection: &TcpStream) -> io::Result<()> {
    connection.write_all(b"0\r\n\r\n")
}
