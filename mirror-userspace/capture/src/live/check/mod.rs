//! What this machine can do, and what it lacks: the facts behind `podmirror check`.
//!
//! Facts can mislead: a kernel has back-ports, a verifier its own mind, a container less than its
//! host. So what decides is [`trial`]: `run` tried out.

mod trial;

use std::path::Path;

use aya::{
    maps::MapType,
    programs::{SchedClassifier, TcAttachType},
    sys::is_map_supported,
    util::KernelVersion,
};

use mirror_common::packet::Tunnels;

use super::{
    attach::{Hook, Tap},
    config::LiveConfig,
    locked_memory,
    netlink::Interface,
    netns::{Netns, OpenNetns},
    object::RingKind,
    privilege::{Capabilities, Capability},
    refusal::kernel_release,
};

/// The oldest kernel that the perf object runs on.
const OLDEST: KernelVersion = KernelVersion::new(5, 4, 0);

/// One line of `podmirror check`: what was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub verdict: Verdict,
    /// The fact, for people.
    pub detail: String,
    /// What to do about it, unless all is well.
    pub remedy: Option<String>,
}

/// What a fact means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands in podmirror's way.
    Good,
    /// Podmirror runs, with less: another ring, another attachment, no foreign namespaces.
    Lesser,
    /// Podmirror can't capture here.
    Missing,
}

impl Finding {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Good,
            detail: detail.into(),
            remedy: None,
        }
    }

    fn bad(
        name: &'static str,
        verdict: Verdict,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            verdict,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// What is to be captured, if it can be.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The configuration that would be used.
    pub live: LiveConfig,
    /// The hook that would be attached to.
    pub hook: Hook,
    /// As a port that receives copies, before the network stack.
    pub tap: Option<Tap>,
    /// With these tunnels taken off.
    pub decap: Option<Tunnels>,
    /// The interface, which is looked at only.
    pub interface: Option<String>,
    /// Where that is; `None` for our own network namespace.
    pub netns: Option<Netns>,
}

/// Looks at all that capturing needs, and tries it: the programs of both kinds of ring, the rings
/// that `question` asks for, and an attachment elsewhere. Leaves nothing behind, but the kernel may have
/// loaded its modules for dummy devices and filters.
///
/// If none of it is [`Missing`](Verdict::Missing), `run` will do.
#[must_use]
pub fn check(question: &Question) -> Vec<Finding> {
    let capabilities = Capabilities::effective();
    let ring = question.live.ring;
    let mut findings = vec![kernel(), btf()];
    findings.extend(Capability::ALL.map(|needed| capability(capabilities, needed, ring)));
    findings.extend([tcx(capabilities), bpf_ring(capabilities)]);
    findings.push(memory(capabilities, ring));
    findings.extend(trial::try_out(question));
    let interface = question.interface.as_deref();
    findings.extend(interface.map(|name| find(name, question.netns.as_ref())));
    findings
}

fn kernel() -> Finding {
    let release = kernel_release();
    match KernelVersion::current() {
        Ok(version) if version < OLDEST => Finding::bad(
            "kernel",
            Verdict::Missing,
            format!("Linux {release}"),
            "Linux 5.4 or later is needed, 5.10 for the BPF ring, 6.6 for tcx",
        ),
        _ => Finding::good("kernel", format!("Linux {release}")),
    }
}

fn btf() -> Finding {
    let path = "/sys/kernel/btf/vmlinux";
    if Path::new(path).exists() {
        Finding::good("BTF", path)
    } else {
        Finding::bad(
            "BTF",
            Verdict::Lesser,
            format!("no {path}"),
            "not needed to run; bpftool shows less without it (CONFIG_DEBUG_INFO_BTF)",
        )
    }
}

fn capability(have: Capabilities, needed: Capability, ring: RingKind) -> Finding {
    let name = needed.name();
    if have.allow(needed) {
        return Finding::good(name, "effective");
    }
    let (verdict, purpose) = match needed {
        Capability::Bpf => (Verdict::Missing, "to load the program"),
        Capability::NetAdmin => (Verdict::Missing, "to attach it to an interface"),
        Capability::Perfmon if ring == RingKind::Perf => {
            (Verdict::Missing, "to open the perf buffers")
        }
        Capability::Perfmon => (Verdict::Lesser, "for --ring perf"),
        Capability::IpcLock | Capability::SysResource => (Verdict::Lesser, "to lift limits"),
        Capability::SysAdmin => (Verdict::Lesser, "for --netns: to enter another namespace"),
        Capability::SysPtrace => (Verdict::Lesser, "for --netns PID of another user's process"),
    };
    Finding::bad(
        name,
        verdict,
        "not effective",
        format!("needed {purpose}: run as root, or add it to securityContext.capabilities"),
    )
}

