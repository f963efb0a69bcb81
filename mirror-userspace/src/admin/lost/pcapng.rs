//! The last segments of lost requests' connections, as a capture file.

use std::{collections::BTreeMap, io, time::Duration};

use mirror_capture::file::{CaptureWriter, Headers};
use mirror_core::{
    lost::Loss,
    segment::{Direction, FlowId, Segment, Time},
};

use super::LostOf;

/// Losses that are told of in the file's comment.
const TOLD: usize = 100;

/// A pcapng file with the segments of those that are wanted, each once, in the order of their times: their headers,
/// and of their payload what is kept. The losses are its comments.
pub(super) fn render(all: &[LostOf], wanted: impl Fn(&Loss) -> bool) -> io::Result<Vec<u8>> {
    let mut comments = Vec::new();
    let mut segments = BTreeMap::new();
    for of in all {
        for loss in of.lost.losses.iter().filter(|loss| wanted(loss)) {
            comments.push(comment(of, loss));
            let Some(flow) = loss.flow else { continue };
            for segment in &loss.segments {
                let at = of.epoch + Duration::from_nanos(segment.at.as_nanos());
                let from_client = segment.direction == Direction::ToServer;
                segments.insert((at, flow, from_client, segment.seq.0), segment);
            }
        }
    }
    comments.truncate(TOLD);
    let comments: Vec<_> = comments.iter().map(String::as_str).collect();
    let mut file = CaptureWriter::new(Vec::new(), Headers::Ethernet, &comments)?;
    for ((at, flow, from_client, _), segment) in segments {
        file.write(&Segment {
            at: Time::from_nanos(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)),
            // The file has packets, which say who sent them.
            flow: match from_client {
                true => flow,
                false => FlowId {
                    client: flow.server,
                    server: flow.client,
                    ..flow
                },
            },
            direction: Direction::ToServer,
            expected: None,
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            urgent: None,
            starts_segment: true,
            payload: &segment.bytes,
            wire_len: segment.len,
        })?;
    }
    file.finish(&[])
}

fn comment(of: &LostOf, loss: &Loss) -> String {
    let flow = loss.flow.map_or_else(
        || "connection not known".to_owned(),
        |flow| format!("{} -> {}", flow.client, flow.server),
    );
    let line = loss.line.as_deref().unwrap_or("request not known");
    format!(
        "loss {} of {}: {}.{}: {flow}: {line}",
        loss.number, of.rule, loss.why.row, loss.why.reason
    )
}
