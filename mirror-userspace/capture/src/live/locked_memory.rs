//! How much memory this process may lock, for the two that count as such: maps before Linux 5.11
//! (since then they count against the memory control group), and perf buffers.

use std::{error::Error, fs};

use aya::util::KernelVersion;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use super::{attach::os_error, object::RingKind};

/// What a user's perf buffers may have for each CPU without counting, in KiB (`perf_event_open(2)`).
const PERF_FREE: &str = "/proc/sys/kernel/perf_event_mlock_kb";
/// The kernel's default of [`PERF_FREE`], in KiB.
const PERF_FREE_KIB: u64 = 516;

/// Whether maps count against `RLIMIT_MEMLOCK`.
pub(super) fn maps_count() -> bool {
    KernelVersion::current().is_ok_and(|version| version < KernelVersion::new(5, 11, 0))
}

/// Takes the limit off where something counts against it. A refusal is left to whatever then can't
/// be made.
pub(super) fn raise(ring: RingKind) {
    if (maps_count() || ring == RingKind::Perf)
        && let Err(errno) = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY)
    {
        log::debug!("RLIMIT_MEMLOCK could not be raised: {errno}");
    }
}

/// The limit, in bytes; `None` if there is none.
pub(super) fn limit() -> Option<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap_or((0, 0));
    (soft != RLIM_INFINITY).then_some(soft)
}

/// What to do about a map or program that the kernel refused with this error, if it did so for its
/// limit on locked memory.
pub(super) fn map_remedy(error: &(dyn Error + 'static)) -> Option<String> {
    let limit = limit().filter(|_| maps_count() && is_refusal(error))?;
    Some(format!(
        "of locked memory, {limit} bytes are allowed (RLIMIT_MEMLOCK), and maps count before Linux \
         5.11: grant CAP_SYS_RESOURCE, or run with `ulimit -l unlimited`"
    ))
}

/// An error about a map, with what to do about it.
pub(super) fn explain(error: anyhow::Error) -> anyhow::Error {
    match map_remedy(error.as_ref()) {
        Some(remedy) => error.context(remedy),
        None => error,
    }
}

/// What to do about perf buffers of so many bytes that the kernel refused to lock.
pub(super) fn perf_remedy(bytes: usize, cpus: usize) -> String {
    let free = fs::read_to_string(PERF_FREE);
    let free = free.ok().and_then(|text| text.trim().parse().ok());
    let free = free.unwrap_or(PERF_FREE_KIB);
    let all = free.saturating_mul(cpus as u64);
    format!(
        "perf buffers of {bytes} bytes are more memory than this user may lock: grant CAP_IPC_LOCK, or \
         ask for less (perf_event_mlock_kb leaves --ring-size {all}K free on {cpus} CPUs)"
    )
}

fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    os_error(error) == Some(nix::libc::EPERM)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_refusal_is_found_behind_what_wraps_it() {
        let refusal = anyhow::Error::new(io::Error::from_raw_os_error(nix::libc::EPERM))
            .context("creating a map");
        assert!(is_refusal(refusal.as_ref()));
        let other = anyhow::Error::new(io::Error::from_raw_os_error(nix::libc::EINVAL));
        assert!(!is_refusal(other.as_ref()));
    }

    #[test]
    fn the_remedy_for_perf_buffers_says_how_much_is_free() {
        let remedy = perf_remedy(1 << 20, 2);
        assert!(remedy.contains("of 1048576 bytes") && remedy.contains("CAP_IPC_LOCK"));
        assert!(remedy.contains("on 2 CPUs"), "{remedy}");
    }
}
