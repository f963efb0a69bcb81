//! Every copy that is counted as lost is told of, once.

use mirror_core::{counters::TargetCounters, lost::Why};

use super::vocabulary::Pool;

/// How many losses the pool tells of, or says that it does not.
pub(super) fn tell(pool: &mut Pool) -> u64 {
    let mut told = 0;
    while let Some(lost) = pool.poll_lost() {
        assert_ne!(lost.why, Why::failed("aborted"), "the pipeline tells");
        assert!(lost.request.is_some() || lost.why == Why::dropped("stream_overflow"));
        told += 1;
    }
    told + pool.lost_untold()
}

/// How many it has to tell of.
pub(super) fn to_tell(counters: &TargetCounters) -> u64 {
    let TargetCounters {
        dropped, failed, ..
    } = counters;
    dropped.total() - dropped.aborted + failed.total() - failed.aborted
}
