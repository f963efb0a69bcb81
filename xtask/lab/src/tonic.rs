//! tonic (Rust) as client and as server: the program of `xtask/tonic-peer`, which is built when it is first wanted.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;

use super::{Calls, GrpcServer, Namespace, Scratch, listening::serve};

/// A client on tonic.
#[derive(Debug)]
pub struct TonicClient;

impl TonicClient {
    /// Plays a scene (`unary`, `collect`, `expand`, `chat`) of `count` calls to its end.
    ///
    /// # Errors
    ///
    /// When the program cannot be built, or when a call fails.
    pub fn play(
        namespace: &Namespace,
        target: SocketAddr,
        scene: &str,
        count: usize,
    ) -> Result<Calls> {
        let mut command = Command::new(program()?);
        command.args(["call", &target.to_string(), scene, &count.to_string()]);
        Calls::of(namespace, &mut command).with_context(|| format!("scene {scene}"))
    }
}

impl GrpcServer {
    /// The same echo on tonic.
    ///
    /// # Errors
    ///
    /// When the program cannot be built, or when the address is taken.
    pub fn start_tonic(
        namespace: &Namespace,
        address: SocketAddr,
        max_connection_age: Option<Duration>,
    ) -> Result<Self> {
        let folder = Scratch::create("tonic")?;
        let age = max_connection_age.unwrap_or_default().as_millis();
        let mut command = Command::new(program()?);
        command
            .args(["serve", &address.to_string()])
            .arg(folder.path().join("calls"))
            .arg(age.to_string());
        Ok(Self::of(serve(namespace, &mut command, address)?, folder))
    }
}

fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    match built {
        Ok(program) => Ok(program),
        Err(error) => Err(anyhow!("building tonic-peer: {error}")),
    }
}

fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        // With a test among what is built, and from the whole workspace, libraries have the features that `cargo test
        // --workspace` has built them with, and are not built again. The test is the smallest that there is.
        .args(["build", "--locked", "--workspace"])
        .args(["--bin", "tonic-peer", "--test", "walk"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "cargo build: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = { text.lines() }.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs =
        messages.filter(|message| message.pointer("/target/name") == Some(&"tonic-peer".into()));
    let mut programs =
        programs.filter_map(|message| Some(message.get("executable")?.as_str()?.into()));
    programs.next_back().context("cargo names no program")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, GrpcClient, Host, Lab};

    #[test]
    fn tonic_and_grpcio_understand_each_other() {
        let lab = Lab::new().unwrap();
        let of = |host: Host| host.address(Family::V4, 80);
        let tonic = GrpcServer::start_tonic(&lab.v1, of(Host::V1), None).unwrap();
        let grpcio = GrpcServer::start(&lab.v2, of(Host::V2), None).unwrap();
        for scene in ["unary", "collect", "expand", "chat"] {
            let well = Calls { made: 3, well: 3 };
            for host in [Host::V1, Host::V2] {
                let calls = TonicClient::play(&lab.client, of(host), scene, 3).unwrap();
                assert_eq!(calls, well, "{scene}");
            }
            let calls = GrpcClient::play(&lab.client, of(Host::V1), scene, 3).unwrap();
            assert_eq!(calls, well, "{scene}");
        }
        for (server, count) in [(tonic, 24), (grpcio, 12)] {
            let calls = server.wait_for(count, Duration::from_secs(30)).unwrap();
            assert_eq!(calls.len(), count);
        }
    }
}
