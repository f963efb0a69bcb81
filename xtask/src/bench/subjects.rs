//! What is measured: podmirror and others, started and ended.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use lab::{Ledger, Mirror, Nginx, NginxConfig, Process, Scratch, packages};

use super::{
    ground::{Ground, PORT},
    loads::Traffic,
};

/// Somebody else's mirror, as the user starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    name: String,
    command: String,
}

/// One that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// podmirror at a sample rate, in percent of connections.
    Podmirror(u8),
    /// podmirror at 100 %, with flags for a kind of load.
    Tuned(&'static Tuning),
    /// nginx's `mirror`, in the path.
    NginxMirror,
    /// HAProxy in the path, without a mirror: what a hop costs.
    Haproxy,
    /// tcpdump to /dev/null: what capturing costs that does nothing.
    Tcpdump,
    /// A mirror that the command line names (`--peer`).
    Peer(Peer),
}

/// A subject that runs; it ends when this value is dropped.
pub(super) enum Running {
    Podmirror(Box<Mirror>),
    Nginx(Nginx),
    Program {
        process: Process,
        /// The folder with its configuration, removed with it.
        _folder: Option<Scratch>,
    },
}

/// Flags of podmirror that suit a kind of load.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tuning {
    name: &'static str,
    flags: &'static [&'static str],
}

/// For many small requests.
pub(super) static PIPELINING: Tuning = Tuning {
    name: "podmirror, pipelining",
    flags: &["--pipeline", "64"],
};

/// As many shards as there are cores here.
pub(super) static LARGE_BODIES: Tuning = Tuning {
    name: "podmirror, for large bodies",
    flags: &["--shards", "2", "--ring-size", "32M"],
};

/// With so many shards, whatever the number of cores.
pub(super) static BY_SHARDS: [(usize, Tuning); 4] = [
    (1, shards("podmirror, 1 shard", &["--shards", "1"])),
    (2, shards("podmirror, 2 shards", &["--shards", "2"])),
    (4, shards("podmirror, 4 shards", &["--shards", "4"])),
    (8, shards("podmirror, 8 shards", &["--shards", "8"])),
];

const fn shards(name: &'static str, flags: &'static [&'static str]) -> Tuning {
    Tuning { name, flags }
}

/// What comparing is measured beside. Both targets are v2.
pub(super) static TWO_TARGETS: Tuning = Tuning {
    name: "podmirror, two targets",
    flags: &["--target", "{v2}", "--target", "{v2}"],
};

/// Heads of all replies.
pub(super) static COMPARED: Tuning = Tuning {
    name: "podmirror, two targets compared",
    flags: &[
        "--target",
        "{v2},role=baseline",
        "--target",
        "{v2},role=candidate",
        "--compare-rate",
        "100%",
        "--compare-body",
        "0",
    ],
};

/// What [`compared`](super::compared) measures: heads of all replies, v1's and v2's.
pub(super) static COMPARED_WITH_V1: Tuning = Tuning {
    name: "podmirror, compared with v1",
    flags: &[
        "--target",
        "{v2},role=candidate",
        "--compare",
        "v1",
        "--compare-rate",
        "100%",
        "--compare-body",
        "0",
    ],
};

/// How long a capturing peer may take to begin: none says when it has.
const TO_BEGIN: Duration = Duration::from_secs(2);

impl Peer {
    /// Reads `NAME=COMMAND`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, command) = text.split_once('=').context("NAME=COMMAND is needed")?;
        if name.is_empty() || command.trim().is_empty() {
            bail!("NAME=COMMAND is needed");
        }
        Ok(Self {
            name: name.to_owned(),
            command: command.to_owned(),
        })
    }

    fn is_proxy(&self) -> bool {
        self.command.contains("{listen}")
    }

    fn command(&self, ground: &Ground) -> String {
        self.command
            .replace("{listen}", &ground.proxy_address().to_string())
            .replace("{v1}", &ground.v1.address().to_string())
            .replace("{v2}", &ground.v2.address().to_string())
            .replace("{interface}", "eth0")
            .replace("{port}", &PORT.to_string())
            .replace("{netns}", ground.lab.v1.name())
    }
}

