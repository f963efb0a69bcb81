//! Names are resolved again and again: behind a name in a cluster, pods come and go.

use std::{future::Future, io, net::SocketAddr, pin::Pin, time::Duration};

use mirror_core::segment::Time;
use tokio::{net::lookup_host, time::timeout};

/// Where addresses come from.
pub trait Resolve {
    /// The addresses of `host`, each with `port`. An error and an empty answer are the same.
    fn resolve(&self, host: &str, port: u16) -> Resolving;
}

/// A name being resolved.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>>>>;

/// The system's own resolver (getaddrinfo), given up after 5 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

const PATIENCE: Duration = Duration::from_secs(5);

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move {
            let found = timeout(PATIENCE, lookup_host((host, port))).await??;
            Ok(found.collect())
        })
    }
}

/// After a failed connection, a name is resolved again, but at most once in this time.
const HASTE: Duration = Duration::from_secs(1);

/// When a name is to be resolved.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// When the name is to be resolved next; `None` until it is needed for the first time.
    due: Option<Time>,
    began: Time,
    under_way: bool,
}

impl Names {
    pub(super) fn is_due(&self, now: Time) -> bool {
        !self.under_way && self.due.is_some_and(|due| due <= now)
    }

    /// Begins to resolve, unless that is under way; the next time is `due`.
    pub(super) const fn begin(&mut self, now: Time, due: Time) -> bool {
        if self.under_way {
            return false;
        }
        self.under_way = true;
        self.began = now;
        self.due = Some(due);
        true
    }

    pub(super) const fn end(&mut self) {
        self.under_way = false;
    }

    /// Notes a failed connection: the addresses may be out of date.
    pub(super) fn hasten(&mut self, now: Time) {
        let soon = now.max(self.began + HASTE);
        self.due = self.due.map(|due| due.min(soon));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_name_is_resolved_again_in_time_and_after_failures() {
        let mut names = Names::default();
        assert!(!names.is_due(at(0)), "nobody needs it yet");
        assert!(names.begin(at(0), at(30_000)));
        assert!(!names.begin(at(1), at(30_000)), "one at a time");
        names.end();
        assert!(!names.is_due(at(29_999)) && names.is_due(at(30_000)));
        names.hasten(at(10));
        assert!(!names.is_due(at(999)) && names.is_due(at(1_000)));
        names.hasten(at(5_000));
        assert!(names.is_due(at(1_000)), "never later");
        assert!(names.begin(at(5_000), at(35_000)));
        assert!(!names.is_due(at(40_000)), "under way");
    }
}
