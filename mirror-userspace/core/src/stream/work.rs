//! Counts steps of work in tests, so that they can assert on work instead of time. Costs nothing
//! outside of them.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// One step: an entry visited, moved or compared.
#[inline(always)]
pub(super) fn step() {
    #[cfg(test)]
    STEPS.set(STEPS.get() + 1);
}

/// Steps taken on this thread since the last call.
#[cfg(test)]
pub(super) fn take() -> u64 {
    STEPS.take()
}
