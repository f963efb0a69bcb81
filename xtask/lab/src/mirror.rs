//! podmirror as a child process: started, heard ready, stopped, its ledger read.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Namespace, Process, Scratch};

/// How long the mirror may take to attach, and to end once it is told to.
const PATIENCE: Duration = Duration::from_secs(120);

/// How its line on stderr begins once it captures.
const READY: &str = "mirroring ";

/// A running `podmirror run`; killed when this value is dropped.
#[derive(Debug)]
pub struct Mirror {
    process: Process,
    stdout: Arc<Heard>,
    stderr: Arc<Heard>,
    folder: Scratch,
}

/// What a mirror left when it ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status of the process.
    pub status: ExitStatus,
    /// All that it printed on stdout.
    pub stdout: String,
    /// All that it printed on stderr.
    pub stderr: String,
    /// The ledger that it wrote at the end.
    pub ledger: Ledger,
}

impl Mirror {
    /// Starts `podmirror run` with these arguments from inside the namespace and waits until it
    /// captures.
    ///
    /// # Errors
    ///
    /// When it ends, or says nothing for 30 s, instead: with what it printed.
    pub fn start<S: AsRef<str>>(
        namespace: &Namespace,
        binary: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let arguments = arguments.into_iter();
        let arguments: Vec<_> = arguments.map(|one| one.as_ref().to_owned()).collect();
        let run = ["run"]
            .into_iter()
            .chain(arguments.iter().map(String::as_str));
        Self::start_command(namespace, binary, &run.collect::<Vec<_>>(), READY)
    }

    /// Starts another command that captures, and waits for a line on stderr that begins so.
    ///
    /// # Errors
    ///
    /// As [`Mirror::start`].
    pub fn start_command(
        namespace: &Namespace,
        binary: &Path,
        arguments: &[&str],
        ready: &str,
    ) -> Result<Self> {
        let folder = Scratch::create("mirror")?;
        let mut command = Command::new(binary);
        command.args(arguments);
        command
            .arg("--ledger-json")
            .arg(folder.path().join("ledger.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = namespace.spawn(&mut command)?;
        let stdout = process.child().stdout.take().map(Heard::listen);
        let stderr = process.child().stderr.take().map(Heard::listen);
        let mut mirror = Self {
            process,
            stdout: stdout.context("no stdout")?,
            stderr: stderr.context("no stderr")?,
            folder,
        };
        if !mirror.stderr.wait_for_line(ready) {
            let ended = mirror.process.wait_timeout(Duration::from_millis(200))?;
            let how = ended.map_or_else(
                || "is not ready after two minutes".to_owned(),
                |status| format!("ended with {status}"),
            );
            bail!("podmirror {how}:\n{}", mirror.stderr.text());
        }
        Ok(mirror)
    }

    /// The ID of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// All that it has printed on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it has printed this text on stderr, and returns the line.
    ///
    /// # Errors
    ///
    /// When it ends, or says nothing of the kind for 30 s.
    pub fn wait_for(&self, text: &str) -> Result<String> {
        let heard = self
            .stderr
            .wait_until(|(heard, speaker)| heard.contains(text) || *speaker == Speaker::Silent);
        let line = heard.lines().find(|line| line.contains(text));
        line.map(str::to_owned)
            .with_context(|| format!("podmirror never said {text:?}:\n{heard}"))
    }

    /// Waits until it has printed this text on stderr so many times, and returns all it has printed.
    ///
    /// # Errors
    ///
    /// When it ends, or has not said it so often after 30 s.
    pub fn wait_for_times(&self, text: &str, times: usize) -> Result<String> {
        let often = |heard: &str| heard.matches(text).count() >= times;
        let heard = self
            .stderr
            .wait_until(|(heard, speaker)| often(heard) || *speaker == Speaker::Silent);
        if !often(&heard) {
            bail!("podmirror did not say {text:?} {times} times:\n{heard}");
        }
        Ok(heard)
    }

    /// Sends a signal, such as SIGUSR1 or SIGKILL.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Ends it with SIGTERM and reads its ledger.
    ///
    /// # Errors
    ///
    /// When it leaves no ledger, or has to be killed.
    pub fn stop(mut self) -> Result<Ended> {
        let status = self.process.terminate(PATIENCE)?;
        self.read(status)
    }

    /// Waits until it ends by itself, and reads its ledger.
    ///
    /// # Errors
    ///
    /// When it still runs after 30 s, or leaves no ledger.
    pub fn wait(mut self) -> Result<Ended> {
        let status = self.process.wait_timeout(PATIENCE)?;
        self.read(status.context("podmirror did not end by itself")?)
    }

    fn read(self, status: ExitStatus) -> Result<Ended> {
        let (stdout, stderr) = (self.stdout.rest(), self.stderr.rest());
        let file = self.folder.path().join("ledger.json");
        let text = fs::read_to_string(file)
            .with_context(|| format!("podmirror left no ledger ({status}):\n{stderr}"))?;
        let ledger = Ledger(serde_json::from_str(&text).context("the ledger is no JSON")?);
        Ok(Ended {
            status,
            stdout,
            stderr,
            ledger,
        })
    }
}

/// The ledger as podmirror writes it.
#[derive(Clone, Debug)]
pub struct Ledger(
    /// The ledger's whole JSON document.
    pub Value,
);

impl Ledger {
    /// The number at a path such as `/requests/sent`; of an object the sum of all numbers in it.
    ///
    /// # Errors
    ///
    /// When there is nothing at that path: a misspelt counter is not 0.
    pub fn count(&self, pointer: &str) -> Result<u64> {
        let value = self.0.pointer(pointer);
        Ok(sum(
            value.with_context(|| format!("the ledger has no {pointer}"))?
        ))
    }

    /// Whether podmirror says that its books balance.
    pub fn balanced(&self) -> bool {
        self.0.get("balanced") == Some(&Value::Bool(true))
    }
}

fn sum(value: &Value) -> u64 {
    match value {
        Value::Object(entries) => entries.values().map(sum).sum(),
        other => other.as_u64().unwrap_or_default(),
    }
}

/// The output of a child, read by a thread so that the child never waits for us.
#[derive(Debug, Default)]
struct Heard {
    state: Mutex<(String, Speaker)>,
    changed: Condvar,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Speaker {
    #[default]
    Speaks,
    Silent,
}

impl Heard {
    fn listen(pipe: impl Read + Send + 'static) -> Arc<Self> {
        let heard = Arc::new(Self::default());
        let writer = Arc::clone(&heard);
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                writer.update(|(text, _)| text.push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
            writer.update(|(_, speaker)| *speaker = Speaker::Silent);
        });
        heard
    }

    fn update(&self, change: impl FnOnce(&mut (String, Speaker))) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait_until(&self, done: impl Fn(&(String, Speaker)) -> bool) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !done(state))
            .unwrap_or_else(PoisonError::into_inner);
        state.0.clone()
    }

