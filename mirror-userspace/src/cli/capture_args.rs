//! Flags for where and how segments are captured.

use std::{num::NonZeroUsize, thread};

use clap::{Args, ValueEnum};
use mirror_common::settings::{MAX_PORTS, MAX_SHARDS};

use super::{UsageError, interface_args::InterfaceArgs, value::size};
use crate::{
    capture::{Hook, LiveConfig, RingKind},
    policy::KernelSampling,
};

/// What is captured, and how it reaches the daemon.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture")]
pub struct CaptureArgs {
    /// Port of the running service; up to 16, separated by commas or given again
    #[arg(long = "port", value_name = "N", required = true, value_delimiter = ',', num_args = 1,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub ports: Vec<u16>,

    /// The hook: ingress of the pod's own interface, or egress of its peer on the host
    #[arg(long, value_name = "HOOK", default_value = "ingress")]
    pub attach: HookArg,

    /// The ring: BPF ring buffer (Linux 5.8), or perf event array; the first if the kernel has it
    #[arg(long, value_name = "RING")]
    pub ring: Option<RingArg>,

    /// Size of each shard's ring, rounded up to a power of two
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = size)]
    pub ring_size: usize,

    /// Threads that read, reassemble and re-send; each has its own ring and connections
    /// [default: one for each core, at most 4]
    #[arg(long, value_name = "N")]
    pub shards: Option<NonZeroUsize>,

    /// Log rare events of the kernel program
    #[arg(long)]
    pub log_kernel: bool,
}

/// See [`Hook`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HookArg {
    /// What the interface receives: `eth0` or `lo` inside the pod
    Ingress,
    /// What the interface sends: the host's end of the pod's veth pair
    Egress,
}

/// See [`RingKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RingArg {
    /// BPF ring buffers
    Bpf,
    /// Perf event array
    Perf,
}

impl From<HookArg> for Hook {
    fn from(hook: HookArg) -> Self {
        match hook {
            HookArg::Ingress => Self::Ingress,
            HookArg::Egress => Self::Egress,
        }
    }
}

impl From<RingArg> for RingKind {
    fn from(ring: RingArg) -> Self {
        match ring {
            RingArg::Bpf => Self::Bpf,
            RingArg::Perf => Self::Perf,
        }
    }
}

impl CaptureArgs {
    /// What is captured at `place`.
    ///
    /// # Errors
    /// A [`UsageError`]: more than [`MAX_PORTS`] different ports, or too many shards.
    pub fn config(
        &self,
        place: InterfaceArgs,
        sampling: KernelSampling,
    ) -> anyhow::Result<LiveConfig> {
        let mut ports = self.ports.clone();
        ports.sort_unstable();
        ports.dedup();
        if ports.len() > MAX_PORTS {
            let given = ports.len();
            return Err(UsageError(format!(
                "--port: {given} given; accepted: at most {MAX_PORTS}"
            ))
            .into());
        }
        let ring = self.ring.map_or_else(RingKind::best, RingKind::from);
        let shards = match ring {
            RingKind::Bpf => self.shard_count()?,
            // Its rings belong to CPUs: one reader sees them all, or flows would be torn apart.
            RingKind::Perf => 1,
        };
        Ok(LiveConfig {
            netns: place.netns,
            hook: self.attach.into(),
            threshold: sampling.threshold,
            sample_key: sampling.key,
            ring,
            ring_bytes: self.ring_size,
            shards,
            log_kernel: self.log_kernel,
            ..LiveConfig::new(place.interface, ports)
        })
    }

    fn shard_count(&self) -> anyhow::Result<u32> {
        let cores = || {
            thread::available_parallelism()
                .map_or(1, NonZeroUsize::get)
                .min(4)
        };
        let count = self.shards.map_or_else(cores, NonZeroUsize::get);
        match u32::try_from(count) {
            Ok(shards) if count <= MAX_SHARDS => Ok(shards),
            _ => Err(UsageError(format!("--shards {count}: accepted: 1 to {MAX_SHARDS}")).into()),
        }
    }
}
