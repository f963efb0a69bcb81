//! Flags for how segments are captured.

use std::{num::NonZeroUsize, path::PathBuf, thread};

use clap::{Args, ValueEnum};
use mirror_capture::{LiveConfig, RingKind};
use mirror_common::settings::{MAX_REPLY_HEAD, MAX_SHARDS};

use super::{UsageError, value::size};

/// How segments reach the daemon.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture")]
pub struct CaptureArgs {
    /// The ring: BPF ring buffer (Linux 5.10), or perf event array (5.4); the first if the kernel has it
    #[arg(long, value_name = "RING")]
    pub ring: Option<RingArg>,

    /// Size of each shard's ring, rounded up to a power of two
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size)]
    pub ring_size: usize,

    /// Threads that read, reassemble and re-send; each has its own ring and connections
    /// [default: one per two cores, at most 4]
    #[arg(long, value_name = "N")]
    pub shards: Option<NonZeroUsize>,

    /// By how many steps of nice a shard's thread is preferred once its ring is more than a quarter full, until less
    /// than a sixteenth is; 0 is never
    ///
    /// Needs CAP_SYS_NICE, without which nothing is done. Acts within podmirror's cgroup: beside other pods, what
    /// counts is the pod's CPU request. Only with BPF rings
    #[arg(long, value_name = "STEPS", default_value_t = LiveConfig::HURRY, value_parser = clap::value_parser!(u8).range(..=19))]
    pub hurry: u8,

    /// Ask v1's kernel for the connection of each sampled segment, and refuse what it would not take
    ///
    /// Where requests are captured at ingress (`--attach ingress`, pod, lo) v1 itself receives there, and
    /// its kernel knows: data of no connection, a SYN on a connection, sequence and acknowledgment numbers
    /// out of the window, frames for another station. Elsewhere, and where a mesh's proxy takes v1's
    /// connections, nobody can be asked; the ledger and /readyz say so. Costs about 0.1 µs per segment
    #[arg(long, value_name = "WHETHER", default_value = "on")]
    pub ask_kernel: Switch,

    /// Also copy what v1 says and acknowledges on mirrored connections, from the other hook of the same place
    /// [default: on; off with --attach xdp and --decap, where it can't be]
    ///
    /// With it a request is sent to v2 once v1 has acknowledged it, and v1's replies decide what v1 took. Each
    /// segment that v1 sends costs about 50 ns, and those of sampled connections 0.1 to 0.3 µs. Turn it off
    /// where v1's replies leave by another interface
    #[arg(long, value_name = "WHETHER")]
    pub replies: Option<Switch>,

    /// How much of each segment that v1 sends is copied, unless `--replies off`; at most 16K. With --compare v1,
    /// bodies are compared that were copied whole
    #[arg(long, value_name = "SIZE", default_value = "512", value_parser = size)]
    pub reply_head: usize,

    /// Where filters are noted, so that the next start deletes what a killed one left; used before
    /// Linux 6.6 only, and to outlive a container
    #[arg(long, value_name = "DIR", default_value = LiveConfig::NOTES, env = "PODMIRROR_NOTES")]
    pub notes: PathBuf,

    /// Log rare events of the kernel program
    #[arg(long)]
    pub log_kernel: bool,
}

/// The values of a flag that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// The values of `--ring`; see [`RingKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RingArg {
    /// BPF ring buffers, one per shard
    Bpf,
    /// Perf event array, one ring per CPU and one shard
    Perf,
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
    /// How segments are captured; `receives_copies`: at a port where v1 is not.
    ///
    /// # Errors
    /// A [`UsageError`]: too many shards, or v1's replies wanted where there are none.
    pub fn config(&self, receives_copies: bool) -> Result<LiveConfig, UsageError> {
        let ring = self.ring.map_or_else(RingKind::best, RingKind::from);
        let shards = match ring {
            RingKind::Bpf => self.shard_count()?,
            // Its rings belong to CPUs: one reader sees them all, or flows would be torn apart.
            RingKind::Perf => 1,
        };
        Ok(LiveConfig {
            ring,
            ring_bytes: self.ring_size,
            hurry: self.hurry,
            shards,
            log_kernel: self.log_kernel,
            notes: self.notes.clone(),
            ask_kernel: self.ask_kernel == Switch::On,
            reply_head: self.reply_head(receives_copies)?,
            ..LiveConfig::default()
        })
    }

    fn reply_head(&self, receives_copies: bool) -> Result<u32, UsageError> {
        let wanted = u32::try_from(self.reply_head).unwrap_or(u32::MAX);
        match (self.replies, wanted) {
            (_, 0 | MAX_REPLY_HEAD_AND_MORE..) => Err(UsageError(format!(
                "--reply-head {}: accepted: 1 to {MAX_REPLY_HEAD} bytes",
                self.reply_head
            ))),
            (Some(Switch::On), _) if receives_copies => Err(UsageError(
                "--replies on: not with --attach xdp or --decap, where both directions come in by one hook; \
                 accepted: off"
                    .into(),
            )),
            (Some(Switch::Off), _) => Ok(0),
            (None, _) if receives_copies => Ok(0),
            (Some(Switch::On) | None, head) => Ok(head),
        }
    }

    fn shard_count(&self) -> Result<u32, UsageError> {
        let few = || {
            let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
            default_shards(cores)
        };
        let count = self.shards.map_or_else(few, NonZeroUsize::get);
        match u32::try_from(count) {
            Ok(shards) if count <= MAX_SHARDS => Ok(shards),
            _ => Err(UsageError(format!(
                "--shards {count}: accepted: 1 to {MAX_SHARDS}"
            ))),
        }
    }
}

/// Too much for `--reply-head`.
const MAX_REPLY_HEAD_AND_MORE: u32 = MAX_REPLY_HEAD + 1;

/// One for two cores: v1 has the others, and one shard that is awake costs less than two.
fn default_shards(cores: usize) -> usize {
    (cores / 2).clamp(1, 4)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        capture: CaptureArgs,
    }

    #[test]
    fn replies_are_captured_where_v1_is() {
        let reply_head = |replies, receives_copies| {
            let args = CaptureArgs {
                replies,
                ..Only::parse_from([""]).capture
            };
            args.reply_head(receives_copies)
                .map_err(|error| error.to_string())
        };
        assert_eq!(reply_head(None, false), Ok(512));
        assert_eq!(reply_head(None, true), Ok(0));
        assert_eq!(reply_head(Some(Switch::On), false), Ok(512));
        assert_eq!(reply_head(Some(Switch::Off), false), Ok(0));
        let refused = reply_head(Some(Switch::On), true).unwrap_err();
        assert!(refused.starts_with("--replies on: not with --attach xdp"));
    }

    #[test]
    fn shards_leave_half_of_the_cores() {
        let shards = [1, 2, 3, 4, 8, 64].map(default_shards);
        assert_eq!(shards, [1, 1, 1, 2, 4, 4]);
    }
}