/// Asks the kernel, which may have tcx by back-port or lack it by configuration.
fn tcx(capabilities: Capabilities) -> Finding {
    let name = "tcx";
    if !capabilities.allow(Capability::NetAdmin) {
        return match KernelVersion::current() {
            Ok(version) if version >= KernelVersion::new(6, 6, 0) => Finding::good(
                name,
                "by the kernel's version; not tried without CAP_NET_ADMIN",
            ),
            _ => without_tcx("the kernel is older than 6.6".to_owned()),
        };
    }
    match SchedClassifier::query_tcx("lo", TcAttachType::Ingress) {
        Ok(_) => Finding::good(name, "supported"),
        Err(error) => without_tcx(format!("not supported ({error})")),
    }
}

fn without_tcx(detail: String) -> Finding {
    Finding::bad(
        "tcx",
        Verdict::Lesser,
        detail,
        "a clsact filter is used instead, which stays until the next start if podmirror is killed; Linux 6.6 has tcx",
    )
}

fn bpf_ring(capabilities: Capabilities) -> Finding {
    let name = "BPF ring buffer";
    if !capabilities.allow(Capability::Bpf) {
        return Finding::bad(
            name,
            Verdict::Lesser,
            "not tried",
            "needs CAP_BPF to be tried",
        );
    }
    match is_map_supported(MapType::RingBuf) {
        Ok(true) => Finding::good(name, "supported"),
        Ok(false) => Finding::bad(
            name,
            Verdict::Lesser,
            "not supported",
            "use --ring perf; Linux 5.10 has BPF ring buffers of any size",
        ),
        Err(error) => Finding::bad(name, Verdict::Lesser, error.to_string(), "use --ring perf"),
    }
}

/// The limit alone: whether it is enough shows when the rings are made.
fn memory(capabilities: Capabilities, ring: RingKind) -> Finding {
    let name = "memory lock";
    if !locked_memory::maps_count() && ring == RingKind::Bpf {
        return Finding::good(
            name,
            "BPF rings do not count against it (Linux 5.11 and later)",
        );
    }
    let lifted = |capability| capabilities.allow(capability);
    match locked_memory::limit() {
        None => Finding::good(name, "unlimited"),
        Some(limit) if lifted(Capability::SysResource) => Finding::good(
            name,
            format!("{limit} bytes, which podmirror raises (CAP_SYS_RESOURCE)"),
        ),
        Some(limit) if ring == RingKind::Perf && lifted(Capability::IpcLock) => Finding::good(
            name,
            format!("{limit} bytes, which do not bind perf buffers (CAP_IPC_LOCK)"),
        ),
        Some(limit) => Finding::bad(
            name,
            Verdict::Lesser,
            format!("{limit} bytes"),
            "may be too little for the rings; CAP_SYS_RESOURCE raises it, so does `ulimit -l unlimited`",
        ),
    }
}

fn find(interface: &str, netns: Option<&Netns>) -> Finding {
    let name = "interface";
    let found = netns
        .map_or_else(OpenNetns::current, Netns::open)
        .and_then(|netns| {
            netns.run(|| {
                let interface = Interface::find(&interface.into())?;
                Ok((interface.link_layer()?, interface))
            })
        });
    match found {
        Ok((link, found)) => Finding::good(
            name,
            format!("{interface}, number {}, {link:?} frames", found.index),
        ),
        Err(error) => Finding::bad(
            name,
            Verdict::Missing,
            format!("{error:#}"),
            "name one that exists, and with --netns the namespace that it is in",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_but_a_good_one_has_a_remedy() {
        let question = Question {
            interface: Some("lo".to_owned()),
            ..Question::default()
        };
        for finding in check(&question) {
            assert_eq!(
                finding.verdict == Verdict::Good,
                finding.remedy.is_none(),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn the_interface_is_looked_at_only_if_named() {
        let findings = check(&Question::default());
        assert!(findings.iter().all(|finding| finding.name != "interface"));
        let missing = find("no-such-if", None);
        assert_eq!(
            (missing.name, missing.verdict),
            ("interface", Verdict::Missing)
        );
    }
}
