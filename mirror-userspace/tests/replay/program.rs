//! `podmirror replay` as a process.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

/// What a run of `podmirror replay` left.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<Value>,
    pub(crate) stderr: String,
    pub(crate) ledger: Value,
}

/// The names of a line's fields, in their order.
pub(crate) fn keys(line: &Value) -> Vec<&str> {
    line.as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Replays a file with these bytes.
pub(crate) fn replay(file: &[u8], flags: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    fs::write(&path, file).unwrap();
    run(path.to_str().unwrap(), flags, b"")
}

/// Replays these bytes from standard input.
pub(crate) fn replay_stdin(input: &[u8], flags: &[&str]) -> Ended {
    run("-", flags, input)
}

fn run(file: &str, flags: &[&str], input: &[u8]) -> Ended {
    let mut running = Running::start(file, flags);
    let (mut stdin, input) = (running.stdin(), input.to_vec());
    // It may end before it has read all.
    let feed = thread::spawn(move || drop(stdin.write_all(&input)));
    let ended = running.wait();
    feed.join().unwrap();
    ended
}

/// It while it runs.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// Open until it has ended, unless it was taken.
    stdin: Option<ChildStdin>,
    folder: TempDir,
}

impl Running {
    pub(crate) fn start(file: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.json");
        let mut child = command(file, flags, &ledger).spawn().unwrap();
        Self {
            stdin: child.stdin.take(),
            child,
            folder,
        }
    }

    /// Its standard input; whoever drops it ends it.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.stdin.take().unwrap()
    }

    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Ended {
        let Self {
            child,
            stdin,
            folder,
        } = self;
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let ledger = fs::read(folder.path().join("ledger.json"));
        let ended = Ended {
            code: output.status.code(),
            lines: stdout
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            ledger: ledger.map_or(Value::Null, |json| serde_json::from_slice(&json).unwrap()),
        };
        eprintln!("{}", ended.stderr);
        ended
    }
}

fn command(file: &str, flags: &[&str], ledger: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmirror"));
    command
        .args(["replay", file])
        .args(flags)
        .arg("--ledger-json")
        .arg(ledger)
        .env("RUST_LOG", "info")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Ended {
    /// It ended well, and its books balance.
    pub(crate) fn balanced(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        assert_eq!(self.ledger["balanced"], true, "{:#}", self.ledger);
        assert!(self.stderr.contains("requests framed"), "{}", self.stderr);
        self
    }

    /// The targets printed, in order.
    pub(crate) fn targets(&self) -> Vec<&str> {
        let targets = self.lines.iter().map(|line| line["target"].as_str());
        targets.map(Option::unwrap).collect()
    }

    /// The count at a path such as `/requests/dropped/gap`.
    pub(crate) fn count(&self, path: &str) -> u64 {
        self.ledger
            .pointer(path)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }
}
