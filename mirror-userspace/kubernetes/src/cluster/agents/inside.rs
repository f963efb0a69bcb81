//! Into an agent's pod: to a port of it, and with a command.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{AttachParams, Portforwarder},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, DuplexStream},
    time::timeout,
};

use super::{AgentPod, because};

/// The most that is read of what a command prints, on either output.
const MOST_PRINTED: u64 = 1 << 20;

/// How long the API may take to say how a command ended that has closed its outputs.
const LAST_WORD: Duration = Duration::from_secs(5);

/// What may be said of a forwarded connection beside it.
pub struct Trouble {
    port: u16,
    forwarder: Portforwarder,
}

impl Trouble {
    /// Why the connection has ended early, if anybody says so: that nothing listens there, for one. To be asked once
    /// the connection is dropped.
    pub async fn told(mut self) -> Option<String> {
        let told = self.forwarder.take_error(self.port)?;
        timeout(LAST_WORD, told).await.ok().flatten()
    }
}

/// Connects to the admin server of an agent.
///
/// # Errors
/// It has no address, or the API can't forward.
pub async fn forward(client: &Client, agent: &AgentPod) -> Result<(DuplexStream, Trouble)> {
    let port = agent
        .port
        .context("it has no admin server (--admin-address off)")?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &agent.namespace);
    let forwarder = pods.portforward(&agent.name, &[port]).await;
    let mut forwarder =
        forwarder.map_err(|error| because(error, "get and create pods/portforward"))?;
    let stream = forwarder.take_stream(port);
    let stream = stream.context("the API forwards nothing")?;
    Ok((stream, Trouble { port, forwarder }))
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Its exit code, 0 to 255.
    pub code: u8,
    /// What it printed, at most 1 MiB of each.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// Executes a command in the container of an agent, and waits for its end.
///
/// # Errors
/// The API can't do that, or does not say how the command ended.
pub async fn execute(client: &Client, agent: &AgentPod, command: &[&str]) -> Result<Executed> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &agent.namespace);
    let params = AttachParams::default()
        .container(&agent.container)
        .stdin(false);
    let process = pods
        .exec(&agent.name, command.iter().copied(), &params)
        .await;
    let mut process = process.map_err(|error| because(error, "get and create pods/exec"))?;
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
    let status = match status {
        Some(status) => timeout(LAST_WORD, status).await.ok().flatten(),
        None => None,
    };
    let status = status.context("the API does not say how the command ended")?;
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut codes = causes
        .flatten()
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .filter_map(|cause| cause.message.as_deref());
    let code = match (status.status.as_deref(), codes.next()) {
        (Some("Success"), _) => 0,
        (_, Some(code)) => code.parse().unwrap_or(u8::MAX),
        (_, None) => bail!(
            "it can't be executed: {}",
            status.message.unwrap_or_default()
        ),
    };
    Ok(Executed {
        code,
        stdout: stdout?,
        stderr: stderr?,
    })
}

async fn read(output: Option<impl AsyncRead + Unpin>) -> Result<String> {
    let mut bytes = Vec::new();
    if let Some(output) = output {
        let mut output = output.take(MOST_PRINTED);
        output.read_to_end(&mut bytes).await?;
        // What is left would stop the command, and then nobody says how it ended.
        let mut rest = output.into_inner();
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
