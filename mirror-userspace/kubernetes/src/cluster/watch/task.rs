//! One watch: lists objects, then receives every change, whatever happens to the connection.
//!
//! kube's watcher makes the requests. It runs with a back-off of our own, because its default starts over
//! from the shortest wait before each new list, and keeps asking with a version that the server has
//! refused with a status (410) instead of in the stream.
//!
//! The first list may come from the API server's cache: a thousand agents that start together must
//! not make it read all pods from its store. After that lists are asked to be up to date, as an old
//! one would take back what was known.

use std::{
    fmt::Debug,
    hash::{BuildHasher as _, RandomState},
    mem,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use kube::{
    Api, Resource,
    runtime::{
        watcher,
        watcher::{Config, DefaultBackoff, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    ask::Freshness,
    needs::Query,
    report::{Change, Changed, Reporter, Said},
    status::{Failure, FailureReason},
};
use crate::cluster::client::CONNECT_TIMEOUT;

/// Objects that are asked for at a time in a list that is up to date.
const PAGE: u32 = 250;

/// The same of objects that anybody may write and make as large as the API takes them, 1.5 MiB.
const SMALL_PAGE: u32 = 16;

/// The wait that kube's back-off grows to.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// After the API server is back; up to half as long again, by chance.
const A_MOMENT: Duration = Duration::from_millis(200);

/// A watch that has failed counts as standing when it has not failed again for so long: it has
/// connected by then.
const STANDS_AFTER: Duration = CONNECT_TIMEOUT.saturating_mul(3);

/// A watch of one kind of objects, of which the view is kept.
pub(super) struct Watch<K, View, Wrap> {
    pub(super) api: Api<K>,
    pub(super) query: Query,
    pub(super) freshness: Freshness,
    pub(super) view: View,
    pub(super) wrap: Wrap,
    pub(super) reporter: Reporter,
    /// Whether a list is told object by object, as all of it may be too much to hold.
    pub(super) one_by_one: bool,
    pub(super) back: Back,
}

/// Says that the API server answers again: who learns it tells the others, whose waits may be long by then.
#[derive(Clone, Debug, Default)]
pub(super) struct Back(Arc<Notify>);

impl Back {
    /// Wakes all that wait.
    pub(super) fn tell(&self) {
        self.0.notify_waiters();
    }

    /// Waits so long, or until the API server is back if it was away for this reason. Not all ask at once.
    async fn or_after(&self, wait: Duration, reason: FailureReason) {
        if !reason.is_outage() {
            return sleep(wait).await;
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = self.0.notified() => sleep(spread(A_MOMENT)).await,
        }
    }
}

/// How far a watch is.
#[derive(Clone, Copy)]
enum Stage {
    /// A list is asked for.
    Listing,
    /// The stream of changes is open.
    Watching,
    /// After a failure: the stream is asked for again, and that it stands shows only by its silence.
    Resuming,
}

/// Why a stream was left.
enum Left {
    /// All is to be listed again.
    Outdated,
    /// The API server doesn't know the kind.
    NotFound(Failure),
}

impl<K, V, View, Wrap> Watch<K, View, Wrap>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    View: Fn(K) -> V,
    Wrap: Fn(Change<V>) -> Changed,
{
    /// Watches without end a kind that every API server has.
    pub(super) async fn run(mut self) {
        let mut patience = DefaultBackoff::default();
        loop {
            let failure = self.run_while_served(&mut patience).await;
            self.reporter.say(Said::Failing(failure)).await;
            pause(&mut patience).await;
        }
    }

    /// Configuration that stays forbidden was not meant to be read: some install one overlay only.
    fn wait_after(&self, reason: FailureReason, patience: &mut DefaultBackoff) -> Duration {
        let wait = next_wait(patience);
        let forbidden = reason == FailureReason::Forbidden && self.reporter.slot.is_optional();
        if forbidden && wait >= LONGEST_WAIT {
            wait.saturating_mul(10)
        } else {
            wait
        }
    }

    /// Watches until the API server says that it doesn't know the kind.
    pub(super) async fn run_while_served(&mut self, patience: &mut DefaultBackoff) -> Failure {
        loop {
            match self.follow(patience).await {
                Left::Outdated => self.freshness = Freshness::Current,
                Left::NotFound(failure) => return failure,
            }
        }
    }

    async fn follow(&mut self, patience: &mut DefaultBackoff) -> Left {
        let mut events = pin!(watcher(self.api.clone(), self.config()));
        let mut listed = Vec::new();
        let mut stage = Stage::Listing;
        loop {
            let next = match stage {
                Stage::Resuming => timeout(STANDS_AFTER, events.next()).await,
                Stage::Listing | Stage::Watching => Ok(events.next().await),
            };
            let Ok(next) = next else {
                stage = Stage::Watching;
                self.reporter.say(Said::Well).await;
                continue;
            };
            match next {
                Some(Ok(event)) => stage = self.on_event(event, &mut listed).await,
                Some(Err(error)) => {
                    let failure = Failure::of(&error);
                    let reason = failure.reason;
                    if reason == FailureReason::NotFound {
                        return Left::NotFound(failure);
                    }
                    self.reporter.say(Said::Failing(failure)).await;
                    let wait = self.wait_after(reason, patience);
                    self.back.or_after(wait, reason).await;
                    if reason == FailureReason::Outdated {
                        return Left::Outdated;
                    }
                    stage = Stage::Resuming;
                }
                // kube's watcher doesn't end.
                None => return Left::Outdated,
            }
        }
    }

    async fn on_event(&self, event: Event<K>, listed: &mut Vec<V>) -> Stage {
        let change = match event {
            Event::Init => {
                listed.clear();
                if self.one_by_one {
                    self.say(Change::ListBegins).await;
                }
                return Stage::Listing;
            }
            Event::InitApply(object) => {
                let view = (self.view)(object);
                if self.one_by_one {
                    self.say(Change::Found(view)).await;
                } else {
                    listed.push(view);
                }
                return Stage::Listing;
            }
            Event::InitDone => Change::Listed(mem::take(listed)),
            Event::Apply(object) => Change::Applied((self.view)(object)),
            Event::Delete(object) => Change::Deleted((self.view)(object)),
        };
        self.say(change).await;
        Stage::Watching
    }

    async fn say(&self, change: Change<V>) {
        self.reporter.say(Said::Changed((self.wrap)(change))).await;
    }

    fn config(&self) -> Config {
        let config = Config {
            label_selector: self.query.labels.clone(),
            field_selector: self.query.fields.clone(),
            ..Config::default()
        };
        match self.freshness {
            // The cache knows no pages, and kube would leave it out for a list that has some.
            Freshness::Cached => Config {
                page_size: None,
                ..config.any_semantic()
            },
            Freshness::Current if self.one_by_one => config.page_size(SMALL_PAGE),
            Freshness::Current => config.page_size(PAGE),
        }
    }
}

/// Waits after a failure.
pub(super) async fn pause(patience: &mut DefaultBackoff) {
    sleep(next_wait(patience)).await;
}

/// So long and up to half as long again, by chance: not all nodes ask at once.
pub(in crate::cluster) fn spread(wait: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0) % 1000;
    let chance = u32::try_from(chance).unwrap_or_default();
    wait + wait * chance / 2000
}

/// 0.8 s at first and 30 s at last, each time up to twice as long by chance.
fn next_wait(patience: &mut DefaultBackoff) -> Duration {
    patience.next().unwrap_or(LONGEST_WAIT)
}
