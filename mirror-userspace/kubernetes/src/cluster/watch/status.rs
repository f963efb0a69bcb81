//! How the watches are doing, for readiness, metrics and logs.

use std::{error::Error, time::Duration};

use kube::runtime::watcher;
use log::{info, warn};
use tokio::time::Instant;

use super::needs::Slot;

/// How long nothing is said of an outage that goes on.
pub(super) const SAID_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How one watch is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchStatus {
    /// What it is for, in words: `pods of this node`. Not bounded in number; no label for metrics.
    pub watch: String,
    /// The kind of objects, such as `endpointslices`: one of nine.
    pub resource: &'static str,
    /// How it is now.
    pub state: WatchState,
    /// Whether the objects have been listed since the watch is needed, or can't be had and are not
    /// waited for: configuration of a kind that is not installed or not allowed.
    pub complete: bool,
    /// Whether they have been listed.
    pub(super) listed: bool,
    /// When it was last said that it fails.
    pub(super) said: Option<Instant>,
}

/// What the watches of one kind of objects have done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounts {
    /// How often the objects were listed: once for each watch, and again when the API server had
    /// forgotten the version that was last seen.
    pub lists: u64,
    /// How many objects were new, changed or gone since.
    pub changes: u64,
    /// How many requests and streams failed.
    pub failures: u64,
}

/// How the watches of one kind of objects are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedKind {
    /// The kind, such as `pods`.
    pub kind: &'static str,
    /// Whether none of them fails.
    pub healthy: bool,
    /// [`WatchCounts::failures`] of all of them.
    pub failures: u64,
}

impl WatchStatus {
    pub(super) fn new(slot: &Slot) -> Self {
        Self {
            watch: slot.to_string(),
            resource: slot.resource(),
            state: WatchState::Starting,
            complete: false,
            listed: false,
            said: None,
        }
    }

    /// Whether the API server doesn't answer it.
    pub(super) const fn is_away(&self) -> bool {
        matches!(&self.state, WatchState::Failing(failure) if failure.reason.is_outage())
    }

    pub(super) fn on_listed(&mut self) {
        self.complete = true;
        self.listed = true;
        self.on_success();
    }

    pub(super) fn on_success(&mut self) {
        match &self.state {
            WatchState::Failing(_) if self.said.is_none() => {}
            WatchState::Failing(_) => info!("the watch of {} works again", self.watch),
            WatchState::NotInstalled => info!("{} are installed now", self.watch),
            WatchState::Starting | WatchState::Watching => {}
        }
        self.state = WatchState::Watching;
        self.said = None;
    }

    /// Says it once for a run of failures of one kind, and of an outage again now and then, unless it is
    /// an outage that others have told of (`known`). Returns whether it said so.
    pub(super) fn on_failure(&mut self, failure: Failure, known: bool) -> bool {
        let outage = failure.reason.is_outage();
        let same = matches!(&self.state, WatchState::Failing(it) if it.reason == failure.reason);
        let again = outage
            && self
                .said
                .is_none_or(|said| said.elapsed() >= SAID_AGAIN_AFTER);
        let says = (!same || again) && !(outage && known);
        if says {
            self.said = Some(Instant::now());
            let Self { watch, .. } = self;
            let text = &failure.text;
            if failure.reason == FailureReason::Outdated {
                info!("the watch of {watch} was behind; all are listed again ({text})");
            } else {
                warn!("the watch of {watch} fails and is tried again: {text}");
            }
        }
        self.state = WatchState::Failing(failure);
        says
    }

    pub(super) fn on_not_installed(&mut self) {
        if self.state != WatchState::NotInstalled {
            info!("{} are not installed in this cluster", self.watch);
        }
        self.complete = true;
        self.state = WatchState::NotInstalled;
    }
}

/// How a watch is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchState {
    /// The API has not answered yet.
    Starting,
    /// The watch receives every change.
    Watching,
    /// It tries again and again; what was known before stays in use.
    Failing(Failure),
    /// The cluster does not know the kind; the watch begins when it does.
    NotInstalled,
}

/// Why a request or a stream failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub reason: FailureReason,
    /// What went wrong, for people.
    pub text: String,
}

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// No reply, or one that broke off.
    Unreachable,
    /// Status 401 or 403: the service account lacks a right.
    Forbidden,
    /// Status 404: the API server doesn't know the kind.
    NotFound,
    /// Status 410: the version last seen is too old, and everything is listed again.
    Outdated,
    /// Another status, such as 429 or 500.
    Refused,
    /// A reply that is not what it should be.
    Unreadable,
    /// The task has ended; another one takes its place.
    Crashed,
}

impl FailureReason {
    /// Whether the API server has said something: a refusal is an answer, too.
    pub(super) const fn is_answer(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Crashed)
    }

    /// Whether it is the API server's, and not one of what it was asked.
    pub(super) const fn is_outage(self) -> bool {
        matches!(self, Self::Unreachable | Self::Refused)
    }
}

impl Failure {
    pub(super) fn of(error: &watcher::Error) -> Self {
        use watcher::Error as E;
        match error {
            E::InitialListFailed(error) | E::WatchStartFailed(error) | E::WatchFailed(error) => {
                Self::of_request(error)
            }
            E::WatchError(status) => Self::of_status(status),
            E::NoResourceVersion => Self {
                reason: FailureReason::Unreadable,
                text: error.to_string(),
            },
        }
    }

    fn of_request(error: &kube::Error) -> Self {
        use kube::Error as E;
        let reason = match error {
            E::Api(status) => return Self::of_status(status),
            E::SerdeError(_) | E::FromUtf8(_) | E::LinesCodecMaxLineLengthExceeded => {
                FailureReason::Unreadable
            }
            // The token or certificate can't be had.
            E::Auth(_) => FailureReason::Forbidden,
            _ => FailureReason::Unreachable,
        };
        Self {
            reason,
            text: with_sources(error),
        }
    }

    fn of_status(status: &kube::core::Status) -> Self {
        let kube::core::Status { code, message, .. } = status;
        Self {
            reason: match code {
                401 | 403 => FailureReason::Forbidden,
                404 => FailureReason::NotFound,
                410 => FailureReason::Outdated,
                _ => FailureReason::Refused,
            },
            text: format!("status {code}: {message}"),
        }
    }
}

/// An error and its causes, each once: some name their cause themselves.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = source.source();
    }
    text
}
