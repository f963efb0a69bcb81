//! Flags for re-sending.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use mirror_core::destination::{Scheme, TargetSpec};
use mirror_dispatch::{
    CongestionControl, DispatchConfig, Order, Pipelining, Retry, SharedCap, tls,
};
use mirror_runtime::Targets;

use super::{
    UsageError,
    compare_args::CompareArgs,
    target_args::TargetArgs,
    value::{duration, size},
};

/// Where copies go, and how hard they are tried.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Re-sending")]
pub struct DispatchArgs {
    /// The targets themselves.
    #[command(flatten)]
    pub targets: TargetArgs,

    /// How two of them are compared.
    #[command(flatten)]
    pub compare: CompareArgs,

    /// Order in which the requests of one client connection reach the target: that of the client
    /// connection, or none. In HTTP/2 they are sent in that order, and none waits for the reply to another
    #[arg(long, value_name = "ORDER", default_value = "connection")]
    pub order: OrderArg,

    /// Maximum number of connections to each target; shards share them equally, and each has at least one. Those that
    /// wait for the target for more than 0.5 s (event streams, long polls) do not count, up to as many
    /// again. In HTTP/2 a connection carries as many copies as the target allows, at most 256; another one
    /// is opened when it is full
    #[arg(long, value_name = "N", default_value = "64")]
    pub target_connections: NonZeroUsize,

    /// Most copies in flight on one connection of HTTP/1; above 1, copies with idempotent methods are written before
    /// the replies to those ahead, which they wait for. `auto` does so only with safe methods (GET, HEAD, OPTIONS, TRACE),
    /// and finds out what each endpoint takes, up to 64: one connection tries it, and after a close, a time-out, a bad
    /// reply or a body of more than 0.2 s with copies behind it all go one by one, for 10 s at first and at most an
    /// hour. One by one also with `--retry never`, and where two targets are compared
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = pipelining)]
    pub pipeline: Pipelining,

    /// Most copies that may wait for a connection to a target; further ones are dropped
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub queue: usize,

    /// Most copies sent to a target per second, by the agents of all nodes together: each sends its part, by how many
    /// of the rule's ready pods are on its node; further ones are dropped [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = rps)]
    pub max_rps: Option<f64>,

    /// Whether a target gets less while it answers 429 or 503 (in gRPC RESOURCE_EXHAUSTED or UNAVAILABLE), or its latency
    /// has doubled, and sending less makes that better; further copies are dropped. A TrafficMirror may say otherwise for
    /// its targets [default: on for `agent`, off for other commands]
    #[arg(long, value_name = "on|off")]
    pub back_off: Option<BackOffArg>,

    /// How much of a streamed body may wait for a slow target before its copy is aborted
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size)]
    pub stream_window: usize,

    /// TCP congestion control towards targets: the kernel's name for an algorithm, or `system` for the
    /// node's default [default: cubic, or the node's default where cubic is not allowed]
    #[arg(long, value_name = "NAME")]
    pub congestion_control: Option<String>,

    /// How long connecting to a target may take
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub connect_timeout: Duration,

    /// How long a reply may take, from the last byte of the request to the end of the reply's head
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub reply_timeout: Duration,

    /// How long the body of a reply may go on after its head; then it is cut, which does not count against
    /// the target
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub reply_body_timeout: Duration,

    /// Which copies are sent once more when a connection that was used before ends before a byte of the
    /// reply; with `never`, a copy that a target in HTTP/2 says it did not take is not sent again either
    #[arg(long, value_name = "WHICH", default_value = "idempotent")]
    pub retry: RetryArg,

    /// How long an unused connection to a target is kept
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub target_idle_timeout: Duration,

    /// How often a target's name is resolved again
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub resolve_every: Duration,

    /// How long copies in flight may still take when podmirror stops
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub drain: Duration,

    /// Send the PROXY header (version 1 or 2) that a client's connection begins with on to the target
    ///
    /// Each copy of such a connection is sent on a connection of its own, behind the header as it was received.
    /// Without this flag the header is taken off. Copies of connections without a header, and in HTTP/2, are sent
    /// without one. Not to https targets
    #[arg(long)]
    pub proxy_protocol: bool,

    /// PEM file with the certificate authorities for https targets [default: the platform's]
    #[arg(long, value_name = "FILE")]
    pub target_ca: Option<PathBuf>,

    /// Do not verify the certificates of https targets
    #[arg(long, conflicts_with = "target_ca")]
    pub target_insecure: bool,
}

