//! A shard: one OS thread that drains its ring, and runs the pipelines and the connections of all mirrors that
//! share it. Shards share nothing; they are asked for their counters.
//!
//! ```text
//! ring ─► Table: whose is it? ─► Member: Pipeline ─► Dispatcher
//!                             ─► Member: …
//! ```
//!
//! A record costs one look at whose it is, and a mirror without traffic or copies one look per second.

mod control;
mod member;
mod members;
mod routes;
mod unclaimed;

use std::{thread, time::Duration};

use anyhow::Context as _;
use mirror_capture::{Batch, RingReader, as_usual};
use tokio::{
    runtime,
    sync::mpsc,
    task::{LocalSet, yield_now},
    time,
};

use super::{clock, panics};
use control::Control;
pub(super) use control::{Ended, MirrorId, ShardConfig, Share};
use members::Members;
pub(super) use routes::Routes;
pub use unclaimed::UnclaimedRecords;

/// How much is taken from the ring before connections to targets get their turn: enough to pay for the
/// turn, but little enough that a reply waits well under a millisecond, and that a body is still in the
/// CPU's cache when it is written.
const BATCH: Batch = Batch {
    records: 64,
    bytes: 256 * 1024,
};

/// Turns without a record before a shard sleeps: in the first, replies that have arrived are read.
const TURNS_IN_VAIN: u32 = 1;

/// How often a shard handles timeouts while it has connections or copies that may time out.
const TICK: Duration = Duration::from_millis(20);

/// How long it sleeps when nothing can time out: the ring wakes it, and commands do.
const NOTHING_DUE: Duration = Duration::from_secs(1);

/// A running shard. It ends when this and all shares of it are dropped.
pub(super) struct Shard {
    control: mpsc::UnboundedSender<Control>,
    thread: thread::JoinHandle<()>,
}

impl Shard {
    /// Starts the thread.
    ///
    /// # Errors
    /// There can't be one more thread, or file.
    pub(super) fn start(
        number: usize,
        reader: RingReader,
        routes: Routes,
        unclaimed: UnclaimedRecords,
    ) -> anyhow::Result<Self> {
        let (control, commands) = mpsc::unbounded_channel();
        panics::remember();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            // One that looks names up for a shard that hurries does not.
            .on_thread_start(as_usual)
            .build()
            .context("starting a shard's I/O")?;
        let thread = thread::Builder::new()
            .name(format!("shard-{number}"))
            .spawn(move || {
                let members = Members::new(routes, unclaimed);
                LocalSet::new().block_on(&runtime, serve(reader, commands, members));
            })
            .context("starting a shard's thread")?;
        Ok(Self { control, thread })
    }

    /// Has it serve one more mirror.
    ///
    /// # Errors
    /// Those of [`Share::take`].
    pub(super) async fn join(
        &self,
        id: MirrorId,
        config: ShardConfig,
        ended: Ended,
    ) -> anyhow::Result<Share> {
        Share::take(self.control.clone(), id, config, ended).await
    }

    /// Whether it has ended although nobody stopped it.
    pub(super) fn is_broken(&self) -> bool {
        self.control.is_closed()
    }

    /// Waits until the thread has ended, which it does without shares.
    pub(super) fn end(self) {
        drop(self.control);
        // What it panicked with was printed, and told to its mirrors.
        let _panicked = self.thread.join();
    }
}

async fn serve(
    mut reader: RingReader,
    mut commands: mpsc::UnboundedReceiver<Control>,
    mut members: Members,
) {
    let mut turns_in_vain = 0;
    // What panics for a mirror is that mirror's end; anything else would go on with half of what it had.
    while !panics::here() {
        let read = members.turn(&mut reader);
        members.see_to_timeouts(clock::now());
        members.finish_ends(&reader);
        turns_in_vain = if read > 0 { 0 } else { turns_in_vain + 1 };
        let mut command = if turns_in_vain <= TURNS_IN_VAIN {
            // Connections get their turn; a flood of segments must not keep commands out either.
            yield_now().await;
            commands.try_recv().ok()
        } else if members.may_nap()
            && reader.nap(|| !commands.is_empty() || members.want_short_naps())
        {
            // The thread slept, not the task: a reply that came meanwhile did not wake it.
            members.handle_nap();
            turns_in_vain = 0;
            None
        } else {
            tokio::select! {
                command = commands.recv() => match command {
                    None => return,
                    command => command,
                },
                () = reader.wait() => None,
                () = time::sleep(members.until_due(clock::now())) => None,
            }
        };
        while let Some(told) = command {
            members.obey(told, &reader);
            command = commands.try_recv().ok();
        }
    }
}
