//! The memory budget of a shard: every byte that is kept for later is reserved here first.
//!
//! The count is of bytes *allocated*, not of bytes in use, so that the limit is a limit on memory.
//! A [`Reserved`] gives its bytes back when it is dropped, wherever it has travelled by then.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A limit on bytes, shared by all stages of one shard. Cloning it shares the same limit.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Account>);

#[derive(Debug)]
struct Account {
    used: Cell<usize>,
    peak: Cell<usize>,
    limit: usize,
    /// What this is a share of.
    whole: Option<Budget>,
    lease: Option<Lease>,
}

/// What a budget has taken from a pool, in steps: other threads look at a pool, too.
#[derive(Debug)]
struct Lease {
    pool: Pool,
    bytes: Cell<usize>,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::with(limit, None, None)
    }

    /// A budget of `limit` bytes, as long as the pool has as many.
    #[must_use]
    pub fn of_pool(limit: usize, pool: Pool) -> Self {
        let bytes = Cell::default();
        Self::with(limit, None, Some(Lease { pool, bytes }))
    }

    /// A share of this budget, limited to `limit` bytes: a use of memory that clients can drive up gets a
    /// share, so that it cannot starve the others.
    #[must_use]
    pub fn share(&self, limit: usize) -> Self {
        Self::with(limit, Some(self.clone()), None)
    }

    fn with(limit: usize, whole: Option<Self>, lease: Option<Lease>) -> Self {
        Self(Rc::new(Account {
            used: Cell::default(),
            peak: Cell::default(),
            limit,
            whole,
            lease,
        }))
    }

    /// The most bytes that can be reserved at once.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes that are reserved at the moment, of all shares together.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.get()
    }

    /// The most bytes that were ever reserved at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.0.peak.get()
    }

    /// Whether more than a quarter of its pool is taken, if it has one: no time to keep what may be of no use.
    #[must_use]
    pub fn is_scarce(&self) -> bool {
        let lease = self.0.lease.as_ref();
        lease.is_some_and(|lease| lease.pool.used() > lease.pool.limit() / 4)
    }

    /// An empty reservation, to be grown.
    #[must_use]
    pub fn empty(&self) -> Reserved {
        Reserved {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Reserves `bytes`, or leaves the budget as it was and returns `None`.
    #[must_use]
    pub fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let mut reserved = self.empty();
        reserved.grow(bytes).then_some(reserved)
    }

    fn take(&self, bytes: usize) -> bool {
        let account = &self.0;
        let used = account.used.get().checked_add(bytes);
        let Some(used) = used.filter(|used| *used <= account.limit) else {
            return false;
        };
        if account
            .whole
            .as_ref()
            .is_some_and(|whole| !whole.take(bytes))
        {
            return false;
        }
        if account
            .lease
            .as_ref()
            .is_some_and(|lease| !lease.covers(used))
        {
            return false;
        }
        account.used.set(used);
        account.peak.set(account.peak.get().max(used));
        true
    }

    fn give_back(&self, bytes: usize) {
        let used = self.0.used.get() - bytes;
        self.0.used.set(used);
        if let Some(lease) = &self.0.lease {
            lease.shrink_to(used);
        }
        if let Some(whole) = &self.0.whole {
            whole.give_back(bytes);
        }
    }
}

impl Lease {
    /// How much is taken at once, and left at a time.
    const STEP: usize = 64 * 1024;

    /// Takes what so many bytes need more; says whether it is covered.
    fn covers(&self, used: usize) -> bool {
        let held = self.bytes.get();
        let Some(more @ 1..) = used.checked_sub(held) else {
            return true;
        };
        let taken = [more.max(Self::STEP), more].into_iter();
        let taken = taken.into_iter().find(|bytes| self.pool.take(*bytes));
        self.bytes.set(held + taken.unwrap_or_default());
        taken.is_some()
    }

    /// Gives back what is held beyond a step.
    fn shrink_to(&self, used: usize) {
        let held = self.bytes.get();
        let keep = used.saturating_add(Self::STEP);
        if held > keep.saturating_add(Self::STEP) {
            self.pool.give_back(held - keep);
            self.bytes.set(keep);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.give_back(self.bytes.get());
    }
}

/// A limit on bytes that budgets of several threads have in common. Cloning it shares the same limit.
#[derive(Clone, Debug)]
pub struct Pool(Arc<PoolAccount>);

#[derive(Debug)]
struct PoolAccount {
    used: AtomicUsize,
    limit: AtomicUsize,
    /// What this is a part of.
    whole: Option<Pool>,
}

impl Pool {
    /// A pool of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::with(limit, None)
    }

    /// A pool of `limit` bytes that are also bytes of this one.
    #[must_use]
    pub fn part(&self, limit: usize) -> Self {
        Self::with(limit, Some(self.clone()))
    }

