//! Plays a conversation to a pipeline, as a shard would.

use mirror_core::{
    lost::KeepLost,
    pipeline::{Limits, Output, Pipeline},
    policy::{Policy, PolicyConfig, PolicyError, TargetPolicy},
    segment::{Segment, Time},
    stream::Confirm,
};

use crate::Conversation;

/// What the pipeline gave out for a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// The number of copies.
    pub copies: u64,
    /// Their bytes: the client's, and the line that marks a copy.
    pub bytes: u64,
}

/// A pipeline with one target and the defaults, but for what it waits for.
///
/// # Errors
///
/// Never, as long as the defaults do not contradict each other.
pub fn pipeline(confirm: Confirm) -> Result<Pipeline, PolicyError> {
    let mut limits = Limits::default();
    limits.flow.confirm = confirm;
    pipeline_within(limits)
}

/// The same within these limits.
pub(crate) fn pipeline_within(mut limits: Limits) -> Result<Pipeline, PolicyError> {
    let policy = Policy::new(PolicyConfig {
        targets: vec![TargetPolicy::default()],
        ..PolicyConfig::default()
    })?;
    // As many as a live mirror keeps.
    limits.keep_lost = KeepLost {
        losses: 100,
        bytes: 0,
    };
    Ok(Pipeline::new(limits, policy))
}

/// The same for this conversation.
///
/// # Errors
///
/// As [`pipeline`].
pub fn pipeline_of(conversation: &Conversation) -> Result<Pipeline, PolicyError> {
    let mut pipeline = pipeline(conversation.confirm)?;
    if conversation.compares {
        pipeline.tell_answers();
        pipeline.tell_replies();
    }
    Ok(pipeline)
}

/// Hands in every segment and lets go of what comes out, as if it were sent at once.
pub fn play(conversation: &Conversation, pipeline: &mut Pipeline) -> Played {
    let mut played = Played::default();
    for segment in conversation.segments() {
        hand_in(pipeline, segment.at, &segment, &mut played);
    }
    played
}

/// Hands in one segment, and adds what comes out.
pub(crate) fn hand_in(
    pipeline: &mut Pipeline,
    now: Time,
    segment: &Segment<'_>,
    played: &mut Played,
) {
    pipeline.handle_segment(now, segment);
    while let Some(output) = pipeline.poll_output() {
        if let Output::Copy(copy) = output {
            played.copies += 1;
            let lengths = copy.pieces.iter().map(|piece| piece.len() as u64);
            played.bytes += lengths.sum::<u64>();
        }
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::pipeline::SaidByV1;

    use super::*;

    /// A guard over a pipeline that drops what it is given would be a cheap one.
    #[test]
    fn every_request_comes_out_whole() {
        const MARK: u64 = "x-mirrored-by: podmirror\r\n".len() as u64;
        for conversation in Conversation::all()
            .into_iter()
            .chain(Conversation::confirmed())
            .chain([Conversation::pipelined()])
        {
            let mut pipeline = pipeline_of(&conversation).unwrap();
            let played = play(&conversation, &mut pipeline);
            let expected = Played {
                copies: conversation.requests,
                bytes: conversation.bytes + conversation.requests * MARK,
            };
            assert_eq!(played, expected, "{}", conversation.name);
            assert_eq!(pipeline.connections(), 0);
        }
    }

    /// A header block is made anew, the message is not.
    #[test]
    fn every_call_comes_out_whole() {
        let conversation = Conversation::grpc();
        let mut pipeline = pipeline_of(&conversation).unwrap();
        let mut calls = 0;
        for segment in conversation.segments() {
            pipeline.handle_segment(segment.at, &segment);
            while let Some(output) = pipeline.poll_output() {
                let Output::Copy(copy) = output else {
                    panic!("{output:?}");
                };
                let body = copy.pieces.iter().skip(1).map(|piece| piece.len());
                assert_eq!(body.sum::<usize>(), crate::MESSAGE + 5);
                calls += 1;
            }
        }
        assert_eq!(calls, conversation.requests);
        assert_eq!(pipeline.connections(), 0);
    }

    /// Where v1 is compared with, all of its replies are told whole.
    #[test]
    fn every_reply_of_v1_is_told() {
        for conversation in Conversation::answered() {
            let mut pipeline = pipeline_of(&conversation).unwrap();
            let (mut copies, mut over, mut lost) = (0, 0, 0);
            for segment in conversation.segments() {
                pipeline.handle_segment(segment.at, &segment);
                while let Some(output) = pipeline.poll_output() {
                    match output {
                        Output::Copy(_) => copies += 1,
                        Output::Reply { bytes: None, .. } => lost += 1,
                        Output::OfV1 { said, .. } => match said {
                            SaidByV1::End => over += 1,
                            SaidByV1::Missed(_) | SaidByV1::Unknown => lost += 1,
                            _ => {}
                        },
                        Output::Reply { .. } => over += 1,
                        _ => {}
                    }
                }
            }
            let told = u64::from(conversation.compares) * conversation.requests;
            let name = conversation.name;
            assert_eq!(
                (copies, over, lost),
                (conversation.requests, told, 0),
                "{name}"
            );
        }
    }
}