impl Subject {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Podmirror(percent) => format!("podmirror {percent} %"),
            Self::Tuned(tuning) => tuning.name.to_owned(),
            Self::NginxMirror => "nginx mirror".to_owned(),
            Self::Haproxy => "HAProxy, no mirror".to_owned(),
            Self::Tcpdump => "tcpdump, no mirror".to_owned(),
            Self::Peer(peer) => peer.name.clone(),
        }
    }

    /// Whether requests pass through it.
    pub(super) fn is_in_path(&self) -> bool {
        match self {
            Self::NginxMirror | Self::Haproxy => true,
            Self::Peer(peer) => peer.is_proxy(),
            Self::Podmirror(_) | Self::Tuned(_) | Self::Tcpdump => false,
        }
    }

    /// Whether copies are to arrive at v2.
    pub(super) fn mirrors(&self) -> bool {
        !matches!(self, Self::Haproxy | Self::Tcpdump | Self::Podmirror(0))
    }

    /// What the client talks to.
    pub(super) fn address(&self, ground: &Ground, load: &Traffic) -> SocketAddr {
        if self.is_in_path() {
            ground.proxy_address()
        } else {
            ground.v1.address_for(load)
        }
    }

    /// How it is started, for the report.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Podmirror(percent) => format!(
                "podmirror run --interface eth0 --netns <v1> --port 80 --target http://<v2> --sample-rate {percent}%"
            ),
            Self::Tuned(tuning) => format!("the same at 100 %, with {}", tuning.flags.join(" ")),
            Self::NginxMirror => "nginx, one worker: mirror and proxy_pass, keep-alive to both; \
                                  CPU includes serving as a proxy"
                .to_owned(),
            Self::Haproxy => {
                "haproxy, one thread, mode http: a proxy that mirrors nothing".to_owned()
            }
            Self::Tcpdump => "tcpdump -i eth0 -w /dev/null tcp port 80, beside v1".to_owned(),
            Self::Peer(peer) => peer.command.clone(),
        }
    }

    /// Starts it, at this port of v1 if it captures, and waits until it works.
    pub(super) fn start(&self, ground: &Ground, port: u16) -> Result<Running> {
        self.run(ground, port)
            .with_context(|| format!("starting {}", self.name()))
    }

    fn run(&self, ground: &Ground, port: u16) -> Result<Running> {
        match self {
            Self::Podmirror(percent) => podmirror(ground, port, *percent, &[]),
            Self::Tuned(tuning) => podmirror(ground, port, 100, tuning.flags),
            Self::NginxMirror => nginx_mirror(ground).map(Running::Nginx),
            Self::Haproxy => haproxy(ground),
            Self::Tcpdump => tcpdump(ground, port),
            Self::Peer(peer) => run_peer(peer, ground),
        }
    }
}

impl Running {
    pub(super) fn id(&self) -> u32 {
        match self {
            Self::Podmirror(mirror) => mirror.id(),
            Self::Nginx(nginx) => nginx.id(),
            Self::Program { process, .. } => process.id(),
        }
    }

    /// Ends it; podmirror leaves a ledger.
    pub(super) fn stop(self) -> Result<Option<Ledger>> {
        match self {
            Self::Podmirror(mirror) => Ok(Some(mirror.stop()?.ledger)),
            Self::Nginx(_) => Ok(None),
            Self::Program { mut process, .. } => {
                process.terminate(Duration::from_secs(2))?;
                Ok(None)
            }
        }
    }
}

fn podmirror(ground: &Ground, port: u16, percent: u8, flags: &[&str]) -> Result<Running> {
    let target = format!("http://{}", SocketAddr::new(ground.v2.address().ip(), port));
    let (port, rate) = (port.to_string(), format!("{percent}%"));
    let netns = ground.lab.v1.name();
    let at = ["--interface", "eth0", "--netns", netns, "--port", &port];
    let to = ["--target", &target, "--sample-rate", &rate];
    // Flags with targets of their own have all of them.
    let to = if flags.contains(&"--target") {
        &to[2..]
    } else {
        &to
    };
    let arguments = [&at[..], to, flags].concat();
    let arguments: Vec<_> = arguments
        .into_iter()
        .map(|argument| argument.replace("{v2}", &target))
        .collect();
    let mirror = Mirror::start(&ground.lab.node, &ground.podmirror, arguments)?;
    Ok(Running::Podmirror(Box::new(mirror)))
}