    fn with(limit: usize, whole: Option<Self>) -> Self {
        Self(Arc::new(PoolAccount {
            used: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            whole,
        }))
    }

    /// The most bytes that can be taken at once.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Changes the limit. What is taken beyond it stays so until it is given back.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes that are reserved at the moment.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let limit = self.limit();
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= limit);
        let taken = self
            .0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if taken.is_err() {
            return false;
        }
        let covered = self.0.whole.as_ref().is_none_or(|whole| whole.take(bytes));
        if !covered {
            self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        covered
    }

    fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.0.whole {
            whole.give_back(bytes);
        }
    }
}

/// Bytes taken from a [`Budget`]; dropping it returns them.
#[derive(Debug)]
pub struct Reserved {
    budget: Budget,
    bytes: usize,
}

impl Reserved {
    /// How many bytes are held.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes, or changes nothing and returns `false`.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let taken = self.budget.take(more);
        if taken {
            self.bytes += more;
        }
        taken
    }

    /// Returns `less` bytes to the budget, at most those held.
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.budget.give_back(less);
    }

    /// Returns all reserved bytes to the budget.
    pub fn release(&mut self) {
        self.shrink(self.bytes);
    }

    /// From now on, counts only against the whole budget, no longer against a share of it.
    pub fn leave_share(&mut self) {
        if let Some(whole) = self.budget.0.whole.clone() {
            self.budget.0.used.set(self.budget.used() - self.bytes);
            self.budget = whole;
        }
    }

    /// Takes over everything that `other` holds. Both must be of the same budget.
    pub fn absorb(&mut self, mut other: Self) {
        debug_assert!(Rc::ptr_eq(&self.budget.0, &other.budget.0));
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_reservation_changes_nothing() {
        let budget = Budget::new(10);
        let mut held = budget.reserve(6).unwrap();
        assert!(budget.reserve(5).is_none());
        assert!(!held.grow(5));
        assert!(!held.grow(usize::MAX), "no overflow");
        assert_eq!((budget.used(), held.bytes()), (6, 6));
        assert!(held.grow(4));
        assert_eq!((budget.used(), budget.peak()), (10, 10));
    }

    #[test]
    fn dropping_returns_the_bytes_wherever_they_went() {
        let budget = Budget::new(10);
        let mut a = budget.reserve(3).unwrap();
        a.absorb(budget.reserve(4).unwrap());
        assert_eq!(budget.used(), 7);
        a.shrink(1);
        assert_eq!(budget.used(), 6);
        drop(a);
        assert_eq!((budget.used(), budget.peak()), (0, 7));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "that it is shared by threads is what is tested"
    )]
    fn budgets_of_several_threads_share_a_pool() {
        let whole = Pool::new(10 * Lease::STEP);
        let (one, other) = (whole.part(6 * Lease::STEP), whole.part(6 * Lease::STEP));
        let greedy = Budget::of_pool(usize::MAX, one.clone());
        let mut held = greedy.reserve(6 * Lease::STEP).unwrap();
        assert!(!held.grow(1), "its part is full");
        let thread = std::thread::spawn(move || {
            let modest = Budget::of_pool(usize::MAX, other.clone());
            let first = modest.reserve(1).unwrap();
            assert_eq!(other.used(), Lease::STEP, "by steps");
            let second = modest.reserve(4 * Lease::STEP - 1).unwrap();
            assert!(modest.reserve(1).is_none(), "the whole is full");
            assert_eq!(
                (modest.used(), other.used()),
                (4 * Lease::STEP, 4 * Lease::STEP)
            );
            drop((first, second));
            assert_eq!(other.used(), Lease::STEP, "a step is kept");
            drop(modest);
            assert_eq!(other.used(), 0);
        });
        thread.join().unwrap();
        assert_eq!(whole.used(), 6 * Lease::STEP);
        one.set_limit(Lease::STEP);
        held.shrink(2 * Lease::STEP);
        assert!(!held.grow(3 * Lease::STEP), "what is given back is gone");
        drop((held, greedy));
        assert_eq!((one.used(), whole.used()), (0, 0));
    }

    #[test]
    fn a_share_is_a_limit_within_a_limit() {
        let whole = Budget::new(10);
        let share = whole.share(6);
        let mut held = share.reserve(5).unwrap();
        assert!(!held.grow(2), "the share is full");
        let other = whole.reserve(5).unwrap();
        assert!(!held.grow(1), "the whole is full");
        assert_eq!((share.used(), whole.used(), held.bytes()), (5, 10, 5));
        drop(other);
        held.leave_share();
        assert_eq!((share.used(), whole.used()), (0, 5));
        assert!(held.grow(5), "only the whole counts");
        drop(held);
        assert_eq!((share.used(), whole.used(), share.peak()), (0, 0, 5));
    }
}
