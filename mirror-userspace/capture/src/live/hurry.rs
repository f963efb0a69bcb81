//! A reader whose ring fills up gets more of the CPU until it has caught up.
//!
//! Where client, v1 and v2 want all of the CPU, the scheduler gives a thread its equal part, which is too little for
//! large bodies: the ring fills up, and requests are lost that v1 has answered. Always to prefer the reader would
//! take from v1 and v2 what they need more. So it is preferred while its ring is more than a quarter full, and until
//! less than a sixteenth is.
//!
//! Within its cgroup, that is: what a pod gets beside others is its cgroup's weight (its CPU request), whatever its
//! threads want.

use rustix::process::{getpid, getpriority_process, setpriority_process};

/// How much of a ring makes its reader hurry: a quarter.
const FILLING: usize = 4;
/// How much lets it go on as usual: a sixteenth.
const CALM: usize = 16;

/// The priority of a reader's thread.
#[derive(Debug)]
pub(super) struct Hurry {
    /// What it is preferred by, in steps of `nice`; 0 is never.
    by: u8,
    /// The thread's own nice value, while it is preferred.
    usual: Option<i32>,
}

impl Hurry {
    /// Preferred by so much when there is need to.
    pub(super) const fn new(by: u8) -> Self {
        Self { by, usual: None }
    }

    /// So many bytes of a ring of `size` are taken: prefers the thread that calls, or does so no longer.
    pub(super) fn look(&mut self, taken: usize, size: usize) {
        match self.usual {
            None if taken > size / FILLING => self.begin(),
            Some(usual) if taken < size / CALM => {
                // Nobody needs a permission for that.
                let _back = setpriority_process(None, usual);
                self.usual = None;
            }
            _ => {}
        }
    }

    fn begin(&mut self) {
        if self.by == 0 {
            return;
        }
        let preferred = getpriority_process(None).and_then(|usual| {
            setpriority_process(None, usual - i32::from(self.by))?;
            Ok(usual)
        });
        match preferred {
            Ok(usual) => self.usual = Some(usual),
            Err(error) => {
                self.by = 0;
                log::info!(
                    "a ring fills up, and its reader can't be preferred (CAP_SYS_NICE): {error}; \
                     more --shards or a larger --ring-size may help"
                );
            }
        }
    }
}

/// Gives the thread that calls the priority of the process's first thread: for one that a preferred reader started, and
/// which would stay preferred.
pub fn as_usual() {
    let usual = getpriority_process(Some(getpid()));
    // To want less takes no permission.
    let _as_it_was = usual.and_then(|usual| setpriority_process(None, usual));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 16 << 20;

    fn nice() -> i32 {
        getpriority_process(None).unwrap()
    }

    #[test]
    fn a_reader_is_preferred_from_a_quarter_of_the_ring_down_to_a_sixteenth() {
        let usual = nice();
        if setpriority_process(None, usual - 1).is_err() {
            eprintln!("SKIPPED: preferring a thread needs CAP_SYS_NICE");
            return;
        }
        setpriority_process(None, usual).unwrap();
        let mut hurry = Hurry::new(1);
        let mut at = |taken| {
            hurry.look(taken, SIZE);
            nice() - usual
        };
        assert_eq!(at(SIZE / 4), 0);
        assert_eq!(at(SIZE / 4 + 1), -1);
        assert_eq!(at(SIZE), -1, "by that much, and no more");
        assert_eq!(at(SIZE / 16), -1);
        assert_eq!(at(SIZE / 16 - 1), 0);
        assert_eq!(at(SIZE / 5), 0, "and not before it fills up again");
    }

    #[test]
    fn a_thread_that_a_preferred_one_starts_is_as_usual_again() {
        let usual = getpriority_process(Some(getpid())).unwrap();
        if setpriority_process(None, usual - 1).is_err() {
            eprintln!("SKIPPED: preferring a thread needs CAP_SYS_NICE");
            return;
        }
        let started = std::thread::spawn(|| {
            let inherited = nice();
            as_usual();
            (inherited, nice())
        });
        let started = started.join().unwrap();
        setpriority_process(None, usual).unwrap();
        assert_eq!(started, (usual - 1, usual));
    }

    #[test]
    fn a_reader_that_is_not_to_be_preferred_never_is() {
        let usual = nice();
        Hurry::new(0).look(SIZE, SIZE);
        assert_eq!(nice(), usual);
    }
}
