//! A client, v1, v2, a podmirror between them, and requests whose copies are compared byte by byte.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use lab::{
    Behaviour, Ended, Family, Host, Lab, Ledger, Mirror, Namespace, RawClient, RecordedRequest,
    RecordingServer,
};

/// podmirror's static binary.
pub(crate) const PODMIRROR: &str = "/podmirror";
/// How long anything may take: the machine may be an emulated one.
const PATIENCE: Duration = Duration::from_secs(180);
/// The line that a copy has more.
const MARK: &str = "x-mirrored-by";
/// Bodies: none, one byte, what fills a segment, what takes several records.
pub(crate) const SIZES: [usize; 4] = [0, 1, 1_448, 70_000];

/// Where podmirror looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// What v1's `eth0` receives.
    Ingress,
    /// What the node's end of v1's veth pair sends.
    Egress,
}

impl Hook {
    pub(crate) const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The namespace and the interface that it is at.
    pub(crate) fn place(self, lab: &Lab) -> (&Namespace, &'static str) {
        match self {
            Self::Ingress => (&lab.v1, "eth0"),
            Self::Egress => (&lab.node, "v1"),
        }
    }

    fn flags(self, lab: &Lab) -> Vec<String> {
        let flags: &[&str] = match self {
            Self::Ingress => &["--interface", "eth0", "--netns", lab.v1.name()],
            Self::Egress => &["--interface", "v1", "--attach", "egress"],
        };
        flags.iter().map(|&flag| flag.to_owned()).collect()
    }
}

/// A lab with two servers.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    v1: RecordingServer,
    v2: RecordingServer,
    family: Family,
}

impl Scene {
    pub(crate) fn new(family: Family) -> Result<Self> {
        Self::in_lab(Lab::new()?, family)
    }

    pub(crate) fn in_lab(lab: Lab, family: Family) -> Result<Self> {
        let start = |host: Host| {
            let address = host.address(family, 80);
            RecordingServer::start(lab.namespace(host), address, Behaviour::Answer)
        };
        let (v1, v2) = (start(Host::V1)?, start(Host::V2)?);
        Ok(Self {
            lab,
            v1,
            v2,
            family,
        })
    }

    /// What podmirror is called with to mirror v1.
    fn arguments(&self, hook: Hook, more: &[&str]) -> Vec<String> {
        let place = hook.flags(&self.lab);
        let place: Vec<_> = place.iter().map(String::as_str).collect();
        let flags = self.flags_at(&place, more);
        ["run".to_owned()].into_iter().chain(flags).collect()
    }

    /// The flags of it at another place than a pod's interface.
    pub(crate) fn flags_at(&self, place: &[&str], more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<_> = place.iter().map(|&flag| flag.to_owned()).collect();
        let target = format!("http://{}", Host::V2.address(self.family, 80));
        arguments.extend(["--port", "80", "--target", &target].map(str::to_owned));
        arguments.extend(more.iter().map(|&flag| flag.to_owned()));
        arguments
    }

    /// Starts podmirror, and waits until it captures.
    pub(crate) fn mirror(&self, hook: Hook, more: &[&str]) -> Result<Mirror> {
        self.mirror_by(Path::new(PODMIRROR), &[], hook, more)
    }

    /// Starts it through another program, which is called with `before`.
    pub(crate) fn mirror_by(
        &self,
        program: &Path,
        before: &[&str],
        hook: Hook,
        more: &[&str],
    ) -> Result<Mirror> {
        let arguments = self.arguments(hook, more);
        let arguments: Vec<_> = before
            .iter()
            .copied()
            .chain(arguments.iter().map(String::as_str))
            .collect();
        Mirror::start_command(&self.lab.node, program, &arguments, "mirroring ")
    }

    /// Sends a request of each size, by length and chunked, on each of two connections, and
    /// compares what v2 got. Returns how many.
    pub(crate) fn converse(&self, sizes: &[usize]) -> Result<usize> {
        self.v1.clear();
        self.v2.clear();
        let mut sent = 0;
        for connection in 0..2 {
            let address = Host::V1.address(self.family, 80);
            let mut client = RawClient::connect(&self.lab.client, address)?;
            for &size in sizes {
                let target = format!("/{connection}/{size}");
                for request in [by_length(&target, size), chunked(&target, size)] {
                    client.write(&request)?;
                    let reply = client.read_reply("POST")?;
                    ensure!(reply.status == 200, "v1 answered {}", reply.status);
                    sent += 1;
                }
            }
        }
        let v1 = self.v1.wait_for(sent, PATIENCE);
        let v2 = self.v2.wait_for(sent, PATIENCE);
        compare(&v1, &v2, sent)?;
        Ok(sent)
    }

    /// One connection to v1.
    pub(crate) fn knock(&self) -> Result<()> {
        let address = Host::V1.address(self.family, 80);
        RawClient::connect(&self.lab.client, address).map(drop)
    }

    /// A whole run: start, requests, stop, the books.
    pub(crate) fn mirrored(&self, hook: Hook, more: &[&str], sizes: &[usize]) -> Result<usize> {
        let mirror = self.mirror(hook, more)?;
        let sent = match self.converse(sizes) {
            Ok(sent) => sent,
            Err(error) => {
                let said = mirror.stop().map(|ended| ended.stderr).unwrap_or_default();
                bail!("{error:#}\npodmirror said:\n{said}");
            }
        };
        balanced(&mirror.stop()?)?;
        Ok(sent)
    }

    /// Sends requests of all sizes, and demands that each arrives.
    pub(crate) fn all_mirrored(&self, hook: Hook, more: &[&str]) -> Result<usize> {
        self.mirrored(hook, more, &SIZES)
    }
}

/// The books of a mirror that ended well.
pub(crate) fn balanced(ended: &Ended) -> Result<&Ledger> {
    ensure!(
        ended.status.success(),
        "podmirror ended with {}:\n{}",
        ended.status,
        ended.stderr
    );
    ensure!(ended.ledger.balanced(), "the books: {}", ended.ledger.0);
    Ok(&ended.ledger)
}

fn by_length(target: &str, len: usize) -> Vec<u8> {
    let mut bytes = format!(
        "POST {target} HTTP/1.1\r\nHost: v1.test\r\nContent-Length: {len}\r\nX-Case: KePt\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(body(len));
    bytes
}

fn chunked(target: &str, len: usize) -> Vec<u8> {
    let mut bytes = format!(
        "POST {target}/chunked HTTP/1.1\r\nHost: v1.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for chunk in body(len).chunks(9_000) {
        bytes.extend(format!("{:x};part\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Bytes that differ wherever they are cut.
fn body(len: usize) -> Vec<u8> {
    let byte = |at: usize| (at * 31 + at / 251) % 256;
    (0..len)
        .filter_map(|at| u8::try_from(byte(at)).ok())
        .collect()
}

/// What v2 has is what v1 has but for the mark, in the same order on each connection.
fn compare(v1: &[RecordedRequest], v2: &[RecordedRequest], sent: usize) -> Result<()> {
    ensure!(v1.len() == sent, "{} of {sent} at v1 itself", v1.len());
    ensure!(v2.len() == sent, "{} of {sent} at v2", v2.len());
    for original in v1 {
        let copy = v2.iter().find(|copy| copy.target() == original.target());
        let copy = copy.with_context(|| format!("no {} at v2", original.target()))?;
        let what = original.target();
        ensure!(copy.head != original.head, "{what}: not marked");
        ensure!(copy.head_without(MARK) == original.head, "{what}: head");
        ensure!(copy.body == original.body, "{what}: body");
    }
    Ok(())
}
