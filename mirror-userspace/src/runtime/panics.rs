//! Panics of a shard's tasks.
//!
//! tokio keeps a task's panic to itself: the shard would go on with a connection that never ends, and with
//! copies on it that never end either. So each thread remembers that something on it panicked, and the
//! shard ends itself.

use std::{cell::Cell, panic, sync::Once, time::Duration};

use tokio::time;

/// How often [`wait`] looks.
const EVERY: Duration = Duration::from_millis(50);

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

/// Whether something on this thread has panicked.
pub(super) fn here() -> bool {
    PANICKED.get()
}

/// Returns once something on this thread has panicked.
pub(super) async fn wait() {
    while !here() {
        time::sleep(EVERY).await;
    }
}
