//! Liveness: whether the owner of the mirrors still comes by for questions.
//!
//! It is not waited for. Each probe leaves a ping if none is waiting, and looks how long the one
//! that waits has been there. An owner that is busy for seconds (it attaches to many pods) is
//! alive; one that is busy for a minute is not.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

/// What is known of the owner.
#[derive(Debug, Default)]
pub(super) struct Health {
    waiting: Option<(Instant, oneshot::Receiver<()>)>,
}

impl Health {
    /// For how long the owner has not answered; zero if it has nothing to answer.
    ///
    /// An owner that is gone has asked for the end: that is no failure.
    pub(super) fn silence(
        &mut self,
        now: Instant,
        pings: &mpsc::Sender<oneshot::Sender<()>>,
    ) -> Duration {
        if let Some((since, answer)) = &mut self.waiting
            && matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Empty))
        {
            return now.saturating_duration_since(*since);
        }
        let (ping, answer) = oneshot::channel();
        self.waiting = pings.try_send(ping).is_ok().then_some((now, answer));
        Duration::ZERO
    }
}
