//! Pods as the agent sees them: as much of the API's object as decides what is attached where.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use mirror_core::destination::Labels;

/// The `metadata.uid` of a pod. Names are reused, UIDs are not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
pub struct PodUid(pub String);

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pod of this node, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
pub struct PodView {
    /// The pod's UID: `metadata.uid`.
    pub uid: PodUid,
    /// The pod's namespace: `metadata.namespace`.
    pub namespace: String,
    /// The pod's name: `metadata.name`.
    pub name: String,
    /// The pod's labels: `metadata.labels`.
    pub labels: Labels,
    /// Whether the pod has started or ended: `status.phase`.
    pub phase: Phase,
    /// Whether the pod uses its node's network: `spec.hostNetwork`.
    pub host_network: bool,
    /// `status.podIPs`, or else `status.podIP`; what can't be read as an address is left out.
    pub ips: Vec<IpAddr>,
    /// Whether `metadata.deletionTimestamp` is set. It may still serve.
    pub deleting: bool,
    /// The annotation `kubernetes.io/config.mirror`, which static pods have: their cgroups bear it
    /// instead of the UID that the API gave them.
    pub static_hash: Option<String>,
    /// Whether its readiness gate `podmirror.io/attached` is open; `None` if it has none.
    #[cfg_attr(feature = "cluster", serde(default))]
    pub gate_open: Option<bool>,
    /// The TCP ports in `spec.containers[].ports` (and of restartable init containers) that have a
    /// name, by it.
    pub ports: BTreeMap<String, u16>,
}

impl PodView {
    /// The pod's name for people: `default/web-v1-0`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// What follows `pod` in the names of its cgroups.
    #[must_use]
    pub fn cgroup(&self) -> &str {
        self.static_hash.as_deref().unwrap_or(&self.uid.0)
    }

    /// Whether a container of it may be serving, and its addresses are its own.
    #[must_use]
    pub const fn may_serve(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Unknown)
    }

    /// Whether it has a network, or gets one: before a container of it serves there is a sandbox.
    #[must_use]
    pub const fn may_be_attached(&self) -> bool {
        self.may_serve() || matches!(self.phase, Phase::Pending)
    }
}

/// Where a pod is in its life, `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cluster", derive(serde::Serialize, serde::Deserialize))]
pub enum Phase {
    /// Not all of its containers have run.
    #[default]
    Pending,
    /// At least one container runs, or is started or restarted.
    Running,
    /// All containers have succeeded. The pod's addresses may be another pod's by now.
    Succeeded,
    /// All containers have ended, at least one with a failure. Its addresses may be another pod's by now.
    Failed,
    /// Its node can't be asked, or the API has a phase that we don't know.
    Unknown,
}

/// A network namespace, told apart from all others since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetnsId {
    /// The number that `/proc/PID/ns/net` shows. Used again once a namespace is gone.
    pub inode: u64,
    /// `SO_NETNS_COOKIE`: never used again. `None` before Linux 5.14.
    pub cookie: Option<u64>,
}

/// The network of a pod, as found on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// The pod's network namespace.
    pub netns: NetnsId,
    /// A process in that namespace. By the time it is used it may be gone, or its number may be reused.
    pub process: u32,
    /// The interface that holds the pod's address.
    pub interface: String,
}
