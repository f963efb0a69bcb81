//! `cargo xtask demo --ui`, as somebody sees it who opens the page that it names: in the binary, as root.

#![cfg(test)]

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// What a machine has that does something else, too.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where the names of network namespaces are.
const NAMESPACES: &str = "/run/netns";

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// How long it may take to remove what it has made.
const END: Duration = Duration::from_secs(30);

/// podmirror of now beside the task's own binary.
fn podmirror() -> PathBuf {
    let path = Path::new(XTASK).with_file_name("podmirror");
    let profile = match path.parent().and_then(Path::file_name).unwrap() {
        debug if debug == "debug" => "dev".as_ref(),
        name => name,
    };
    let mut cargo = Command::new(env!("CARGO"));
    // With a test among what is built, and from the whole workspace, features are those of `cargo test --workspace`: where
    // that runs this, all is built already.
    let built = cargo
        .args(["build", "--workspace", "--bin=podmirror", "--test=walk"])
        .arg("--profile")
        .arg(profile);
    assert!(built.status().unwrap().success());
    path
}

/// The demo, killed if the test fails.
struct Demo(Child);

impl Demo {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Waits so long for its end.
    fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            let status = self.0.try_wait().unwrap();
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it has made and not removed yet.
    fn namespaces(&self) -> Vec<String> {
        let own = format!("podmirror-{}-", self.0.id());
        let all = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
        let names = all.filter_map(|it| it.file_name().into_string().ok());
        names.filter(|name| name.starts_with(&own)).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // It removes what it has made.
            self.signal(Signal::SIGINT);
            if self.ended(END).is_none() {
                self.signal(Signal::SIGKILL);
                let _ended = self.0.wait();
            }
        }
    }
}

/// Starts it with this podmirror, and returns what stands behind `begin` in the first line that has it.
fn start(podmirror: &Path, begin: &str) -> (Demo, String) {
    let mut command = Command::new(XTASK);
    command
        .args(["demo", "--ui", "--podmirror"])
        .arg(podmirror)
        .stdout(Stdio::piped());
    let mut demo = Demo(command.spawn().unwrap());
    let stdout = demo.0.stdout.take().unwrap();
    let (tell, told) = mpsc::channel();
    // Reads to the end: a full pipe would stop the demo.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _nobody_waits = tell.send(line);
        }
    });
    let mut said = Vec::new();
    loop {
        let line = told.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("{error}, behind {said:#?}"));
        if let Some((_, rest)) = line.split_once(begin) {
            return (demo, rest.to_owned());
        }
        said.push(line);
    }
}

/// The same until the page is there, with its address.
fn start_page() -> (Demo, SocketAddr) {
    let (demo, rest) = start(&podmirror(), "Open http://");
    let address = rest.split('/').next().unwrap();
    (demo, address.parse().unwrap())
}

/// Ends it with this status, and nothing of it is left.
fn end(mut demo: Demo, signal: Signal, status: i32) {
    assert!(!demo.namespaces().is_empty());
    demo.signal(signal);
    let ended = demo.ended(PATIENCE).expect("it goes on");
    assert_eq!(ended.code(), Some(status), "{signal}: {ended}");
    assert_eq!(demo.namespaces(), [""; 0]);
}

/// A connection on which this was asked for.
fn ask(page: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(page).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {page}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    BufReader::new(stream)
}

#[test]
fn the_page_of_the_demo_shows_traffic_until_ctrl_c_and_nothing_is_left() {
    let (demo, page) = start_page();
    let mut html = String::new();
    ask(page, "/").read_to_string(&mut html).unwrap();
    assert!(html.starts_with("HTTP/1.1 200 "), "{html}");
    assert!(html.contains("boot.js"), "{html}");

    let deadline = Instant::now() + PATIENCE;
    let lines = ask(page, "/events").lines().map(Result::unwrap);
    let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    let shows_traffic = |books: &Value| {
        let counts = &books["rules"][0]["ledger"]["requests"];
        counts["sent"].as_u64() > Some(0)
    };
    let mut books = data.map(|data| serde_json::from_str::<Value>(&data).unwrap());
    let found = books.find(|books| {
        assert!(Instant::now() < deadline, "{books:#}");
        shows_traffic(books)
    });
    assert!(found.is_some(), "the stream has ended");

    end(demo, Signal::SIGINT, 0);
}

#[test]
fn sigterm_is_no_success_though_the_page_was_there() {
    let (demo, _page) = start_page();
    end(demo, Signal::SIGTERM, 143);
}

#[test]
fn a_signal_before_the_page_is_there_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    // It never gets ready.
    let podmirror = folder.path().join("podmirror");
    fs::write(&podmirror, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&podmirror, Permissions::from_mode(0o755)).unwrap();
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (demo, _arguments) = start(&podmirror, "podmirror run ");
        end(demo, signal, status);
    }
}
