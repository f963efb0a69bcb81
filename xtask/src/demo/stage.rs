//! The stage: a lab, two nginx, and podmirror between them.

use std::{net::SocketAddr, path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result};

use lab::{AccessLogEntry, Family, Host, Lab, Mirror, Nginx, NginxConfig};

/// Where v1 and v2 serve HTTP/1.
pub(super) const PORT: u16 = 80;
/// Where the faulty v2 listens.
pub(super) const FAULTY_PORT: u16 = 81;

pub(super) struct Stage {
    podmirror: PathBuf,
    // Before the lab: they are dropped in this order.
    _v1: Nginx,
    v2: Option<Nginx>,
    /// The port of v1 that is mirrored.
    pub(super) port: u16,
    /// Where v2 gets its copies.
    pub(super) target_port: u16,
    pub(super) lab: Lab,
}

impl Stage {
    pub(super) fn set(podmirror: PathBuf) -> Result<Self> {
        let lab = Lab::new()?;
        let v1 = serve(&lab, Host::V1, false)?;
        let v2 = serve(&lab, Host::V2, true)?;
        Ok(Self {
            podmirror,
            _v1: v1,
            v2: Some(v2),
            port: PORT,
            target_port: PORT,
            lab,
        })
    }

    pub(super) fn description(&self) -> String {
        format!(
            "  client {}  asks  v1 {}   (nginx, namespace {})\n  \
             podmirror on the node copies to  v2 {}   (nginx, namespace {})",
            Host::Client.ip(Family::V4),
            self.v1_address(),
            self.lab.v1.name(),
            address(Host::V2),
            self.lab.v2.name(),
        )
    }

    pub(super) fn v1_address(&self) -> SocketAddr {
        address(Host::V1)
    }

    /// The command line as a user would type it, without what the demo adds for itself.
    pub(super) fn arguments(&self, sampling: &[&str]) -> Vec<String> {
        let (netns, port) = (self.lab.v1.name().to_owned(), self.port.to_string());
        let v2 = Host::V2.address(Family::V4, self.target_port);
        let role = if sampling.contains(&"--compare") {
            ",role=candidate"
        } else {
            ""
        };
        let target = format!("http://{v2}{role}");
        let fixed = ["--interface", "eth0", "--netns", &netns, "--port", &port];
        fixed
            .iter()
            .chain(["--target", &target].iter())
            .chain(sampling)
            .map(ToString::to_string)
            .collect()
    }

    pub(super) fn mirror(&self, sampling: &[&str]) -> Result<Mirror> {
        Mirror::start(&self.lab.node, &self.podmirror, self.arguments(sampling))
    }

    /// Another v2, which fails on one route.
    pub(super) fn start_faulty(&self) -> Result<Nginx> {
        let config = NginxConfig {
            listen: vec![Host::V2.address(Family::V4, FAULTY_PORT)],
            reply: "hello from v2".to_owned(),
            extra: "location /pay { return 503; }".to_owned(),
            ..NginxConfig::default()
        };
        Nginx::start(&self.lab.v2, &config)
    }

    /// v2, to be killed by dropping it.
    pub(super) fn take_v2(&mut self) -> Option<Nginx> {
        self.v2.take()
    }

    /// The copies that v2 has logged so far.
    pub(super) fn copies(&self) -> Result<Vec<AccessLogEntry>> {
        let v2 = self.v2.as_ref().context("v2 is dead")?;
        let mut entries = v2.access_log()?;
        entries.retain(|entry| entry.mirrored_by != "-");
        Ok(entries)
    }

    /// The number of copies once no more arrive: half a second without a new one, at most ten.
    pub(super) fn settled_copies(&self) -> Result<usize> {
        let mut before = self.copies()?.len();
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(500));
            let now = self.copies()?.len();
            if now == before {
                break;
            }
            before = now;
        }
        Ok(before)
    }
}

fn address(host: Host) -> SocketAddr {
    host.address(Family::V4, PORT)
}

fn serve(lab: &Lab, host: Host, access_log: bool) -> Result<Nginx> {
    let config = NginxConfig {
        listen: vec![address(host)],
        access_log,
        reply: format!("hello from {}", host.name()),
        ..NginxConfig::default()
    };
    Nginx::start(lab.namespace(host), &config)
}
