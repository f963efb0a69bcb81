//! The last losses as JSON.

use std::time::Duration;

use bytes::Bytes;
use mirror_core::{
    ledger::why::find,
    lost::{Loss, Remembered},
    segment::{Direction, TcpFlags},
};
use mirror_runtime::clock;
use serde::Serialize;

use super::LostOf;

#[derive(Serialize)]
struct Answer<'a> {
    /// Seconds since the Unix epoch.
    now: f64,
    /// How many are kept of each rule at most; 0 if none is.
    keep: usize,
    /// How many there were that are not kept.
    not_kept: u64,
    /// The newest first.
    lost: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: u64,
    /// Seconds since the Unix epoch.
    at: f64,
    rule: &'a str,
    /// Null: none of the targets got it, or nobody knows what it was.
    target: Option<&'a str>,
    /// Null: nobody knows.
    flow: Option<Flow>,
    /// Its request line as copies have it; null: nobody knows.
    request: Option<&'a str>,
    /// The row of the ledger, and the reason in it.
    row: &'static str,
    reason: &'static str,
    /// What broke off a request that was streamed.
    cause: Option<&'static str>,
    /// How many it stands for.
    count: u64,
    what: &'static str,
    helps: &'static str,
    segments: Vec<Segment>,
}

#[derive(Serialize)]
struct Flow {
    client: String,
    server: String,
}

#[derive(Serialize)]
struct Segment {
    at: f64,
    from: &'static str,
    seq: u32,
    ack: Option<u32>,
    len: u32,
    flags: String,
    /// Hexadecimal, as far as they are kept.
    #[serde(skip_serializing_if = "String::is_empty")]
    bytes: String,
}

/// Those of all rules that are wanted, the newest first.
pub(super) fn render(all: &[LostOf], wanted: impl Fn(&Loss) -> bool) -> Bytes {
    let mut lost: Vec<_> = all
        .iter()
        .flat_map(|of| of.lost.losses.iter().map(move |loss| (of, loss)))
        .filter(|(_, loss)| wanted(loss))
        .collect();
    lost.sort_by_key(|(_, loss)| std::cmp::Reverse(loss.number));
    let now = clock::epoch() + Duration::from_nanos(clock::now().as_nanos());
    let answer = Answer {
        now: now.as_secs_f64(),
        keep: all.iter().map(|of| of.keep).max().unwrap_or(0),
        not_kept: all.iter().map(|of| of.lost.not_kept).sum(),
        lost: lost.into_iter().map(|(of, loss)| shown(of, loss)).collect(),
    };
    // Nothing in it has a key that is no string: it can be written.
    serde_json::to_vec(&answer).unwrap_or_default().into()
}

fn shown<'a>(of: &'a LostOf, loss: &'a Loss) -> Shown<'a> {
    let mut reasons = find(loss.why.reason).filter(|(row, _)| row.path == loss.why.row);
    let reason = reasons.next().map(|(_, reason)| reason);
    let seconds = |at: mirror_core::segment::Time| {
        (of.epoch + Duration::from_nanos(at.as_nanos())).as_secs_f64()
    };
    let segment = |it: &Remembered| Segment {
        at: seconds(it.at),
        from: match it.direction {
            Direction::ToServer => "client",
            Direction::ToClient => "v1",
        },
        seq: it.seq.0,
        ack: it.ack.map(|ack| ack.0),
        len: it.len,
        flags: flags(it.flags),
        bytes: it.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let target = loss.target.and_then(|target| of.targets.get(target));
    Shown {
        id: loss.number,
        at: seconds(loss.at),
        rule: &of.rule,
        // Of one target there is no doubt.
        target: target
            .or(of.targets.first().filter(|_| of.targets.len() == 1))
            .map(String::as_str),
        flow: loss.flow.map(|flow| Flow {
            client: flow.client.to_string(),
            server: flow.server.to_string(),
        }),
        request: loss.line.as_deref(),
        row: loss.why.row,
        reason: loss.why.reason,
        cause: loss.cause,
        count: loss.count,
        what: reason.map_or("", |reason| reason.what),
        helps: reason.map_or("", |reason| reason.helps),
        segments: loss.segments.iter().map(segment).collect(),
    }
}

/// `SYN ACK`
fn flags(flags: TcpFlags) -> String {
    let all = [
        (flags.syn(), "SYN"),
        (flags.fin(), "FIN"),
        (flags.rst(), "RST"),
        (flags.ack(), "ACK"),
        (flags.urg(), "URG"),
    ];
    let set: Vec<_> = all
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| *name)
        .collect();
    set.join(" ")
}
