//! Tells all browsers the same: one message a second, made once, and only while somebody looks.
//!
//! A browser that does not keep up misses messages; one that does not read at all is not waited for, and its
//! connection ends like any other that gets nowhere ([`Patience`](crate::admin::patience::Patience)).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::{
    sync::{
        Notify,
        mpsc::{self, error::TrySendError::Closed},
    },
    time,
};

use crate::admin::{
    limits::{BROWSERS, TOLD_BYTES, WAITING_MESSAGES},
    routes::Failure,
};

/// Who is told, and how often.
#[derive(Debug)]
pub(super) struct Tap {
    every: Duration,
    told: Mutex<Told>,
    somebody_came: Notify,
}

#[derive(Debug, Default)]
struct Told {
    browsers: Vec<mpsc::Sender<Bytes>>,
    /// What was told last: there is nothing, or it is as old as a message may be.
    last: Option<Bytes>,
}

impl Tap {
    /// A tap that tells so often, at most.
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            told: Mutex::default(),
            somebody_came: Notify::new(),
        }
    }

    /// What one browser more is told from now on, beginning with what the others know; `None` if there are
    /// [`BROWSERS`] already.
    pub(super) fn join(&self) -> Option<mpsc::Receiver<Bytes>> {
        let (tell, told) = mpsc::channel(WAITING_MESSAGES);
        let mut all = self.told();
        all.browsers.retain(|browser| !browser.is_closed());
        if all.browsers.len() >= BROWSERS {
            return None;
        }
        if let Some(last) = &all.last {
            // There is room for it.
            let _sent = tell.try_send(last.clone());
        }
        all.browsers.push(tell);
        self.somebody_came.notify_one();
        Some(told)
    }

    /// Tells what `ask` says, whenever it is time.
    pub(super) async fn run<A>(&self, mut ask: impl FnMut() -> A)
    where
        A: Future<Output = Result<Bytes, Failure>>,
    {
        loop {
            while self.is_alone() {
                self.somebody_came.notified().await;
            }
            let next = time::Instant::now();
            let message = match ask().await {
                Ok(books) => event("books", &books),
                Err((_, why)) => event("trouble", why.trim_end().replace('\n', " ").as_bytes()),
            };
            let pause = self.tell(&message);
            time::sleep_until(next + pause).await;
        }
    }

    /// Whether nobody is told any more. What was told last is then old.
    fn is_alone(&self) -> bool {
        let mut all = self.told();
        all.browsers.retain(|browser| !browser.is_closed());
        if all.browsers.is_empty() {
            all.last = None;
        }
        all.browsers.is_empty()
    }

    /// Tells all, and says when to do so again.
    fn tell(&self, message: &Bytes) -> Duration {
        let mut all = self.told();
        // One whose messages wait misses this one.
        all.browsers
            .retain(|browser| !matches!(browser.try_send(message.clone()), Err(Closed(_))));
        all.last = Some(message.clone());
        let bytes = message.len().saturating_mul(all.browsers.len());
        let millis = bytes.saturating_mul(1000) / TOLD_BYTES;
        let least = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        self.every.max(least)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message of this kind. `data` is one line.
fn event(kind: &str, data: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(data.len() + 64);
    message.put_slice(b"retry: 1000\nevent: ");
    message.put_slice(kind.as_bytes());
    message.put_slice(b"\ndata: ");
    message.put_slice(data);
    message.put_slice(b"\n\n");
    message.freeze()
}
