//! The daemon under test, and what its ledger has to say.

use std::{path::Path, process::Command};

use lab::{Ended, Lab, Namespace};
use nix::sys::signal::Signal;

/// A running `podmirror run`.
pub(crate) struct Mirror(lab::Mirror);

/// `podmirror` with these arguments, not yet started.
pub(crate) fn podmirror<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podmirror"));
    command.args(arguments);
    command
}

impl Mirror {
    /// Starts it on v1's own interface, and waits until it captures.
    ///
    /// Its ring has room for everything that a test sends, however little CPU time the mirror
    /// gets: these tests are about being right, the benchmark is about keeping up. There are two
    /// shards, whatever the machine has, unless the flags say otherwise.
    pub(crate) fn start(lab: &Lab, target: &str, flags: &[&str]) -> Self {
        let at = ["--interface", "eth0", "--netns", lab.v1.name()];
        let to = ["--ring-size", "128M", "--port", "80", "--target", target];
        let shards: &[&str] = if flags.contains(&"--shards") {
            &[]
        } else {
            &["--shards", "2"]
        };
        Self::start_with(&lab.node, &[&at[..], &to, shards, flags].concat())
    }

    /// Starts it with exactly these flags behind `run`.
    pub(crate) fn start_with(node: &Namespace, flags: &[&str]) -> Self {
        Self::start_command(node, "run", "mirroring ", flags)
    }

    /// Starts this command, and waits for the line on stderr that says that it captures.
    pub(crate) fn start_command(node: &Namespace, name: &str, ready: &str, flags: &[&str]) -> Self {
        let binary = Path::new(env!("CARGO_BIN_EXE_podmirror"));
        let arguments = [&[name], flags].concat();
        Self(lab::Mirror::start_command(node, binary, &arguments, ready).unwrap())
    }

    /// Waits for a line on stderr with this text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.0.wait_for(text).unwrap()
    }

    /// Has it print its ledger now, which balances unless segments are under way.
    pub(crate) fn ask(&self) -> String {
        self.signal(Signal::SIGUSR1);
        self.wait_for("balanced");
        self.0.stderr()
    }

    /// The number of the mirror's process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal).unwrap();
    }

    /// Asks it to end; the books must balance.
    pub(crate) fn stop(self) -> Ledger {
        Ledger::of(self.0.stop().unwrap())
    }

    /// As [`stop`](Self::stop); what it printed on stderr, too.
    pub(crate) fn stop_and_read(self) -> (Ledger, String) {
        let ended = self.0.stop().unwrap();
        let stderr = ended.stderr.clone();
        (Ledger::of(ended), stderr)
    }

    /// Waits until it ends by itself; the books must balance.
    pub(crate) fn wait(self) -> Ledger {
        Ledger::of(self.0.wait().unwrap())
    }
}

/// A ledger that balances.
#[derive(Debug)]
pub(crate) struct Ledger(lab::Ledger);

impl Ledger {
    fn of(ended: Ended) -> Self {
        assert!(ended.status.success(), "{}\n{}", ended.status, ended.stderr);
        let ledger = Self(ended.ledger);
        ledger.assert_balanced();
        ledger
    }

    /// The text at a path such as `verdict/verdict`.
    pub(crate) fn text(&self, path: &str) -> &str {
        let value = self.0.0.pointer(&format!("/{path}"));
        value.unwrap().as_str().unwrap()
    }

    /// The count at a path such as `requests/dropped/gap`, or the sum of those below it.
    pub(crate) fn count(&self, path: &str) -> u64 {
        self.0.count(&format!("/{path}")).unwrap()
    }

    /// It balances by its own word, and by ours.
    fn assert_balanced(&self) {
        let text = format!("{:#}", self.0.0);
        let sum = |paths: &[&str]| paths.iter().map(|path| self.count(path)).sum::<u64>();
        assert!(self.0.balanced(), "{text}");
        let segments = [
            "other_port",
            "no_payload",
            "sampled_out",
            "copied",
            "ring_full",
            "refused",
            "unparsable",
        ];
        let segments = segments.map(|end| self.count(&format!("segments/{end}")));
        assert_eq!(
            self.count("segments/seen"),
            segments.iter().sum::<u64>(),
            "{text}"
        );
        assert_eq!(
            self.count("segments/copied"),
            self.count("segments/read"),
            "{text}"
        );
        let ends = ["sent", "observed", "filtered", "sampled_out", "dropped"];
        let ends = ends.map(|end| self.count(&format!("requests/{end}")));
        assert_eq!(
            self.count("requests/framed"),
            ends.iter().sum::<u64>(),
            "{text}"
        );
        assert_eq!(
            self.count("requests/sent"),
            sum(&["replies/answered", "replies/failed"]),
            "{text}"
        );
    }

    /// Everything was framed, sent and answered with success.
    pub(crate) fn assert_all_answered(&self, requests: usize) {
        let requests = u64::try_from(requests).unwrap();
        for path in ["requests/framed", "requests/sent", "replies/answered/2xx"] {
            assert_eq!(self.count(path), requests, "{path} of {:#}", self.0.0);
        }
    }
}
