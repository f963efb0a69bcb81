//! A running `podmirror run`, and the ledger it leaves.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;
use xtask::lab::{Lab, Namespace, Process, Scratch};

const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon under test. Dropped without [`stop`](Self::stop), it is killed.
pub(crate) struct Mirror {
    process: Process,
    scratch: Scratch,
    lines: mpsc::Receiver<String>,
    banner: String,
}

/// `podmirror` with these arguments, not yet started.
pub(crate) fn podmirror<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmirror"));
    command
        .args(arguments)
        .env("RUST_LOG", "info")
        .env("NO_COLOR", "1");
    command
}

impl Mirror {
    /// Starts it on v1's own interface, and waits until it captures.
    ///
    /// Its ring has room for everything that a test sends, however little CPU time the mirror
    /// gets: these tests are about being right, the benchmark is about keeping up.
    pub(crate) fn start(lab: &Lab, target: &str, flags: &[&str]) -> Self {
        let at = [
            "--interface",
            "eth0",
            "--netns",
            lab.v1.name(),
            "--ring-size",
            "128M",
        ];
        let to = ["--port", "80", "--target", target];
        Self::start_with(&lab.node, &[&at[..], &to, flags].concat())
    }

    /// Starts it with exactly these flags behind `run`.
    pub(crate) fn start_with(node: &Namespace, flags: &[&str]) -> Self {
        Self::start_command(node, "run", "mirroring ", flags)
    }

    /// Starts this command, and waits for the line on stderr that says that it captures.
    pub(crate) fn start_command(node: &Namespace, name: &str, ready: &str, flags: &[&str]) -> Self {
        let scratch = Scratch::create("mirror").unwrap();
        let ledger = scratch.path().join("ledger.json");
        let mut command = podmirror([name, "--ledger-json", ledger.to_str().unwrap()]);
        command
            .args(flags)
            .stderr(Stdio::piped())
            .stdout(Stdio::null());
        let mut process = node.spawn(&mut command).unwrap();
        let stderr = process.child().stderr.take().unwrap();
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("podmirror: {line}");
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut mirror = Self {
            process,
            scratch,
            lines,
            banner: String::new(),
        };
        mirror.banner = mirror.wait_for_line(ready);
        mirror
    }

    /// What it said when it began to capture.
    pub(crate) fn banner(&self) -> &str {
        &self.banner
    }

    /// The process, for its id and for signals.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// The next line on stderr with this text.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("podmirror ended, or never said {text:?}"));
            if line.to_lowercase().contains(text) {
                return line;
            }
        }
    }

    /// Asks it to end and reads the ledger, whatever it says.
    pub(crate) fn stop_unchecked(mut self) -> Ledger {
        let status = self.process.terminate(PATIENCE).unwrap();
        assert!(status.success(), "podmirror run: {status}");
        self.ledger()
    }

    /// Asks it to end; the books must balance.
    pub(crate) fn stop(self) -> Ledger {
        let ledger = self.stop_unchecked();
        ledger.assert_balanced();
        ledger
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Ledger {
        let status = self.process.wait_timeout(PATIENCE).unwrap();
        assert!(status.expect("podmirror should have ended").success());
        self.ledger()
    }

    fn ledger(&self) -> Ledger {
        let text = fs::read_to_string(self.scratch.path().join("ledger.json")).unwrap();
        Ledger(serde_json::from_str(&text).unwrap())
    }
}

/// The ledger as its JSON says it.
#[derive(Debug)]
pub(crate) struct Ledger(Value);

impl Ledger {
    /// The count at a path such as `requests/dropped/gap`; 0 where there is none.
    pub(crate) fn count(&self, path: &str) -> u64 {
        self.0
            .pointer(&format!("/{path}"))
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    /// The sum of all counts below a path.
    pub(crate) fn sum(&self, path: &str) -> u64 {
        let named = self
            .0
            .pointer(&format!("/{path}"))
            .and_then(Value::as_object);
        named.map_or(0, |named| named.values().filter_map(Value::as_u64).sum())
    }

    /// The books balance by their own word, and by ours.
    pub(crate) fn assert_balanced(&self) {
        let text = format!("{:#}", self.0);
        assert_eq!(self.0["balanced"], true, "{text}");
        let segments: u64 = [
            "other_port",
            "no_payload",
            "sampled_out",
            "copied",
            "ring_full",
        ]
        .map(|name| self.count(&format!("segments/{name}")))
        .iter()
        .sum();
        assert_eq!(
            self.count("segments/seen"),
            segments + self.sum("segments/unparsable"),
            "{text}"
        );
        assert_eq!(
            self.count("segments/copied"),
            self.count("segments/read"),
            "{text}"
        );
        let ends = self.count("requests/sent")
            + self.count("requests/observed")
            + self.sum("requests/filtered")
            + self.count("requests/sampled_out");
        assert_eq!(
            self.count("requests/framed"),
            ends + self.sum("requests/dropped"),
            "{text}"
        );
        let replies = self.sum("replies/answered") + self.sum("replies/failed");
        assert_eq!(self.count("requests/sent"), replies, "{text}");
    }

    /// Everything was framed, sent and answered with success.
    pub(crate) fn assert_all_answered(&self, requests: usize) {
        let requests = u64::try_from(requests).unwrap();
        assert_eq!(self.count("requests/framed"), requests, "{:#}", self.0);
        assert_eq!(self.count("requests/sent"), requests, "{:#}", self.0);
        assert_eq!(self.count("replies/answered/2xx"), requests, "{:#}", self.0);
    }
}