fn nginx_mirror(ground: &Ground) -> Result<Nginx> {
    let keep_alive = "proxy_http_version 1.1; proxy_set_header Connection \"\";";
    let upstream = |name: &str, address: SocketAddr| {
        format!("upstream {name} {{ server {address}; keepalive 1024; }}\n  ")
    };
    let config = NginxConfig {
        listen: vec![ground.proxy_address()],
        beside: upstream("v1", ground.v1.address()) + &upstream("v2", ground.v2.address()),
        extra: format!(
            "location ~ ^/ {{ mirror /copy; proxy_pass http://v1; {keep_alive} }}\n    \
             location = /copy {{ internal; proxy_pass http://v2$request_uri; {keep_alive} }}"
        ),
        ..NginxConfig::default()
    };
    Nginx::start(&ground.lab.node, &config)
}

fn haproxy(ground: &Ground) -> Result<Running> {
    let folder = Scratch::create("haproxy")?;
    let file = folder.path().join("haproxy.cfg");
    let (listen, v1) = (ground.proxy_address(), ground.v1.address());
    fs::write(
        &file,
        format!(
            "global\n  nbthread 1\n  maxconn 4000\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             listen hop\n  bind {listen}\n  http-reuse always\n  server v1 {v1}\n"
        ),
    )?;
    let mut command = Command::new(packages::require("haproxy")?);
    // In the foreground, so that it ends with its process group.
    command.arg("-db").arg("-f").arg(&file);
    let mut process = ground.lab.node.spawn(silent(&mut command))?;
    wait_for_proxy(ground, &mut process)?;
    Ok(Running::Program {
        process,
        _folder: Some(folder),
    })
}

fn tcpdump(ground: &Ground, port: u16) -> Result<Running> {
    let mut command = Command::new(packages::require("tcpdump")?);
    // It gives the file that it writes to the user that it becomes, a device as well.
    command.args(["-Z", "root", "-i", "eth0", "-w", "/dev/null", "tcp", "port"]);
    command.arg(port.to_string());
    capture(ground, &mut command, Duration::from_millis(300))
}

fn run_peer(peer: &Peer, ground: &Ground) -> Result<Running> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(peer.command(ground));
    if !peer.is_proxy() {
        return capture(ground, &mut command, TO_BEGIN);
    }
    let mut process = ground.lab.node.spawn(silent(&mut command))?;
    wait_for_proxy(ground, &mut process)?;
    Ok(Running::Program {
        process,
        _folder: None,
    })
}

fn capture(ground: &Ground, command: &mut Command, to_begin: Duration) -> Result<Running> {
    let mut process = ground.lab.v1.spawn(silent(command))?;
    if let Some(status) = process.wait_timeout(to_begin)? {
        bail!("it ended with {status}");
    }
    Ok(Running::Program {
        process,
        _folder: None,
    })
}

fn silent(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

fn wait_for_proxy(ground: &Ground, process: &mut Process) -> Result<()> {
    let address = ground.proxy_address();
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(status) = process.wait_timeout(Duration::ZERO)? {
            bail!("it ended with {status}");
        }
        let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(1));
        if ground.lab.client.run(connect)?.is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("nobody listens on {address} after 10 s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_a_name_and_a_command() {
        let peer = Peer::parse("gor=gor --input-raw :{port} --a=b").unwrap();
        assert_eq!(peer.name, "gor");
        assert_eq!(peer.command, "gor --input-raw :{port} --a=b");
        assert!(!peer.is_proxy());
        assert!(Peer::parse("gor").is_err());
        assert!(Peer::parse("=x").is_err());
    }
}
