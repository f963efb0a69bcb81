//! Tells people in the cluster what became of their documents: the status of each TrafficMirror, and Events.
//!
//! ```text
//! agent ──Seen──► Teller ─┬─ its part ──► Lease podmirror.NODE   (each agent, while pods are mirrored there)
//!                         └─ if elected ◄── all parts ──┘
//!                               ├──► status of TrafficMirrors
//!                               └──► Events on documents
//! ```
//!
//! All agents read the same documents and see the same endpoints, so one of them, elected by a Lease, can tell for
//! all. What only the agent of a node knows (pods attached to, copies sent and lost, how replies compared) each notes
//! in a Lease of its own, from where the elected one adds it up and judges it; there is no other store. Nothing here is needed for mirroring: what
//! fails is tried again, and said once.
//!
//! Writes are bounded: those of one status are 5 s apart, or 60 s if only its figures have changed, and what is there
//! already is not written; a comparison is judged no more often. A status is no news to the watches, which do not keep it.

mod api;
mod compared;
mod conditions;
mod counts;
mod election;
mod events;
mod office;
mod parts;
mod refusals;
mod seen;
mod statuses;
mod task;
mod turns;

use std::time::Duration;

use kube::Client;
use mirror_core::verdict::Terms;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

pub use counts::{Counts, Subject};
pub use seen::{Comparing, Identity, MOST_REMARKS, Part, Remark, Seen, SeenDocument, rounded};

use task::Task;

/// How long the end may take, which gives the Lease back.
const END: Duration = Duration::from_secs(2);

/// Who tells, and where its Leases are.
#[derive(Clone)]
pub struct TellConfig {
    /// The connection to the API. Leases are in its default namespace, which in a pod is the pod's.
    pub client: Client,
    /// The name of this node.
    pub node: String,
    /// The name and UID of this agent's pod: with it goes the node's Lease. `None` outside of a cluster.
    pub pod: Option<(String, String)>,
    /// The name of the Lease that agents with the same flags elect one of them by.
    pub lease: String,
    /// By which terms what mirrors compare is judged.
    pub terms: Terms,
}

impl std::fmt::Debug for TellConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TellConfig")
            .field("node", &self.node)
            .field("pod", &self.pod)
            .field("lease", &self.lease)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// A task that tells people what it is shown.
#[derive(Debug)]
pub struct Teller {
    seen: watch::Sender<Seen>,
    task: JoinHandle<()>,
}

impl Teller {
    /// Begins to. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(config: TellConfig) -> Self {
        let (seen, news) = watch::channel(Seen::default());
        Self {
            seen,
            task: tokio::spawn(Task::new(config, news).run()),
        }
    }

    /// Shows it how things are.
    pub fn show(&self, seen: Seen) {
        self.seen.send_if_modified(|before| {
            let differs = *before != seen;
            *before = seen;
            differs
        });
    }

    /// Ends it; another agent is elected at once if this one was.
    pub async fn end(self) {
        drop(self.seen);
        let mut task = self.task;
        if timeout(END, &mut task).await.is_err() {
            task.abort();
        }
    }
}
