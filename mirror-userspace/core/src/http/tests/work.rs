//! Counts the bytes that parsing looks at or moves, so that a test can tell linear from quadratic
//! work without a clock.

use std::cell::Cell;

thread_local! {
    static DONE: Cell<usize> = const { Cell::new(0) };
}

/// So many more bytes were looked at or moved.
pub(crate) fn done(bytes: usize) {
    DONE.set(DONE.get() + bytes);
}

/// How many bytes `run` looked at or moved on this thread.
pub(crate) fn of(run: impl FnOnce()) -> usize {
    let before = DONE.get();
    run();
    DONE.get() - before
}
