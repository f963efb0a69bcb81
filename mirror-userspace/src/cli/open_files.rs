//! How many files podmirror may have open: each connection to a target is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, which needs no privilege. The soft limit is often 1 024, for
/// programs that use `select`.
pub(super) fn allow_all() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(errno) = raised {
        log::debug!("RLIMIT_NOFILE is as it was: {errno}");
    }
}
