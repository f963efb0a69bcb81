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

    /// Ask v1's kernel for the connection of each sampled segment, and refuse what it would not take
    ///
    /// Where requests are captured at ingress (`--attach ingress`, pod, lo) v1 itself receives there, and
    /// its kernel knows: data of no connection, a SYN on a connection, sequence and acknowledgment numbers
    /// out of the window, frames for another station. Elsewhere, and where a mesh's proxy takes v1's
    /// connections, nobody can be asked; the ledger and /readyz say so. Costs about 0.1 µs a segment
    #[arg(long, value_name = "WHETHER", default_value = "on")]
    pub ask_kernel: Switch,

    /// Also copy what v1 says and acknowledges on mirrored connections, from the other hook of the same place
    ///
    /// Not with `--attach xdp` and `--decap`. The pod needs no more for it; each segment that v1 sends costs about 50 ns, and
    /// those of sampled connections 0.1 to 0.3 µs
    #[arg(long, value_name = "WHETHER", default_value = "off")]
    pub replies: Switch,

    /// How much of each segment that v1 sends is copied with `--replies on`; at most 16K
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
    /// Do it
    On,
    /// Don't
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
    /// How segments are captured.
    ///
    /// # Errors
    /// A [`UsageError`]: too many shards.
    pub fn config(&self) -> Result<LiveConfig, UsageError> {
        let ring = self.ring.map_or_else(RingKind::best, RingKind::from);
        let shards = match ring {
            RingKind::Bpf => self.shard_count()?,
            // Its rings belong to CPUs: one reader sees them all, or flows would be torn apart.
            RingKind::Perf => 1,
        };
        Ok(LiveConfig {
            ring,
            ring_bytes: self.ring_size,
            shards,
            log_kernel: self.log_kernel,
            notes: self.notes.clone(),
            ask_kernel: self.ask_kernel == Switch::On,
            reply_head: self.reply_head()?,
            ..LiveConfig::default()
        })
    }

    fn reply_head(&self) -> Result<u32, UsageError> {
        let wanted = u32::try_from(self.reply_head).unwrap_or(u32::MAX);
        match (self.replies, wanted) {
            (_, 0 | MAX_REPLY_HEAD_AND_MORE..) => Err(UsageError(format!(
                "--reply-head {}: accepted: 1 to {MAX_REPLY_HEAD} bytes",
                self.reply_head
            ))),
            (Switch::On, head) => Ok(head),
            (Switch::Off, _) => Ok(0),
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
    use super::*;

    #[test]
    fn shards_leave_half_of_the_cores() {
        let shards = [1, 2, 3, 4, 8, 64].map(default_shards);
        assert_eq!(shards, [1, 1, 1, 2, 4, 4]);
    }
}
