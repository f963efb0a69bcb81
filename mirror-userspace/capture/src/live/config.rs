//! What is captured: how, for all places alike, and where, for each of them.

use std::{fmt, path::PathBuf};

use anyhow::{Result, ensure};
use mirror_common::{
    packet::Tunnels,
    settings::{MAX_PORTS, Settings},
};
use mirror_core::policy::KernelSampling;

use super::{
    attach::{Hook, Method, Tap},
    netlink::{LinkLayer, shown},
    netns::OpenNetns,
    object::RingKind,
    programs::Programs,
};

/// How segments are captured, wherever that is.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// How to come to a hook.
    pub method: Method,
    /// Where filters are noted, if any are needed: a folder of our own that outlives us.
    pub notes: PathBuf,
    /// A `/proc` that shows the processes of all pods: by them a namespace is found in which a killed
    /// process left a filter.
    pub proc: PathBuf,
    /// Whether v1's kernel is asked for the socket of each sampled segment, and what it would not take
    /// is refused: at [`Hook::Ingress`], where v1 itself receives, and nowhere else.
    pub ask_kernel: bool,
    /// The most bytes that are copied of each segment that v1 sends on a mirrored connection, at most
    /// [`MAX_REPLY_HEAD`](mirror_common::settings::MAX_REPLY_HEAD); 0 copies nothing of what v1 sends. Not at
    /// ports of copies.
    pub reply_head: u32,
    /// The kind of ring.
    pub ring: RingKind,
    /// Bytes of ring: for each shard, and with the perf ring for all CPUs together. Rounded up to
    /// a power of two, at least 256 KiB (a CPU); the kernel allocates them at once, once for all captures
    /// that [share](super::Rings) them.
    pub ring_bytes: usize,
    /// By how many steps of `nice` a shard's thread is preferred while its BPF ring is more than a quarter full; 0 is
    /// never, and so is any number without `CAP_SYS_NICE`.
    pub hurry: u8,
    /// Shards, 1 to [`MAX_SHARDS`](mirror_common::settings::MAX_SHARDS). The perf ring has one,
    /// whatever this says.
    pub shards: u32,
    /// Whether the program's own log lines are wanted; only the one for BPF rings has any.
    pub log_kernel: bool,
    /// The programs that feed BPF rings: captures whose configurations are copies of this one share them. Perf rings
    /// have programs of their own.
    pub programs: Programs,
}

impl LiveConfig {
    /// Where filters are noted unless told otherwise.
    pub const NOTES: &str = "/run/podmirror";
    /// Bytes of ring unless told otherwise: 16 MiB, 130 ms of a saturated 1 Gbit/s.
    pub const RING_BYTES: usize = 16 * 1024 * 1024;
    /// Steps of `nice` unless told otherwise.
    pub const HURRY: u8 = 7;
}

impl Default for LiveConfig {
    /// Attaches as the kernel allows, asks v1's kernel, and copies requests only, into one BPF ring of 16 MiB.
    fn default() -> Self {
        Self {
            method: Method::Auto,
            notes: Self::NOTES.into(),
            proc: "/proc".into(),
            ask_kernel: true,
            reply_head: 0,
            ring: RingKind::Bpf,
            ring_bytes: Self::RING_BYTES,
            hurry: Self::HURRY,
            shards: 1,
            log_kernel: false,
            programs: Programs::default(),
        }
    }
}

/// Where segments are captured.
///
/// The namespace is handed over: held open it would outlive its pod, so attaching lets go of it
/// (but where the kernel has no tcx: a filter can be deleted from inside only).
#[derive(Debug)]
pub struct Place {
    /// The network namespace.
    pub netns: OpenNetns,
    /// The interface in it.
    pub interface: InterfaceId,
    /// Which of its frames.
    pub hook: Hook,
    /// Whether it is a port that receives nothing but copies, and what is done with them: it is attached
    /// to by XDP then, and [`hook`](Self::hook) is not looked at.
    pub tap: Option<Tap>,
    /// The tunnels that segments come in at [`hook`](Self::hook), if they are to be taken off. What v1 says
    /// is not copied then, and v1's kernel not asked: the frames are copies, or for others.
    pub decap: Option<Tunnels>,
    /// Destination ports, 1 to [`MAX_PORTS`] of them.
    pub ports: Vec<u16>,
}

impl Place {
    /// What the interface receives for `ports`.
    #[must_use]
    pub fn new(netns: OpenNetns, interface: impl Into<InterfaceId>, ports: Vec<u16>) -> Self {
        Self {
            netns,
            interface: interface.into(),
            hook: Hook::Ingress,
            tap: None,
            decap: None,
            ports,
        }
    }

    /// What the program at this place is told, but where its rings begin.
    pub(super) fn settings(
        &self,
        config: &LiveConfig,
        sampling: KernelSampling,
        link: LinkLayer,
        shards: u32,
        attachment: AttachmentId,
    ) -> Result<Settings> {
        let mut ports = [0; MAX_PORTS];
        ensure!(
            (1..=MAX_PORTS).contains(&self.ports.len()),
            "{} ports given, and 1 to {MAX_PORTS} can be mirrored",
            self.ports.len()
        );
        for (slot, &port) in ports.iter_mut().zip(&self.ports) {
            *slot = port;
        }
        Ok(Settings {
            threshold: sampling.threshold,
            ports,
            sample_key: sampling.key as u32,
            shards,
            ethernet: u32::from(link == LinkLayer::Ethernet),
            attachment: attachment.0,
            log: u32::from(config.log_kernel),
            ask_kernel: u32::from(
                config.ask_kernel && self.hook == Hook::Ingress && self.is_of_a_pod(),
            ),
            reply_head: if self.is_of_a_pod() {
                config.reply_head
            } else {
                0
            },
            zero: 0,
            tunnels: self.tunnels(),
            rings: 0,
            secret: sampling.secret,
        })
    }
}

impl Place {
    /// Whether frames come as v1 gets and sends them.
    const fn is_of_a_pod(&self) -> bool {
        self.tap.is_none() && self.decap.is_none()
    }

    fn tunnels(&self) -> Tunnels {
        const NONE: Tunnels = Tunnels {
            vxlan: 0,
            geneve: 0,
        };
        let of_tap = self.tap.map(|tap| tap.tunnels);
        of_tap.or(self.decap).unwrap_or(NONE)
    }
}

/// An interface within its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceId {
    /// By name.
    Name(String),
    /// By number (`ifindex`).
    Index(u32),
}

impl From<&str> for InterfaceId {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for InterfaceId {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<u32> for InterfaceId {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

impl fmt::Display for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{}`", shown(name)),
            Self::Index(index) => write!(f, "number {index}"),
        }
    }
}

/// An attachment, and its number in [`FlowId::attachment`](mirror_core::segment::FlowId): a number is given out
/// once, whichever of the captures that share rings it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentId(pub u32);

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
