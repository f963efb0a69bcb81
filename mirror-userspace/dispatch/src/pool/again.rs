//! Which copies in HTTP/2 go on another connection, and what is said of those that do not.

use super::{Retry, Shared};
use crate::{
    outcome::{After, Failure, Outcome},
    wire::h2::Turn,
};

/// How often targets may say of a copy that they do not take it, until it fails. One that closes connections after
/// a number of requests (nginx: `keepalive_requests`) says so of all that are under way then.
pub(super) const TURNED_AWAY: u8 = 64;

/// Why a copy goes on another connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// The target allows fewer streams than was thought.
    Surplus,
    /// The target did not take it.
    TurnedAway,
    /// Its connection closed, and it may arrive twice.
    Retried,
}

/// Whether a copy goes on another connection when its own has ended with this: if the target has not seen it; or, on
/// one that had answered others, if it may arrive twice and met the connection as it was closed.
pub(super) fn again_of(shared: &Shared, turn: &Turn, failure: Failure) -> Option<Again> {
    let unseen = turn.is_unopened() && turn.job.turned_away() < TURNED_AWAY;
    let retries = shared.settings.retry == Retry::Idempotent;
    match failure {
        Failure::Reset | Failure::BadReply | Failure::Timeout if unseen => Some(Again::TurnedAway),
        Failure::Reset
            if retries
                && turn.job.is_repeatable()
                && turn.can_be_sent_anew()
                && !turn.job.is_retried() =>
        {
            Some(Again::Retried)
        }
        _ => None,
    }
}

/// What to enter in the books. A copy that was answered before is not failed by how its reply ends.
pub(super) fn outcome_of(turn: &Turn, ended: Result<After, Failure>) -> Outcome {
    match ended {
        _ if !turn.is_answered() => Outcome::Failed(ended.err().unwrap_or(Failure::BadReply)),
        Ok(after) => Outcome::Read(after),
        Err(Failure::Timeout) => Outcome::Read(After::Cut),
        // By whoever sends it: nobody waits for the rest.
        Err(
            Failure::Aborted
            | Failure::StreamOverflow
            | Failure::Cancelled
            | Failure::RefusedByV1
            | Failure::Shutdown,
        ) => Outcome::Read(After::Reusable),
        Err(_) => Outcome::Read(After::Broken),
    }
}
