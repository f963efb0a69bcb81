//! grpc-js, the client of gRPC for Node.js, where there is Node.js.

use std::{fs, net::SocketAddr, process::Command};

use anyhow::{Context as _, Result};

use super::{Calls, Namespace, Scratch, packages, python};

const CLIENT: &str = include_str!("../programs/grpc_client.js");
const PACKAGE: &str = "@grpc/grpc-js@1.14.7";

/// Makes `count` calls, of which each fifth is a conversation. `None` where there is no Node.js.
///
/// # Errors
///
/// When npm cannot install grpc-js, or the client breaks.
pub fn grpc_js(namespace: &Namespace, target: SocketAddr, count: usize) -> Result<Option<Calls>> {
    let (Some(node), Some(npm)) = (packages::find("node"), packages::find("npm")) else {
        return Ok(None);
    };
    let installed = python::once("grpc-js-1", |folder| {
        let mut npm = Command::new(npm);
        npm.args(["install", "--silent", "--no-audit", "--no-fund", PACKAGE]);
        python::run(npm.current_dir(folder)).with_context(|| format!("npm needs {PACKAGE}"))
    })?;
    let folder = Scratch::create("grpc-js")?;
    let file = folder.path().join("grpc_client.js");
    fs::write(&file, CLIENT)?;
    let mut client = Command::new(node);
    client
        .arg(file)
        .args([target.to_string(), count.to_string()])
        .env("NODE_PATH", installed.join("node_modules"));
    Calls::of(namespace, &mut client).map(Some)
}
