//! The flags' defaults are those of the types that they fill in: what `--help` shows is what the
//! documentation of the types says, and what code that is not started by flags gets.

use std::time::Duration;

use clap::{CommandFactory as _, Parser};
use mirror_capture::LiveConfig;
use mirror_core::{pipeline, policy::PolicyConfig};
use mirror_dispatch::DispatchConfig;
use mirror_runtime::playback;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    dispatch: DispatchArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    policy: PolicyArgs,
}

fn no_flags() -> Command {
    Command::parse_from(["podmirror"])
}

/// Types without equality are compared by all that they show.
fn shown(value: &impl fmt::Debug) -> String {
    format!("{value:#?}")
}

#[test]
fn of_dispatch() {
    let flags = no_flags().dispatch.for_shard(1).unwrap();
    assert_eq!(shown(&flags), shown(&DispatchConfig::default()));
}

#[test]
fn of_limits() {
    let limits = no_flags().limits;
    assert_eq!(
        shown(&limits.for_shard(1, false)),
        shown(&pipeline::Limits::default())
    );
    let file = pipeline::Limits {
        flow: playback::patience(),
        ..pipeline::Limits::default()
    };
    assert_eq!(shown(&limits.for_file()), shown(&file));
}

#[test]
fn of_policy() {
    let flags = PolicyConfig::from(no_flags().policy);
    assert_eq!(shown(&flags), shown(&PolicyConfig::default()));
}

#[test]
fn of_capture() {
    let flags = no_flags().capture.config(false).unwrap();
    let types = LiveConfig::default();
    assert_eq!(flags.ring_bytes, types.ring_bytes);
    assert_eq!(flags.log_kernel, types.log_kernel);
    assert_eq!(flags.ask_kernel, types.ask_kernel);
    assert_eq!((flags.reply_head, types.reply_head), (512, 0));
}

/// What clap does not show by itself, since it depends: the help says it in words.
#[test]
fn that_are_written_in_the_help() {
    let live = pipeline::Limits::default().flow.gap_wait;
    let file = playback::patience().gap_wait;
    assert_eq!(
        (live, file),
        (Duration::from_secs(1), Duration::from_mins(2))
    );
    let help = Command::command().render_long_help().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "[default: 1s; 2m of the capture's own time in replay]",
        "[default: cubic, or the node's default where cubic is not allowed]",
        "[default: one per two cores, at most 4]",
        "[default: on; off with --attach xdp and --decap, where it can't be]",
        "[default: ack; none with --replies off]",
    ] {
        assert!(help.contains(text), "{text} in {help}");
    }
}
