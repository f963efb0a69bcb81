//! Every copy that is counted as lost is told of, once.

use mirror_core::counters::TargetCounters;

use super::vocabulary::Pool;

/// How many losses the pool tells of, or says that it does not.
pub(super) fn tell(pool: &mut Pool) -> u64 {
    let mut told = 0;
    while let Some(lost) = pool.poll_lost() {
        assert!(lost.request.is_some());
        assert_eq!(lost.cause.is_some(), lost.why.reason == "aborted");
        told += 1;
    }
    told + pool.lost_untold()
}

/// How many it has to tell of.
pub(super) fn to_tell(counters: &TargetCounters) -> u64 {
    let TargetCounters {
        dropped, failed, ..
    } = counters;
    dropped.total() + failed.total()
}
