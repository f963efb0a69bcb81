//! Into pods: forwarded ports and executed commands, over WebSockets as Kubernetes speaks them
//! (`v4.channel.k8s.io`: the first byte of each message is the number of a channel).

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use tungstenite::{
    Message, WebSocket, handshake::derive_accept_key, protocol::Role, protocol::WebSocketConfig,
};

use super::{Request, failure};
use crate::Namespace;

const PROTOCOL: &str = "v4.channel.k8s.io";

/// A pod that can be reached into.
#[derive(Debug)]
pub(super) struct Inside {
    namespace: String,
    pod: String,
    network: File,
    podmirror: PathBuf,
}

/// What is wanted of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Forward,
    Execute,
}

impl Inside {
    pub(super) fn new(
        namespace: &str,
        pod: &str,
        network: &Namespace,
        podmirror: &Path,
    ) -> Result<Self> {
        let path = network.path();
        let opened = File::open(&path);
        Ok(Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            network: opened.with_context(|| format!("opening {}", path.display()))?,
            podmirror: podmirror.to_owned(),
        })
    }

    /// Does something in the pod's network.
    fn run<R: Send>(&self, work: impl FnOnce() -> io::Result<R> + Send) -> io::Result<R> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.network, CloneFlags::CLONE_NEWNET)?;
                work()
            });
            let panicked = || io::Error::other("a thread in the pod's network panicked");
            inside.join().unwrap_or_else(|_| Err(panicked()))
        })
    }
}

/// What a request wants of a pod, and the pod if one is let into.
pub(super) fn find(all: &[Arc<Inside>], request: &Request) -> Option<(Wish, Option<Arc<Inside>>)> {
    let path = request.path.strip_prefix("/api/v1/namespaces/")?;
    let parts: Vec<_> = path.split('/').collect();
    let &[namespace, "pods", pod, subresource] = parts.as_slice() else {
        return None;
    };
    let wish = match subresource {
        "portforward" => Wish::Forward,
        "exec" => Wish::Execute,
        _ => return None,
    };
    let mut known = all.iter();
    let inside = known.find(|it| it.namespace == namespace && it.pod == pod);
    Some((wish, inside.cloned()))
}

/// Does what a request wants.
pub(super) fn serve(
    mut connection: &TcpStream,
    request: &Request,
    wish: Wish,
    inside: &Inside,
) -> io::Result<()> {
    let offered = request.field("sec-websocket-protocol").unwrap_or_default();
    let key = request.field("sec-websocket-key");
    let (Some(key), true) = (key, offered.split(", ").any(|it| it == PROTOCOL)) else {
        return connection.write_all(&failure(400));
    };
    let accepted = derive_accept_key(key.as_bytes());
    connection.write_all(
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {accepted}\r\nsec-websocket-protocol: {PROTOCOL}\r\n\r\n"
        )
        .as_bytes(),
    )?;
    connection.set_read_timeout(None)?;
    match wish {
        Wish::Forward => forward(connection, request, inside),
        Wish::Execute => execute(connection, request, inside),
    }
}

/// Channel 0 is the port, 1 what went wrong; each begins with the port's number.
fn forward(connection: &TcpStream, request: &Request, inside: &Inside) -> io::Result<()> {
    let port = request
        .parameter("ports")
        .and_then(|port| port.parse().ok());
    let port: u16 = port.unwrap_or_default();
    let mut out = socket(connection)?;
    for channel in [0, 1] {
        send(&mut out, channel, &port.to_le_bytes())?;
    }
    let pod = match inside.run(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port))) {
        Ok(pod) => pod,
        Err(error) => {
            send(&mut out, 1, error.to_string().as_bytes())?;
            return close(&mut out);
        }
    };
    let (mut from_client, to_pod) = (socket(connection)?, pod.try_clone()?);
    thread::spawn(move || {
        // What ends it, ends both ways.
        while let Ok(message) = from_client.read() {
            if let (Message::Binary(bytes), mut to_pod) = (message, &to_pod)
                && let [0, bytes @ ..] = &*bytes
                && to_pod.write_all(bytes).is_err()
            {
                break;
            }
        }
        let _gone = to_pod.shutdown(Shutdown::Both);
    });
    let (mut pod, mut bytes) = (pod, vec![0; 32 << 10]);
    loop {
        match pod.read(&mut bytes)? {
            0 => return close(&mut out),
            read => send(&mut out, 0, bytes.get(..read).unwrap_or_default())?,
        }
    }
}

/// Channel 1 is stdout, 2 stderr, and 3 how the command ended.
fn execute(connection: &TcpStream, request: &Request, inside: &Inside) -> io::Result<()> {
    let mut words = request.parameters("command");
    let output = match words.next() {
        Some("podmirror") => {
            let mut command = Command::new(&inside.podmirror);
            command.args(words);
            inside.run(|| command.output())
        }
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let mut out = socket(connection)?;
    let status = match output {
        Ok(output) => {
            for (channel, bytes) in [(1, &output.stdout), (2, &output.stderr)] {
                if !bytes.is_empty() {
                    send(&mut out, channel, bytes)?;
                }
            }
            ended(output.status.code())
        }
        Err(error) => json!({"status": "Failure", "message": error.to_string()}),
    };
    send(&mut out, 3, status.to_string().as_bytes())?;
    close(&mut out)
}

/// As a kubelet says how a command ended.
fn ended(code: Option<i32>) -> Value {
    let code = code.unwrap_or(-1);
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("command terminated with non-zero exit code: {code}"),
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}

fn socket(connection: &TcpStream) -> io::Result<WebSocket<TcpStream>> {
    let config = Some(WebSocketConfig::default());
    let connection = connection.try_clone()?;
    Ok(WebSocket::from_raw_socket(connection, Role::Server, config))
}

fn send(out: &mut WebSocket<TcpStream>, channel: u8, bytes: &[u8]) -> io::Result<()> {
    let message = [&[channel], bytes].concat();
    out.send(Message::binary(message)).map_err(io::Error::other)
}

fn close(out: &mut WebSocket<TcpStream>) -> io::Result<()> {
    out.close(None)
        .and_then(|()| out.flush())
        .map_err(io::Error::other)
}
