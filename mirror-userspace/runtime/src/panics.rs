//! Panics, kept to the mirror whose they are.
//!
//! tokio keeps a task's panic to itself: a mirror would go on with a connection that never ends, and with
//! copies on it that never end either. So each thread remembers that something on it panicked, and who drives a
//! mirror's tasks looks there.

use std::{
    cell::Cell,
    future::poll_fn,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::Once,
    task::Poll,
};

thread_local! {
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// From now on each thread of the process remembers a panic. What a panic prints stays as it was.
pub(super) fn remember() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // A thread that is being torn down has no shard any more.
            let _gone = PANICKED.try_with(|panicked| panicked.set(true));
            before(panic);
        }));
    });
}

/// Whether something on this thread has panicked that was not [`caught`] or [`watched`].
pub(super) fn here() -> bool {
    PANICKED.get()
}

/// Does something; `None` if it panics. What it worked on is then of no use to anybody.
#[inline]
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(_) => {
            PANICKED.set(false);
            None
        }
    }
}

/// Drops what is of no use any more; a panic in that, also one that tokio keeps to itself, is nobody's.
pub(super) fn let_go<T>(useless: T) {
    let before = here();
    let _panicked = caught(|| drop(useless));
    PANICKED.set(before);
}

/// Runs to the end of what this is, or to the first panic in it or in one of the tasks that it runs.
pub(super) async fn watched<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = caught(|| future.as_mut().poll(cx));
        let panicked = PANICKED.replace(false);
        match polled {
            Some(Poll::Ready(done)) => Poll::Ready((!panicked).then_some(done)),
            Some(Poll::Pending) if !panicked => Poll::Pending,
            _ => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_panic_of_a_task_is_its_sets_and_nobody_elses() {
        remember();
        let [sick, well] = [LocalSet::new(), LocalSet::new()];
        sick.spawn_local(async { panic!("on purpose") });
        let forever = std::future::pending::<()>();
        assert_eq!(watched(sick.run_until(forever)).await, None);
        assert!(!here());
        let done = async { spawn_local(yield_now()).await.is_ok() };
        assert_eq!(watched(well.run_until(done)).await, Some(true));
    }

    /// Panics when it is dropped.
    struct Spiteful;

    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_panics_when_it_is_dropped_is_gone_and_nothing_else() {
        remember();
        let_go(Spiteful);
        assert!(!here());
        let tasks = LocalSet::new();
        tasks.spawn_local(async {
            let _held = Spiteful;
            std::future::pending::<()>().await;
        });
        tasks.run_until(yield_now()).await;
        let_go(tasks);
        assert!(!here());
        PANICKED.set(true);
        let_go(Spiteful);
        assert!(here(), "what was there before stays");
        PANICKED.set(false);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_panics_is_caught_once() {
        remember();
        assert_eq!(caught(|| 1), Some(1));
        assert_eq!(caught(|| -> u8 { panic!("on purpose") }), None);
        assert!(!here());
        assert_eq!(watched(async { panic!("on purpose") }).await, None::<()>);
        assert!(!here());
    }
}