/// The values of `--order`; see [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// In the client's order: each after the reply to the one before, or behind it on the same
    /// connection (--pipeline)
    Connection,
    /// In no particular order: they overlap and may overtake each other
    None,
}

/// The values of `--back-off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackOffArg {
    /// An overloaded target gets as much as it takes
    On,
    /// Targets get all copies, come what may
    Off,
}

/// The values of `--retry`; see [`Retry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryArg {
    /// None: each copy is sent at most once
    Never,
    /// Those whose method is GET, HEAD, OPTIONS, TRACE, PUT or DELETE, unless their bodies are streamed
    Idempotent,
}

fn pipelining(text: &str) -> Result<Pipelining, String> {
    match text {
        "auto" => Ok(Pipelining::Auto),
        _ => { text.parse::<NonZeroUsize>() }
            .map(|most| Pipelining::UpTo(most.get()))
            .map_err(|_| "accepted: auto, or a number of copies above 0".into()),
    }
}

fn rps(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|rate| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| "accepted: a number above 0".into())
}

impl From<OrderArg> for Order {
    fn from(order: OrderArg) -> Self {
        match order {
            OrderArg::Connection => Self::Connection,
            OrderArg::None => Self::None,
        }
    }
}

impl From<RetryArg> for Retry {
    fn from(retry: RetryArg) -> Self {
        match retry {
            RetryArg::Never => Self::Never,
            RetryArg::Idempotent => Self::Idempotent,
        }
    }
}

fn no_target() -> UsageError {
    UsageError("--target is missing: where are copies to go?".into())
}

impl DispatchArgs {
    /// The targets, at least one.
    ///
    /// # Errors
    /// A [`UsageError`] if there is none.
    pub fn specs(&self) -> anyhow::Result<Vec<TargetSpec>> {
        if self.targets.targets.is_empty() {
            return Err(no_target().into());
        }
        Ok(self.targets.targets.clone())
    }

    /// The targets, none of which only a cluster's API knows.
    ///
    /// # Errors
    /// A [`UsageError`] if there is none, or one that only the agent can find.
    pub fn targets_outside_clusters(&self) -> anyhow::Result<Targets> {
        let targets = Targets::new(self.targets.outside_clusters()?);
        Ok(targets.ok_or_else(no_target)?)
    }

    /// What each of `shards` shards is told: its share of what is limited for a target.
    ///
    /// # Errors
    /// A [`UsageError`] if a target is https and there is nobody to trust, or if the kernel does not
    /// let us have the congestion control.
    pub fn for_shard(&self, shards: usize) -> anyhow::Result<DispatchConfig> {
        let shards = shards.max(1);
        let https = self
            .targets
            .targets
            .iter()
            .filter_map(|target| target.destination.url())
            .any(|url| url.scheme == Scheme::Https);
        if https && self.proxy_protocol {
            let refused = UsageError(
                "--proxy-protocol: accepted with http targets only, as the header would have to precede TLS".into(),
            );
            return Err(refused.into());
        }
        let trust = match &self.target_ca {
            Some(file) => tls::Trust::CaFile(file.clone()),
            None if self.target_insecure => tls::Trust::Insecure,
            None => tls::Trust::System,
        };
        let tls = if https {
            let made = tls::client_config(&trust);
            Some(made.map_err(|error| UsageError(format!("{error:#}; see --target-ca")))?)
        } else {
            None
        };
        Ok(DispatchConfig {
            order: self.order.into(),
            connections: self.target_connections.get().div_ceil(shards),
            pipelining: self.pipeline,
            queue: self.queue.div_ceil(shards),
            max_rps: self.max_rps.map(|most| SharedCap::new(most, shards)),
            back_off: self.back_off == Some(BackOffArg::On),
            stream_window: self.stream_window,
            congestion_control: self.congestion_control()?,
            connect_timeout: self.connect_timeout,
            reply_timeout: self.reply_timeout,
            reply_body_timeout: self.reply_body_timeout,
            retry: self.retry.into(),
            idle_timeout: self.target_idle_timeout,
            resolve_every: self.resolve_every,
            drain_timeout: self.drain,
            compare_v1: self.compare.compare.is_some(),
            proxy_protocol: self.proxy_protocol,
            groups: self.compare.group_paths.clone(),
            contents: self.compare.contents.for_shard(shards),
            tls,
            ..DispatchConfig::default()
        })
    }

