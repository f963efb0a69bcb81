//! What the task of a watch says: `task --Report--> Watches`.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{needs::Slot, status::Failure};
use crate::cluster::{
    document::Document,
    endpoints::{BackendPod, SliceView},
    pod::PodView,
    service::ServiceView,
};

/// Tells a watch from the one that had its slot before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WatchId(pub(super) u64);

/// What a watch says.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) id: WatchId,
    pub(super) slot: Arc<Slot>,
    pub(super) said: Said,
}

#[derive(Debug)]
pub(super) enum Said {
    /// Objects are new, have changed, or are gone.
    Changed(Changed),
    /// A request or the stream failed; it is tried again.
    Failing(Failure),
    /// No failure for a while after one: the watch stands, and nothing has happened.
    Well,
    /// The API server doesn't know the kind.
    NotInstalled(Certainty),
}

impl Said {
    /// Whether the API server has said something.
    pub(super) const fn is_answer(&self) -> bool {
        match self {
            Self::Changed(change) => !change.is_beginning(),
            Self::Failing(failure) => failure.reason.is_answer(),
            Self::Well | Self::NotInstalled(_) => true,
        }
    }
}

/// How sure it is that a kind is not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    /// A server that starts may say so of a kind that it has.
    Supposed,
    /// There is no definition of it, and hence no object.
    Certain,
}

/// A change of one of the kinds of objects that are watched.
#[derive(Debug)]
pub(in crate::cluster) enum Changed {
    NodePods(Change<PodView>),
    Services(Change<ServiceView>),
    Slices(Change<SliceView>),
    Backends(Change<BackendPod>),
    Documents(Change<Document>),
}

impl Changed {
    /// Whether a list only begins, which is before the API server is asked.
    pub(super) const fn is_beginning(&self) -> bool {
        matches!(self, Self::Documents(Change::ListBegins))
    }

    /// Whether it is about all objects of the watch.
    pub(super) const fn is_list(&self) -> bool {
        match self {
            Self::NodePods(change) => change.is_list(),
            Self::Services(change) => change.is_list(),
            Self::Slices(change) => change.is_list(),
            Self::Backends(change) => change.is_list(),
            Self::Documents(change) => change.is_list(),
        }
    }
}

/// What happened to the objects of a watch.
#[derive(Debug)]
pub(in crate::cluster) enum Change<T> {
    /// A list begins that is too long to be held: each of it follows as [`Found`](Self::Found), and then
    /// [`Listed`](Self::Listed) with what is left, which may be nothing.
    ListBegins,
    /// One of a list.
    Found(T),
    /// These are all of them, with those that were found.
    Listed(Vec<T>),
    /// This one is new or has changed.
    Applied(T),
    /// This one is gone, or is not selected any more.
    Deleted(T),
}

impl<T> Change<T> {
    const fn is_list(&self) -> bool {
        matches!(self, Self::Listed(_))
    }
}

/// Where the task of a watch says what it sees.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    pub(super) id: WatchId,
    pub(super) slot: Arc<Slot>,
    pub(super) to: mpsc::Sender<Report>,
}

impl Reporter {
    /// Waits while nobody takes what was said before.
    pub(super) async fn say(&self, said: Said) {
        let report = Report {
            id: self.id,
            slot: Arc::clone(&self.slot),
            said,
        };
        // It can't be sent once the watches are dropped, which ends this task, too.
        self.to.send(report).await.ok();
    }
}