    fn wait_for_line(&self, start: &str) -> bool {
        let said = |text: &str| text.lines().any(|line| line.starts_with(start));
        said(&self.wait_until(|(text, speaker)| said(text) || *speaker == Speaker::Silent))
    }

    fn text(&self) -> String {
        self.wait_until(|_| true)
    }

    /// All there is once the child has ended.
    fn rest(&self) -> String {
        self.wait_until(|(_, speaker)| *speaker == Speaker::Silent)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::Lab;

    fn stand_in(folder: &Scratch, script: &str) -> std::path::PathBuf {
        let path = folder.path().join("podmirror");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_mirror_is_ready_when_it_says_so_and_leaves_its_ledger() {
        let (lab, folder) = (Lab::new().unwrap(), Scratch::create("test").unwrap());
        let binary = stand_in(
            &folder,
            "trap 'echo \"{\\\"balanced\\\":true,\\\"requests\\\":{\\\"sent\\\":3,\\\"dropped\\\":{\\\"a\\\":1,\\\"b\\\":2}}}\" > $5; exit' TERM\n\
             echo starting >&2; echo mirroring eth0 >&2; while :; do sleep 0.01; done",
        );
        let mirror = Mirror::start(&lab.node, &binary, ["--port", "80"]).unwrap();
        let ended = mirror.stop().unwrap();
        assert!(ended.status.success());
        assert_eq!(ended.stderr, "starting\nmirroring eth0\n");
        assert!(ended.ledger.balanced());
        assert_eq!(ended.ledger.count("/requests/sent").unwrap(), 3);
        assert_eq!(ended.ledger.count("/requests/dropped").unwrap(), 3);
        assert!(ended.ledger.count("/requests/sentt").is_err());
    }

    #[test]
    fn a_mirror_that_fails_to_start_says_why() {
        let (lab, folder) = (Lab::new().unwrap(), Scratch::create("test").unwrap());
        let binary = stand_in(&folder, "echo no such interface >&2; exit 1");
        let error = Mirror::start(&lab.node, &binary, [""; 0]).unwrap_err();
        assert!(error.to_string().contains("no such interface"), "{error}");
    }
}