    fn congestion_control(&self) -> Result<CongestionControl, UsageError> {
        let chosen = match self.congestion_control.as_deref() {
            None => return Ok(CongestionControl::default()),
            Some("system") => CongestionControl::System,
            Some(name) => CongestionControl::Named(name.to_owned()),
        };
        chosen.check().map_err(|error| {
            UsageError(format!(
                "--congestion-control: {error}; accepted: system, or what \
                 /proc/sys/net/ipv4/tcp_available_congestion_control lists (without CAP_NET_ADMIN \
                 tcp_allowed_congestion_control)"
            ))
        })?;
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Command {
        #[command(flatten)]
        dispatch: DispatchArgs,
    }

    #[test]
    fn what_is_for_the_target_is_shared_and_what_is_for_a_connection_is_not() {
        let flags = "--target-connections 9 --queue 9 --pipeline 9";
        let args = ["podmirror"].into_iter().chain(flags.split(' '));
        let command = Command::try_parse_from(args).unwrap();
        let config = command.dispatch.for_shard(2).unwrap();
        assert_eq!(
            (config.connections, config.queue, config.pipelining),
            (5, 5, Pipelining::UpTo(9))
        );
        let command = Command::try_parse_from(["podmirror"]).unwrap();
        assert_eq!(command.dispatch.pipeline, Pipelining::Auto);
        for wrong in ["0", "often", "-1"] {
            assert!(Command::try_parse_from(["podmirror", "--pipeline", wrong]).is_err());
        }
    }

    #[test]
    fn what_is_sent_twice_and_how_long_bodies_go_on_can_be_chosen() {
        let config = |args: &[&str]| {
            let command = Command::try_parse_from(["podmirror"].iter().chain(args)).unwrap();
            let config = command.dispatch.for_shard(1).unwrap();
            (config.retry, config.reply_body_timeout)
        };
        assert_eq!(config(&[]), (Retry::Idempotent, Duration::from_secs(5)));
        let args = ["--retry", "never", "--reply-body-timeout", "100ms"];
        assert_eq!(config(&args), (Retry::Never, Duration::from_millis(100)));
        assert!(Command::try_parse_from(["podmirror", "--retry", "always"]).is_err());
    }

    fn congestion_control(args: &[&str]) -> anyhow::Result<CongestionControl> {
        let command = Command::try_parse_from(["podmirror"].iter().chain(args))?;
        Ok(command.dispatch.for_shard(1)?.congestion_control)
    }

    #[test]
    fn congestion_control_is_what_the_kernel_allows() {
        let named = |name: &str| CongestionControl::Named(name.to_owned());
        assert_eq!(congestion_control(&[]).unwrap(), named("cubic"));
        let reno = congestion_control(&["--congestion-control", "reno"]);
        assert_eq!(reno.unwrap(), named("reno"));
        let system = congestion_control(&["--congestion-control", "system"]);
        assert_eq!(system.unwrap(), CongestionControl::System);
        let unknown = congestion_control(&["--congestion-control", "swift"]).unwrap_err();
        assert!(unknown.is::<UsageError>(), "{unknown:#}");
        assert!(
            unknown
                .to_string()
                .contains("tcp_available_congestion_control")
        );
    }
}
