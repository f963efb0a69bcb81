//! A network namespace: made, entered by a thread, removed.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::process::CommandExt as _,
    panic,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};

use super::{Process, cleanup};

/// Where `ip netns` keeps its namespaces, each a file that `setns` takes.
pub(super) const DIRECTORY: &str = "/run/netns";

/// A named network namespace that exists as long as this value.
///
/// Dropping it kills the processes that still run inside and deletes the name.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes the namespace, with its loopback interface up.
    ///
    /// # Errors
    ///
    /// Without root, or when the name is taken.
    pub fn create(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let batch = format!("netns add {name}\n");
        ip_batch(Command::new("ip"), &batch)?;
        let file = File::open(Path::new(DIRECTORY).join(&name))
            .with_context(|| format!("opening network namespace {name}"))?;
        let namespace = Self { name, file };
        namespace.run(settle)?;
        namespace.ip("link set dev lo up")?;
        Ok(namespace)
    }

    /// Makes a namespace whose name no other run has and that says what it is for; a killed run's is
    /// removed by the next.
    ///
    /// # Errors
    ///
    /// Without root.
    pub fn unique(role: &str) -> Result<Self> {
        cleanup::remove_stale();
        Self::create(cleanup::unique_name(cleanup::next_number(), role))
    }

    /// The name that `ip netns` and `podmirror run --netns` take.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for the namespace.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// Runs `work` on a thread inside the namespace and returns what it returns.
    ///
    /// A socket made there belongs to the namespace for good, also when it is handed out.
    ///
    /// # Errors
    ///
    /// When the thread cannot enter. A panic of `work` goes on in the caller.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET)
                    .with_context(|| format!("entering network namespace {}", self.name))?;
                Ok(work())
            });
            inside
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    /// Starts a program inside the namespace, in a process group of its own: a Ctrl-C at the
    /// terminal reaches us, and we decide when it ends.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.process_group(0);
        let child = self
            .run(|| command.spawn())?
            .with_context(|| format!("starting {program} in {}", self.name))?;
        Ok(Process::new(program, child))
    }

    /// Runs a program inside the namespace to its end and collects what it prints.
    ///
    /// # Errors
    ///
    /// When the program cannot be started; a bad exit status is the caller's to judge.
    pub fn output(&self, command: &mut Command) -> Result<Output> {
        let program = command.get_program().to_string_lossy().into_owned();
        self.run(|| command.output())?
            .with_context(|| format!("running {program} in {}", self.name))
    }

    /// Runs lines of `ip` commands (without the word `ip`) inside the namespace.
    ///
    /// # Errors
    ///
    /// At the first line that `ip` refuses, with its message.
    pub fn ip(&self, batch: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(["-netns", &self.name]);
        ip_batch(command, batch)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        cleanup::remove_namespace(&self.name);
    }
}

/// Link-local addresses are there with their interface, not a second or two later: by then a browser is loading a page
/// and gives its requests up (`ERR_NETWORK_CHANGED`).
///
/// Where `/proc/sys` may not be written to, as in many containers, they come when they come.
fn settle() {
    // Seen through the network namespace of the thread that opens it.
    let path = Path::new("/proc/sys/net/ipv6/conf/default/accept_dad");
    let _as_it_was = fs::write(path, "0");
}

/// One `ip` process for many commands: a lab takes a dozen, and each process costs milliseconds.
pub(super) fn ip_batch(mut ip: Command, batch: &str) -> Result<()> {
    let mut child = ip
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("running `ip`: install Debian's iproute2")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(batch.as_bytes())?;
        stdin.write_all(b"\n")?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("`ip` refused: {}\nin:\n{batch}", why.trim());
    }
    Ok(())
}
