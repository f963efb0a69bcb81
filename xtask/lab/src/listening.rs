//! Programs that serve: started, and waited for until they accept.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{Namespace, Process};

/// How long a program may take to listen: an interpreter on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a program inside the namespace, and waits until it accepts connections at `address`. What it prints is
/// thrown away, but for standard error, which is the caller's.
///
/// # Errors
///
/// When it cannot be started, ends, or does not listen after 30 s.
pub fn serve(namespace: &Namespace, command: &mut Command, address: SocketAddr) -> Result<Process> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut process = namespace.spawn(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
    wait_until_accepting(namespace, address, &mut process)
        .with_context(|| format!("{program} in {}", namespace.name()))?;
    Ok(process)
}

pub(super) fn wait_until_accepting(
    namespace: &Namespace,
    address: SocketAddr,
    process: &mut Process,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let attempt =
            namespace.run(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)))?;
        if attempt.is_ok() {
            return Ok(());
        }
        if let Some(status) = process.wait_timeout(Duration::from_millis(10))? {
            bail!("it ended with {status}");
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("nobody listens on {address} after 30 s")
}
