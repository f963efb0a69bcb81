//! How long a connection may go on without getting anywhere.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{self, Instant};

/// The end of a connection, which is put off whenever its client has taken a part of an answer that has no
/// end, and whenever it is kept for another request. Other connections have one time for all.
#[derive(Debug)]
pub(super) struct Patience {
    time: Duration,
    ends: Mutex<Ends>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    at: Instant,
    renewed: bool,
    idle: bool,
}

impl Patience {
    /// Patience for so long.
    pub(super) fn new(time: Duration) -> Self {
        let ends = Ends {
            at: Instant::now() + time,
            renewed: false,
            idle: false,
        };
        Self {
            time,
            ends: Mutex::new(ends),
        }
    }

    /// From now on anew.
    pub(super) fn renew(&self) {
        self.put_off(true, false);
    }

    /// There is an answer, and time for it and for the next request.
    pub(super) fn begin_again(&self) {
        self.put_off(false, true);
    }

    fn put_off(&self, renewed: bool, idle: bool) {
        let ends = Ends {
            at: Instant::now() + self.time,
            renewed,
            idle,
        };
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }

    /// Whether nothing but another request is waited for, or the last bytes of an answer: to let go of it is no harm.
    pub(super) fn is_idle(&self) -> bool {
        self.ends().idle
    }

    /// Whether it has ever been renewed: the answer has no end.
    pub(super) fn is_renewed(&self) -> bool {
        self.ends().renewed
    }

    /// Returns when it is lost.
    pub(super) async fn lost(&self) {
        let mut at = self.ends().at;
        loop {
            time::sleep_until(at).await;
            let now = self.ends().at;
            if now <= at {
                return;
            }
            at = now;
        }
    }

    fn ends(&self) -> Ends {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
