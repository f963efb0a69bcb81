//! What this process may do.

use std::fs;

use anyhow::{Result, bail};

use super::object::RingKind;

/// A Linux capability (`capabilities(7)`) that some part of podmirror needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Capability {
    /// Attaching to an interface, and loading network programs.
    NetAdmin = 12,
    /// Locking more memory than the limit allows, and more perf buffers than a user may have.
    IpcLock = 14,
    /// Seeing the namespaces of other users' processes.
    SysPtrace = 19,
    /// Entering a namespace; and all that `Bpf` and `Perfmon` allow, as before Linux 5.8.
    SysAdmin = 21,
    /// Raising limits.
    SysResource = 24,
    /// Pointer arithmetic in programs, and opening perf buffers (Linux 5.8).
    Perfmon = 38,
    /// Loading programs and making maps (Linux 5.8).
    Bpf = 39,
}

impl Capability {
    /// Those that capturing needs. The others only lift limits, which may be high enough.
    pub(super) const ALL: [Self; 5] = [
        Self::Bpf,
        Self::Perfmon,
        Self::NetAdmin,
        Self::SysAdmin,
        Self::SysPtrace,
    ];

    /// Its name in `capabilities(7)`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::IpcLock => "CAP_IPC_LOCK",
            Self::SysResource => "CAP_SYS_RESOURCE",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

/// A thread's effective capabilities.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capabilities(u64);

impl Capabilities {
    /// Those of the calling thread; none if `/proc` does not say.
    pub(super) fn effective() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        Self(Self::parse(&status).unwrap_or(0))
    }

    fn parse(status: &str) -> Option<u64> {
        let set = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(set.trim(), 16).ok()
    }

    /// Whether it is there, itself or through `CAP_SYS_ADMIN`, which includes the newer two.
    pub(super) fn allow(self, capability: Capability) -> bool {
        let has = |capability: Capability| self.0 >> capability as u8 & 1 == 1;
        has(capability)
            || matches!(capability, Capability::Bpf | Capability::Perfmon)
                && has(Capability::SysAdmin)
    }

    /// Those of `wanted` that are missing, by name.
    pub(super) fn missing(self, wanted: &[Capability]) -> Vec<&'static str> {
        let missing = wanted.iter().filter(|&&capability| !self.allow(capability));
        missing.map(|capability| capability.name()).collect()
    }
}

/// Says what is missing before the kernel says `EPERM` to one thing or another.
pub(super) fn demand(ring: RingKind) -> Result<()> {
    let wanted: &[Capability] = match ring {
        RingKind::Bpf => &[Capability::Bpf, Capability::NetAdmin],
        RingKind::Perf => &[Capability::Bpf, Capability::NetAdmin, Capability::Perfmon],
    };
    let missing = Capabilities::effective().missing(wanted);
    if !missing.is_empty() {
        bail!(
            "no permission to capture: {} missing (run as root, or grant it; `podmirror check` tells more)",
            missing.join(" and ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_read() {
        let set = |text: &str| Capabilities(Capabilities::parse(text).unwrap());
        let all = set("Name:\tx\nCapPrm:\t0\nCapEff:\t000001ffffffffff\n");
        assert!(all.missing(&Capability::ALL).is_empty());
        let none = set("CapEff:\t0000000000000000\n");
        assert_eq!(none.missing(&Capability::ALL).len(), 5);
        let old_style = set("CapEff:\t0000000000200000\n");
        assert_eq!(
            old_style.missing(&Capability::ALL),
            ["CAP_NET_ADMIN", "CAP_SYS_PTRACE"]
        );
        assert!(Capabilities::parse("CapEff:\tnonsense").is_none());
    }
}
