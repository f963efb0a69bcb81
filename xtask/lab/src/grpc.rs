//! grpcio (Python) as client and as server.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Namespace, Process, Scratch, listening::serve, python};

const CLIENT: &str = include_str!("../programs/grpc_client.py");
const SERVER: &str = include_str!("../programs/grpc_server.py");

/// What a scene of `grpc_client.py` came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Calls that were to be made.
    pub made: u64,
    /// Calls that ended as they should.
    pub well: u64,
}

/// A client with one connection, which calls when it is told to.
#[derive(Debug)]
pub struct GrpcClient {
    _process: Process,
    _folder: Scratch,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

/// A running echo; it ends when this value is dropped.
#[derive(Debug)]
pub struct GrpcServer {
    _process: Process,
    folder: Scratch,
}

/// A call that the server served, without the connection that it came on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrpcCall {
    /// The method's last part.
    pub method: String,
    /// The metadata, sorted.
    pub metadata: Vec<(String, String)>,
    /// The SHA-256 of each message, in hexadecimal digits.
    pub messages: Vec<String>,
}

impl Calls {
    /// Runs a client to its end, and reads what it prints.
    pub(super) fn of(namespace: &Namespace, client: &mut Command) -> Result<Self> {
        let output = namespace.output(client)?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{words}");
        let value: Value = serde_json::from_slice(&output.stdout)?;
        let number = |name| value.get(name).and_then(Value::as_u64).context("no number");
        Ok(Self {
            made: number("made")?,
            well: number("well")?,
        })
    }
}

impl GrpcClient {
    /// Plays a scene of `count` calls to its end.
    ///
    /// # Errors
    ///
    /// Without Python 3 and PyPI's grpcio, or when a call fails that should not.
    pub fn play(
        namespace: &Namespace,
        target: SocketAddr,
        scene: &str,
        count: usize,
    ) -> Result<Calls> {
        let folder = Scratch::create("grpc")?;
        let mut command = python::program(&folder, "grpc_client.py", CLIENT)?;
        command.args([&target.to_string(), scene, &count.to_string()]);
        Calls::of(namespace, &mut command).with_context(|| format!("scene {scene}"))
    }

    /// Opens a connection, and waits.
    ///
    /// # Errors
    ///
    /// As [`play`](Self::play).
    pub fn connect(namespace: &Namespace, target: SocketAddr) -> Result<Self> {
        let folder = Scratch::create("grpc")?;
        let mut command = python::program(&folder, "grpc_client.py", CLIENT)?;
        command
            .args([&target.to_string(), "midstream", "0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = namespace.spawn(&mut command)?;
        let say = process.child().stdin.take().context("no stdin")?;
        let hear = process.child().stdout.take().context("no stdout")?;
        Ok(Self {
            _process: process,
            _folder: folder,
            say,
            hear: BufReader::new(hear),
        })
    }

    /// Makes `count` unary calls, one after the other; how many went well since the connection was opened.
    ///
    /// # Errors
    ///
    /// When a call fails.
    pub fn call(&mut self, count: usize) -> Result<usize> {
        writeln!(self.say, "{count}")?;
        let mut line = String::new();
        self.hear.read_line(&mut line)?;
        line.trim().parse().context("the client has ended")
    }
}

impl GrpcServer {
    /// Listens on `address` inside the namespace, and ends each connection after so long.
    ///
    /// # Errors
    ///
    /// Without Python 3 and PyPI's grpcio, or when the address is taken.
    pub fn start(
        namespace: &Namespace,
        address: SocketAddr,
        max_connection_age: Option<Duration>,
    ) -> Result<Self> {
        Self::start_with(namespace, address, max_connection_age, "none")
    }

    /// The same, answering some calls with `change`, which is one of those of `grpc_server.py`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_changed(namespace: &Namespace, address: SocketAddr, change: &str) -> Result<Self> {
        Self::start_with(namespace, address, None, change)
    }

    fn start_with(
        namespace: &Namespace,
        address: SocketAddr,
        max_connection_age: Option<Duration>,
        change: &str,
    ) -> Result<Self> {
        let folder = Scratch::create("grpc")?;
        let age = max_connection_age.unwrap_or_default().as_millis();
        let mut command = python::program(&folder, "grpc_server.py", SERVER)?;
        command
            .arg(address.to_string())
            .arg(folder.path().join("calls"))
            .arg(age.to_string())
            .arg(change);
        Ok(Self::of(serve(namespace, &mut command, address)?, folder))
    }

    pub(super) const fn of(process: Process, folder: Scratch) -> Self {
        Self {
            _process: process,
            folder,
        }
    }

    /// The calls once there are `count`; after `patience` those that there are, for the caller's assertion to show.
    ///
    /// # Errors
    ///
    /// When the record cannot be read.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Result<Vec<GrpcCall>> {
        let deadline = Instant::now() + patience;
        loop {
            let calls = self.calls()?;
            if calls.len() >= count || Instant::now() > deadline {
                return Ok(calls);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn calls(&self) -> Result<Vec<GrpcCall>> {
        let text = fs::read_to_string(self.folder.path().join("calls"))?;
        let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let call = |line| GrpcCall::parse(line).with_context(|| format!("no call: {line}"));
        complete.lines().map(call).collect()
    }
}

impl GrpcCall {
    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |value: &Value| Some(value.as_str()?.to_owned());
        let metadata = value.get("metadata")?.as_array()?.iter();
        let messages = value.get("messages")?.as_array()?.iter();
        Some(Self {
            method: text(value.get("method")?)?,
            metadata: metadata
                .map(|pair| Some((text(pair.get(0)?)?, text(pair.get(1)?)?)))
                .collect::<Option<_>>()?,
            messages: messages.map(text).collect::<Option<_>>()?,
        })
    }

    /// The same without the metadata of this name: what is left when a mirror's mark is taken off.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.metadata.retain(|(known, _)| known != name);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, Host, Lab};

    #[test]
    fn client_and_server_understand_each_other() {
        let lab = Lab::new().unwrap();
        let address = Host::V1.address(Family::V4, 80);
        let server = GrpcServer::start(&lab.v1, address, None).unwrap();
        for scene in ["unary", "collect", "expand", "chat", "fail"] {
            let calls = GrpcClient::play(&lab.client, address, scene, 3).unwrap();
            assert_eq!(calls, Calls { made: 3, well: 3 }, "{scene}");
        }
        let calls = server.wait_for(15, Duration::from_secs(30)).unwrap();
        assert_eq!(calls.len(), 15);
        let messages = calls.iter().map(|call| call.messages.len());
        assert_eq!(messages.sum::<usize>(), 3 * (1 + 20 + 1 + 5 + 1));
    }
}
