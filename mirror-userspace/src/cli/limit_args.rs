//! Flags for the limits on memory, connections and waiting.

use std::time::Duration;

use clap::{Args, ValueEnum};
use mirror_core::{http, lost::KeepLost, pipeline, stream, value::BadValue};
use mirror_runtime::playback;

use super::value::{duration, size};

/// How much is kept, and for how long.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Maximum memory for connections, incomplete requests and waiting copies, shared by all shards
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = size)]
    pub max_memory: usize,

    /// Maximum number of connections followed at a time, shared by all shards; the one idle longest
    /// gives way
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub max_connections: usize,

    /// Largest body that is held until it is complete; a larger one is streamed as it arrives
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = size)]
    pub max_body: usize,

    /// Largest request head
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = size)]
    pub max_head: usize,

    /// Maximum number of header lines in a request, and again in its trailers; a request with more is
    /// not mirrored
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = fields)]
    pub max_fields: usize,

    /// How long to wait for missing bytes before giving up what depends on them
    /// [default: 1s; 2m of the capture's own time in replay]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub gap_wait: Option<Duration>,

    /// How many bytes of a connection may wait behind missing ones
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = size)]
    pub gap_bytes: usize,

    /// Which of a client's bytes are mirrored [default: ack; none with --replies off]
    #[arg(long, value_name = "WHAT")]
    pub confirm: Option<ConfirmArg>,

    /// How long a connection without a segment is remembered
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub idle_timeout: Duration,
}

/// The values of `--confirm`; see [`stream::Confirm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConfirmArg {
    /// What v1 has acknowledged, once it has: in a capture file, where both directions of a connection are in it; live,
    /// by what v1's kernel waits for when the client's next segment comes (--ask-kernel)
    Ack,
    /// All that was captured, at once
    None,
}

impl From<ConfirmArg> for stream::Confirm {
    fn from(confirm: ConfirmArg) -> Self {
        match confirm {
            ConfirmArg::Ack => Self::Ack,
            ConfirmArg::None => Self::None,
        }
    }
}

impl LimitArgs {
    /// The share of one of `shards` shards. `hears_v1`: what v1 says and acknowledges is captured, too.
    #[must_use]
    pub fn for_shard(&self, shards: usize, hears_v1: bool) -> pipeline::Limits {
        let confirm = if hears_v1 {
            ConfirmArg::Ack
        } else {
            ConfirmArg::None
        };
        self.shared(shards, stream::Limits::default().gap_wait, confirm)
    }

    /// The limits for a capture file.
    #[must_use]
    pub fn for_file(&self) -> pipeline::Limits {
        self.shared(1, playback::patience().gap_wait, ConfirmArg::None)
    }

    fn shared(&self, shards: usize, gap_wait: Duration, confirm: ConfirmArg) -> pipeline::Limits {
        let shards = shards.max(1);
        pipeline::Limits {
            memory: self.max_memory / shards,
            pool: None,
            flow: stream::Limits {
                connections: self.max_connections.div_ceil(shards),
                queued_bytes: self.gap_bytes,
                gap_wait: self.gap_wait.unwrap_or(gap_wait),
                idle: self.idle_timeout,
                confirm: self.confirm.unwrap_or(confirm).into(),
                ..stream::Limits::default()
            },
            http: http::Limits {
                head: self.max_head,
                fields: self.max_fields,
                ..http::Limits::default()
            },
            max_body: self.max_body,
            keep_lost: KeepLost::default(),
        }
    }
}

/// How many header lines a request may have.
fn fields(text: &str) -> Result<usize, BadValue> {
    let accepted = "a number from 1 to 10000";
    let number = text.parse().ok();
    number
        .filter(|number| (1..=http::MAX_FIELDS).contains(number))
        .ok_or_else(|| BadValue::new(text, "is no number of header lines", accepted))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        limits: LimitArgs,
    }

    /// How long a hole is waited for, live and in a file, in seconds.
    fn gap_wait(flags: &[&str]) -> [u64; 2] {
        let limits = Command::parse_from(["podmirror"].iter().chain(flags)).limits;
        [limits.for_shard(2, false), limits.for_file()].map(|limits| limits.flow.gap_wait.as_secs())
    }

    #[test]
    fn files_are_read_patiently_unless_told_otherwise() {
        assert_eq!(gap_wait(&[]), [1, 120]);
        assert_eq!(gap_wait(&["--gap-wait", "3s"]), [3, 3]);
    }

    #[test]
    fn what_v1_acknowledged_is_mirrored_where_it_is_heard() {
        let confirm = |flags: &[&str], hears_v1| {
            let limits = Command::parse_from(["podmirror"].iter().chain(flags)).limits;
            limits.for_shard(1, hears_v1).flow.confirm
        };
        assert_eq!(confirm(&[], true), stream::Confirm::Ack);
        assert_eq!(confirm(&[], false), stream::Confirm::None);
        assert_eq!(confirm(&["--confirm", "none"], true), stream::Confirm::None);
        assert_eq!(confirm(&["--confirm", "ack"], false), stream::Confirm::Ack);
    }

    #[test]
    fn header_lines_have_a_bound() {
        let parse = |value| Command::try_parse_from(["podmirror", "--max-fields", value]);
        for value in ["1", "10000"] {
            let limits = parse(value).unwrap().limits.for_shard(1, false);
            assert_eq!(limits.http.fields.to_string(), value);
        }
        for value in ["0", "10001", "many"] {
            let error = parse(value).map(|_| ()).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("a number from 1 to 10000"));
        }
    }
}
